//! One HTTP request in, one response out: who calls which service in which Region, and how the
//! services' protocols write their errors. The services' own `wire` files do the rest.

pub mod answer;
pub mod error;
pub mod form;
pub mod scope;
pub mod xml;

use amiferry_core::ids::Region;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Limited};

pub use answer::{Answer, AnswerBody};
pub use error::ApiError;
use scope::Service;

use crate::principal::Principal;
use crate::{World, cloudformation, ec2, events, kms, quotas, s3, secrets, sqs, sts};

/// The body of a request as it arrives.
pub type Incoming = UnsyncBoxBody<Bytes, std::io::Error>;

/// The largest body that is collected in memory (the query and JSON protocols).
const COLLECTED_LIMIT: usize = 4 << 20;

/// One call, its caller known.
#[derive(Debug)]
pub struct Call {
    /// Who signed it.
    pub caller: Principal,
    /// The Region of the endpoint, from the credential scope.
    pub region: Region,
    /// HTTP method.
    pub method: Method,
    /// The raw, still percent-encoded path.
    pub path: String,
    /// The decoded query string, in order.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
}

impl Call {
    /// The value of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Answers one request: finds caller and service, and lets the service answer.
///
/// The answer carries `Date` in simulated time, because the SDKs compute their clock skew
/// from it.
pub async fn answer(world: &World, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let mut answer = match route(world, parts, body).await {
        Ok(answer) => answer,
        Err((service, error)) => error.written_for(service),
    };
    answer.stamp(world.now(), world.next_answer());
    answer
}

/// The name of the operation that a request is for; empty if it names none. `body` is looked at
/// for the query protocols only.
pub fn operation(service: Service, parts: &Parts, body: &[u8]) -> String {
    match service {
        Service::Ec2 | Service::Sts | Service::CloudFormation => action(body),
        Service::Sqs
        | Service::Kms
        | Service::Events
        | Service::ServiceQuotas
        | Service::SecretsManager => target(&parts.headers),
        Service::S3 => {
            let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
            let host = host.or(parts.uri.host());
            s3::wire::operation(&parts.method, &parts.uri, &parts.headers, host)
                .unwrap_or_default()
                .to_owned()
        }
    }
}

fn action(form: &[u8]) -> String {
    let action = form_urlencoded::parse(form).find(|(name, _)| name == "Action");
    action.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn target(headers: &HeaderMap) -> String {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next());
    operation.unwrap_or_default().to_owned()
}

async fn route(world: &World, parts: Parts, body: Incoming) -> Result<Answer, (Service, ApiError)> {
    let scope = scope::of(&parts).map_err(|error| (Service::guess(&parts), error))?;
    let service = scope.service;
    let caller = sts::caller(world, &scope).map_err(|error| (service, error))?;
    let query = parts.uri.query().unwrap_or_default();
    let call = Call {
        caller,
        region: scope.region,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts.headers,
    };
    if service == Service::S3 {
        let host = call.header("host").map(str::to_owned).or(parts.uri.host().map(str::to_owned));
        return s3::wire::answer(world, call, host.as_deref(), body)
            .await
            .map_err(|error| (service, error));
    }
    let body = collect(body).await.map_err(|error| (service, error))?;
    let answer = match service {
        Service::Ec2 => ec2::wire::answer(world, &call, &body).await,
        Service::Sqs => sqs::wire::answer(world, &call, &body).await,
        Service::Sts => sts::wire::answer(world, &call, &body).await,
        Service::Kms => kms::wire::answer(world, &call, &body).await,
        Service::Events => events::wire::answer(world, &call, &body).await,
        Service::ServiceQuotas => quotas::wire::answer(world, &call, &body).await,
        Service::SecretsManager => secrets::wire::answer(world, &call, &body).await,
        Service::CloudFormation => cloudformation::wire::answer(world, &call, &body).await,
        Service::S3 => return Err((service, ApiError::internal("routed twice"))),
    };
    answer.map_err(|error| {
        if error.code == "NotImplemented" {
            let operation = match service {
                Service::Ec2 | Service::Sts | Service::CloudFormation => action(&body),
                Service::Sqs
                | Service::Kms
                | Service::Events
                | Service::ServiceQuotas
                | Service::SecretsManager
                | Service::S3 => target(&call.headers),
            };
            *world.lock().unimplemented.entry((service.name(), operation)).or_default() += 1;
        }
        (service, error)
    })
}

async fn collect(body: Incoming) -> Result<Bytes, ApiError> {
    let collected = Limited::new(body, COLLECTED_LIMIT).collect().await;
    collected
        .map(|body| body.to_bytes())
        .map_err(|error| ApiError::new(400, "RequestEntityTooLarge", error.to_string()))
}

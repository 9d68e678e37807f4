//! The door for the AWS SDK in the same process: no socket, no TLS, no thread.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use crate::World;
use crate::faults::{Break, Reply, exchange};
use crate::wire::{Answer, AnswerBody, Incoming};

/// How long a silent connection is waited for when the SDK sets no read timeout.
const PATIENCE: Duration = Duration::from_secs(60);

/// An SDK HTTP client whose server is a [`World`] in this process.
#[derive(Debug, Clone)]
pub struct InProcess {
    world: World,
    patience: Duration,
}

impl InProcess {
    /// A client that talks to `world`.
    pub fn new(world: World) -> Self {
        Self { world, patience: PATIENCE }
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { world, patience } = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?
                .map(incoming);
            match exchange(&world, request, Some(patience)).await {
                Reply::Whole(answer) => {
                    let body = match answer.body {
                        AnswerBody::Bytes(ref bytes) => SdkBody::from(bytes.clone()),
                        AnswerBody::Content(ref content) => {
                            SdkBody::from_body_1_x(content.clone().into_body())
                        }
                    };
                    response(answer, body)
                }
                Reply::Faulty(answer, body) => response(answer, SdkBody::from_body_1_x(body)),
                Reply::Nothing(Break::Silent) => {
                    world.clock().sleep(patience).await;
                    Err(ConnectorError::timeout("no answer within the read timeout".into()))
                }
                Reply::Nothing(Break::TimedOut) => {
                    Err(ConnectorError::timeout("no answer within the read timeout".into()))
                }
                Reply::Nothing(Break::Refused) => Err(ConnectorError::io(
                    std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
                )),
                Reply::Nothing(Break::Reset) => Err(ConnectorError::io(
                    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into(),
                )),
            }
        })
    }
}

fn response(answer: Answer, body: SdkBody) -> Result<HttpResponse, ConnectorError> {
    let mut response = http::Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(answer.status)
        .map_err(|error| ConnectorError::other(error.into(), None))?;
    *response.headers_mut() = answer.headers;
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let patience = settings.read_timeout().unwrap_or(self.patience);
        SharedHttpConnector::new(Self { world: self.world.clone(), patience })
    }
}

fn incoming(body: SdkBody) -> Incoming {
    Incoming::new(body.map_err(std::io::Error::other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Effect, FaultPlan, Rule};
    use crate::testing::{ACCOUNT, REGION, world};

    async fn list_buckets(world: &World) -> Result<HttpResponse, ConnectorError> {
        let patience = Duration::from_secs(5);
        let client = InProcess { world: world.clone(), patience };
        let credential = format!(
            "AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/{REGION}/s3/aws4_request, Signature=0"
        );
        let request = http::Request::get("https://s3.us-east-1.amazonaws.com/")
            .header("authorization", credential)
            .body(SdkBody::empty());
        client.call(HttpRequest::try_from(request.unwrap()).unwrap()).await
    }

    fn suffer(effect: Effect) -> World {
        let world = world();
        world.faults().install(FaultPlan::new().fault(Rule::new(effect))).unwrap();
        world
    }

    #[tokio::test(start_paused = true)]
    async fn broken_connections_are_io_errors_and_come_at_once() {
        for effect in [Effect::ConnectionRefused, Effect::ConnectionReset, Effect::ResponseLost] {
            let world = suffer(effect);
            let begun = world.now();
            assert!(list_buckets(&world).await.unwrap_err().is_io());
            assert_eq!(world.now(), begun);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_a_timeout_after_what_the_client_waits_and_no_sooner() {
        let late = Effect::DelayResponse(Duration::from_secs(60));
        for effect in [Effect::Timeout, Effect::ResponseTimeout, late] {
            let world = suffer(effect);
            let begun = world.now();
            assert!(list_buckets(&world).await.unwrap_err().is_timeout());
            assert_eq!(world.now().duration_since(begun).as_secs(), 5);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_body_begins_as_the_whole_does_and_ends_with_an_error() {
        let whole = list_buckets(&world()).await.unwrap().into_body().collect().await.unwrap();
        let whole = whole.to_bytes();
        let mut cut = list_buckets(&suffer(Effect::Truncate(10))).await.unwrap().into_body();
        let first = cut.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, whole.slice(..10));
        assert!(cut.frame().await.unwrap().is_err());
    }
}

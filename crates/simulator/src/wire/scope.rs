//! Which service, Region and access key a request is for, read from its `SigV4` credential scope.
//!
//! One port serves all services, as emulators do; the signature itself is not verified, the
//! access key id says who calls.

use amiferry_core::ids::Region;
use http::Method;
use http::request::Parts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ApiError;

/// The services that the simulated AWS has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Elastic Compute Cloud, `ec2` query protocol.
    Ec2,
    /// Simple Storage Service, REST XML.
    S3,
    /// Simple Queue Service, AWS JSON 1.0.
    Sqs,
    /// Security Token Service, query protocol.
    Sts,
    /// Key Management Service, AWS JSON 1.1.
    Kms,
    /// EventBridge, AWS JSON 1.1.
    Events,
    /// Service Quotas, AWS JSON 1.1.
    ServiceQuotas,
    /// Secrets Manager, AWS JSON 1.1.
    SecretsManager,
    /// CloudFormation, query protocol.
    CloudFormation,
}

impl Service {
    /// The name in the credential scope, which is also its name in ARNs and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::Sts => "sts",
            Self::Kms => "kms",
            Self::Events => "events",
            Self::ServiceQuotas => "servicequotas",
            Self::SecretsManager => "secretsmanager",
            Self::CloudFormation => "cloudformation",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Ec2,
            Self::S3,
            Self::Sqs,
            Self::Sts,
            Self::Kms,
            Self::Events,
            Self::ServiceQuotas,
            Self::SecretsManager,
            Self::CloudFormation,
        ];
        all.into_iter().find(|service| service.name() == name)
    }

    /// The service whose error format suits a request that cannot be attributed.
    pub fn guess(parts: &Parts) -> Self {
        let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        match target {
            Some(target) if target.starts_with("AmazonSQS") => Self::Sqs,
            Some(target) if target.starts_with("AWSEvents") => Self::Events,
            Some(target) if target.starts_with("ServiceQuotas") => Self::ServiceQuotas,
            Some(target) if target.starts_with("secretsmanager") => Self::SecretsManager,
            Some(_) => Self::Kms,
            None if parts.headers.get("content-type").is_some_and(|value| {
                value.as_bytes().starts_with(b"application/x-www-form-urlencoded")
            }) =>
            {
                Self::Ec2
            }
            None => Self::S3,
        }
    }
}

/// What the signature says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The access key id.
    pub access_key: String,
    /// The endpoint's Region.
    pub region: Region,
    pub service: Service,
    /// The session token, from the header or a presigned query.
    pub token: Option<String>,
    /// When the request was signed, if it says so.
    pub signed_at: Option<Timestamp>,
    /// How many seconds a presigned URL works; `None` for a signed header.
    pub works_for: Option<u32>,
}

/// The longest that a presigned URL may work: one week, in seconds.
const LONGEST_PRESIGNED: u32 = 604_800;

/// Reads the scope from the `Authorization` header or a presigned query.
///
/// # Errors
/// `MissingAuthenticationToken` without either (`AccessDenied` in S3, where it is an anonymous
/// request and nothing here is public); `IncompleteSignature` for one that is not
/// `KEY/DATE/REGION/SERVICE/aws4_request`; `InvalidRequest` for Signature Version 2;
/// `NotImplemented` for a service that is not here, and for a presigned POST, whose signature is in
/// the fields of its form.
pub fn of(parts: &Parts) -> Result<Scope, ApiError> {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let param = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, v)| v.as_str());
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = header("authorization");
    if authorization.is_some_and(|value| value.starts_with("AWS "))
        || param("AWSAccessKeyId").is_some()
    {
        return Err(ApiError::new(
            400,
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use \
             AWS4-HMAC-SHA256.",
        ));
    }
    let credential = match authorization {
        Some(header) => {
            header.split([' ', ',']).find_map(|field| field.trim().strip_prefix("Credential="))
        }
        None => param("X-Amz-Credential"),
    };
    let Some(credential) = credential else {
        let is_form = header("content-type").is_some_and(|kind| {
            let form = "multipart/form-data";
            kind.get(..form.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(form))
        });
        return Err(match Service::guess(parts) {
            Service::S3 if parts.method == Method::POST && is_form => {
                ApiError::unknown_operation(Service::S3, "PostObject")
            }
            Service::S3 => ApiError::new(403, "AccessDenied", "Access Denied"),
            _ => ApiError::new(
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ),
        });
    };
    let fields: Vec<&str> = credential.split('/').collect();
    let [access_key, _date, region, service, "aws4_request"] = fields.as_slice() else {
        return Err(incomplete(credential));
    };
    let service = Service::named(service).ok_or_else(|| {
        ApiError::new(501, "NotImplemented", format!("the simulated AWS has no service {service}"))
    })?;
    let region = region.parse().map_err(|_| incomplete(credential))?;
    let presigned = authorization.is_none();
    let given = |name: &str| if presigned { param(name) } else { header(name) };
    let works_for = if presigned { Some(works_for(param("X-Amz-Expires"))?) } else { None };
    Ok(Scope {
        access_key: (*access_key).to_owned(),
        region,
        service,
        token: given("X-Amz-Security-Token").map(str::to_owned),
        signed_at: given("X-Amz-Date").and_then(basic_date),
        works_for,
    })
}

fn works_for(expires: Option<&str>) -> Result<u32, ApiError> {
    let refuse = |message: &str| ApiError::new(400, "AuthorizationQueryParametersError", message);
    let expires = expires.ok_or_else(|| {
        refuse(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, \
             X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and \
             X-Amz-Expires parameters.",
        )
    })?;
    let seconds = expires.parse().map_err(|_| refuse("X-Amz-Expires should be a number"))?;
    if seconds > LONGEST_PRESIGNED {
        return Err(refuse(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given \
             X-Amz-Expires must be less than 604800 seconds",
        ));
    }
    Ok(seconds)
}

/// A date as signatures write it: `20260101T000000Z`.
fn basic_date(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn incomplete(credential: &str) -> ApiError {
    ApiError::new(
        400,
        "IncompleteSignature",
        format!("Credential must be KEY/DATE/REGION/SERVICE/aws4_request, not {credential:?}"),
    )
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const CREDENTIAL: &str = "111111111111/20260101/us-east-1/s3/aws4_request";

    fn scope(uri: &str, authorization: Option<&str>) -> Result<Scope, ApiError> {
        let mut request = Request::get(uri).header("x-amz-date", "20260101T000000Z");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn header_and_presigned_query_say_the_same() {
        let signed = format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL}, Signature=0");
        let by_header = scope("/b/k", Some(&signed)).unwrap();
        let uri = format!(
            "/b/k?X-Amz-Credential={}&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-Security-Token=t",
            CREDENTIAL.replace('/', "%2F")
        );
        let by_query = scope(&uri, None).unwrap();
        assert_eq!(by_query, Scope { token: Some("t".into()), works_for: Some(60), ..by_header });
        assert_eq!(by_query.signed_at, "2026-01-01T00:00:00Z".parse().ok());
    }

    #[test]
    fn a_presigned_post_is_refused_by_its_name_and_not_as_anonymous() {
        let form = "Multipart/Form-Data; boundary=x";
        for (uri, kind, code) in [
            ("/bucket", form, "NotImplemented"),
            ("http://bucket.s3.us-east-1.amazonaws.com/", form, "NotImplemented"),
            ("/bucket", "application/xml", "AccessDenied"),
            ("/bucket", "", "AccessDenied"),
        ] {
            let post = Request::post(uri).header("content-type", kind).body(()).unwrap();
            let refused = of(&post.into_parts().0).unwrap_err();
            assert_eq!(refused.code, code, "{uri} {kind}");
            let is_named = refused.message.contains("s3:PostObject");
            assert_eq!(is_named, code == "NotImplemented", "{}", refused.message);
        }
    }

    #[test]
    fn what_cannot_be_attributed_is_refused_with_the_code_of_aws() {
        let presigned = format!("/b/k?X-Amz-Credential={CREDENTIAL}");
        for (uri, authorization, code) in [
            ("/b/k", None, "AccessDenied"),
            ("/b/k", Some("AWS AKID:signature"), "InvalidRequest"),
            ("/b/k?AWSAccessKeyId=a&Signature=s&Expires=1", None, "InvalidRequest"),
            ("/b/k", Some("AWS4-HMAC-SHA256 Credential=a/b/c"), "IncompleteSignature"),
            (presigned.as_str(), None, "AuthorizationQueryParametersError"),
            (
                &format!("{presigned}&X-Amz-Expires=604801"),
                None,
                "AuthorizationQueryParametersError",
            ),
        ] {
            assert_eq!(scope(uri, authorization).unwrap_err().code, code, "{uri}");
        }
    }
}

//! Which service, Region and access key a request is for, read from its `SigV4` credential scope.
//!
//! One port serves all services, as emulators do; the signature itself is not verified, the
//! access key id says who calls.

use amiferry_core::ids::Region;
use http::request::Parts;

use super::ApiError;

/// The services that the simulated AWS has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Ec2, Self::S3, Self::Sqs, Self::Sts, Self::Kms]
            .into_iter()
            .find(|service| service.name() == name)
    }

    /// The service whose error format suits a request that cannot be attributed.
    pub fn guess(parts: &Parts) -> Self {
        let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        match target {
            Some(target) if target.starts_with("AmazonSQS") => Self::Sqs,
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
    /// The service.
    pub service: Service,
}

/// Reads the scope from the `Authorization` header or a presigned query.
///
/// # Errors
/// `MissingAuthenticationToken` without either; `IncompleteSignature` for one that is not
/// `KEY/DATE/REGION/SERVICE/aws4_request`; `NotImplemented` for a service that is not here.
pub fn of(parts: &Parts) -> Result<Scope, ApiError> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let credential = match header {
        Some(header) => header
            .split([' ', ','])
            .find_map(|field| field.trim().strip_prefix("Credential="))
            .map(str::to_owned),
        None => form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .find(|(key, _)| key == "X-Amz-Credential")
            .map(|(_, value)| value.into_owned()),
    };
    let Some(credential) = credential else {
        return Err(ApiError::new(
            403,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        ));
    };
    let fields: Vec<&str> = credential.split('/').collect();
    let [access_key, _date, region, service, "aws4_request"] = fields.as_slice() else {
        return Err(incomplete(&credential));
    };
    let service = Service::named(service).ok_or_else(|| {
        ApiError::new(501, "NotImplemented", format!("the simulated AWS has no service {service}"))
    })?;
    let region = region.parse().map_err(|_| incomplete(&credential))?;
    Ok(Scope { access_key: (*access_key).to_owned(), region, service })
}

fn incomplete(credential: &str) -> ApiError {
    ApiError::new(
        400,
        "IncompleteSignature",
        format!("Credential must be KEY/DATE/REGION/SERVICE/aws4_request, not {credential:?}"),
    )
}

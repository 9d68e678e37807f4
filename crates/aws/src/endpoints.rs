//! The endpoints that the SDK takes from the environment and from profiles, checked like those of the
//! configuration before the first signed request.

use std::fmt;

use amiferry_core::endpoint::{self, BadEndpoint};
use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// The services that are called, as the SDK names them in its settings.
const SERVICES: [&str; 7] = ["EC2", "EventBridge", "KMS", "S3", "SQS", "STS", "Service Quotas"];

/// A setting of the environment or of a profile with which AWS would not be reached as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadRoute {
    /// An endpoint that may not be used.
    Endpoint {
        /// The service, as the SDK names it.
        service: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What a person can do, apart from removing it.
        fix: &'static str,
    },
    /// Any other setting.
    Setting {
        /// What is wrong, naming the setting.
        problem: String,
        /// What a person can do.
        fix: String,
    },
}

impl fmt::Display for BadRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint { service, problem, fix } => write!(
                f,
                "the environment or the profile sets an endpoint for {service}: {problem}; remove it \
                 there, or {fix}"
            ),
            Self::Setting { problem, fix } => write!(f, "{problem}; {fix}"),
        }
    }
}

impl std::error::Error for BadRoute {}

/// The endpoints that a session uses, by service.
pub(crate) fn of(config: &SdkConfig) -> impl Iterator<Item = (&'static str, String)> {
    SERVICES.into_iter().filter_map(|service| Some((service, of_service(config, service)?)))
}

/// The endpoint of one service: that of the service before that of all.
pub(crate) fn of_service(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let own = config.service_config().and_then(|settings| settings.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Refuses a session that would call anything but AWS over https and loopback.
///
/// # Errors
/// The first such endpoint.
pub(crate) fn check(config: &SdkConfig, allow_insecure: bool) -> Result<(), BadRoute> {
    for (service, url) in of(config) {
        endpoint::check(&url, allow_insecure)
            .map_err(|BadEndpoint { problem, fix }| BadRoute::Endpoint { service, problem, fix })?;
    }
    Ok(())
}

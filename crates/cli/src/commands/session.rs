//! The credentials that each worker runs with, for commands that act in its place.

use amiferry_aws::Session;
use amiferry_service::config::{Config, Source, Vault};

/// A source worker's session: its profile, its Region.
pub async fn source(config: &Config, source: &Source) -> Session {
    let aws = &config.aws;
    let profile = aws.source_profile.as_deref();
    Session::from_environment(&source.region, profile, aws.endpoint_url.as_deref()).await
}

/// A target worker's session: its profile, its Region.
pub async fn vault(config: &Config, vault: &Vault) -> Session {
    let aws = &config.aws;
    let profile = aws.vault_profile.as_deref();
    Session::from_environment(&vault.region, profile, aws.endpoint_url.as_deref()).await
}

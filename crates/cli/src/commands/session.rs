//! The credentials that each worker runs with, for itself and for commands that act in its place.

use amiferry_aws::Session;
use amiferry_service::config::{Config, Source, Vault};

/// A source worker's session: its profile, its Region.
pub async fn source(config: &Config, source: &Source) -> Session {
    let (profile, endpoint) = (config.source_profile(source), config.aws.endpoint_url.as_deref());
    Session::from_environment(&source.region, profile, endpoint).await
}

/// A target worker's session: its profile, its Region.
pub async fn vault(config: &Config, vault: &Vault) -> Session {
    let (profile, endpoint) = (config.vault_profile(vault), config.aws.endpoint_url.as_deref());
    Session::from_environment(&vault.region, profile, endpoint).await
}

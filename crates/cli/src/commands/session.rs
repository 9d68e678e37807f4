//! The credentials that each worker runs with, for itself and for commands that act in its place.

use amiferry_aws::{BadRoute, Session};
use amiferry_core::ids::Region;
use amiferry_service::config::{Config, Source, Vault};

/// A source worker's session: its profile, its Region.
///
/// # Errors
/// An endpoint of the environment or the profile that may not be used.
pub async fn source(config: &Config, source: &Source) -> Result<Session, BadRoute> {
    of(config, &source.region, config.source_profile(source)).await
}

/// A target worker's session: its profile, its Region.
///
/// # Errors
/// An endpoint of the environment or the profile that may not be used.
pub async fn vault(config: &Config, vault: &Vault) -> Result<Session, BadRoute> {
    of(config, &vault.region, config.vault_profile(vault)).await
}

/// The session of a prune: its own profile, or the usual credentials. Never those of a worker, which must
/// not be able to delete.
///
/// # Errors
/// An endpoint of the environment or the profile that may not be used.
pub async fn prune(config: &Config, vault: &Vault) -> Result<Session, BadRoute> {
    of(config, &vault.region, vault.prune_profile.as_deref()).await
}

async fn of(config: &Config, region: &Region, profile: Option<&str>) -> Result<Session, BadRoute> {
    let (endpoint, allow) =
        (config.aws.endpoint_url.as_deref(), config.aws.allow_insecure_endpoint);
    Session::from_environment(region, profile, endpoint, allow).await
}

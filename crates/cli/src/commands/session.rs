//! The credentials that each worker runs with, for itself and for commands that act in its place.

use amiferry_aws::{BadRoute, Session};
use amiferry_core::ids::Region;
use amiferry_core::ports::CredentialChoice;
use amiferry_service::config::{Config, Env as _, ProcessEnv, Source, Vault};

/// The variable that names the profile where the configuration names none.
const AWS_PROFILE: &str = "AWS_PROFILE";

/// A source worker's session: its profile, its Region.
///
/// # Errors
/// An endpoint of the environment or the profile that may not be used.
pub async fn source(config: &Config, source: &Source) -> Result<Session, BadRoute> {
    let setting = match source.profile {
        Some(_) => "profile in its [[source]]",
        None => "source_profile in [aws]",
    };
    of(config, &source.region, (config.source_profile(source), setting)).await
}

/// A target worker's session: its profile, its Region.
///
/// # Errors
/// An endpoint of the environment or the profile that may not be used.
pub async fn vault(config: &Config, vault: &Vault) -> Result<Session, BadRoute> {
    let setting = match vault.profile {
        Some(_) => "profile in its [[vault]]",
        None => "vault_profile in [aws]",
    };
    of(config, &vault.region, (config.vault_profile(vault), setting)).await
}

/// The session of a prune: its own profile, or the usual credentials. Never those of a worker, which must
/// not be able to delete.
///
/// # Errors
/// An endpoint of the environment or the profile that may not be used.
pub async fn prune(config: &Config, vault: &Vault) -> Result<Session, BadRoute> {
    of(config, &vault.region, (vault.prune_profile.as_deref(), "prune_profile in its [[vault]]"))
        .await
}

async fn of(
    config: &Config,
    region: &Region,
    (profile, setting): (Option<&str>, &str),
) -> Result<Session, BadRoute> {
    let (endpoint, allow) =
        (config.aws.endpoint_url.as_deref(), config.aws.allow_insecure_endpoint);
    let session = Session::from_environment(region, profile, endpoint, allow).await?;
    let by_environment = || ProcessEnv.get(AWS_PROFILE).filter(|name| !name.is_empty());
    let (setting, profile) = match (profile, by_environment()) {
        (Some(profile), _) => (setting, Some(profile.to_owned())),
        (None, Some(profile)) => (AWS_PROFILE, Some(profile)),
        (None, None) => (setting, None),
    };
    Ok(session.chosen_by(CredentialChoice { setting: setting.to_owned(), profile }))
}

//! What the environment, the profiles and the machine say: the SDK's default chain, with a reason
//! each time that it finds no credentials.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{
    ProvideCredentials, Result as CredentialsResult, SharedCredentialsProvider, future,
};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::region::Region;

use crate::client::{ATTEMPTS, app_name, behavior, stalls, timeouts};
use crate::credentials::ForgettableCache;

/// Where a session from the surroundings gets its settings.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) region: Region,
    /// The profile; `None` for the one that the environment names.
    pub(crate) profile: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) cache: ForgettableCache,
    pub(crate) http: SharedHttpClient,
}

impl Surroundings {
    /// Reads all of it.
    pub(crate) async fn load(self) -> SdkConfig {
        let config = self.read().await;
        let Some(chain) = config.credentials_provider() else { return config };
        let chain = ExplainedChain { surroundings: self, chain: Mutex::new(chain) };
        let builder = config.to_builder();
        builder.credentials_provider(SharedCredentialsProvider::new(chain)).build()
    }

    async fn read(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(behavior())
            .region(self.region.clone())
            .identity_cache(self.cache.clone())
            .http_client(self.http.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .stalled_stream_protection(stalls())
            .timeout_config(timeouts(Duration::from_secs(20), Duration::from_secs(60)));
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(name) = app_name() {
            loader = loader.app_name(name);
        }
        loader.load().await
    }
}

/// The SDK's chain of credentials, made again after each failure: a chain says only once why its
/// profile cannot be used, and never reads a corrected file.
#[derive(Debug)]
struct ExplainedChain {
    surroundings: Surroundings,
    chain: Mutex<SharedCredentialsProvider>,
}

impl ExplainedChain {
    async fn credentials(&self) -> CredentialsResult {
        let chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let error = match chain.provide_credentials().await {
            Ok(credentials) => return Ok(credentials),
            Err(error) => error,
        };
        if let Some(next) = self.surroundings.read().await.credentials_provider() {
            *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = next;
        }
        // The SDK passes over a missing profile and then fails for the last place that it looked at.
        let selected = self.surroundings.profile.as_deref();
        let missing = missing_profile(&EnvConfigFiles::default(), &Env::real(), selected).await;
        Err(missing.map_or(error, CredentialsError::invalid_configuration))
    }
}

impl ProvideCredentials for ExplainedChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// Which profile is named but not there, in words: the selected one, or the source of another.
async fn missing_profile(
    files: &EnvConfigFiles,
    env: &Env,
    selected: Option<&str>,
) -> Option<String> {
    let by_name = selected.map(|name| Cow::Owned(name.to_owned()));
    let profiles = aws_config::profile::load(&Fs::real(), env, files, by_name).await.ok()?;
    let mut name = profiles.selected_profile();
    // Without a word about profiles, the one called `default` may be absent.
    let is_chosen = selected.is_some() || env.get("AWS_PROFILE").is_ok();
    if profiles.get_profile(name).is_none() {
        let why = format!("the profile `{name}` is not in the AWS configuration files");
        return is_chosen.then_some(why);
    }
    let mut seen = BTreeSet::new();
    while seen.insert(name) {
        let source = profiles.get_profile(name)?.get("source_profile")?;
        if profiles.get_profile(source).is_none() {
            return Some(format!(
                "the profile `{name}` names the source profile `{source}`, which is not in the AWS \
                 configuration files"
            ));
        }
        name = source;
    }
    None
}

#[cfg(test)]
mod tests {
    use aws_runtime::env_config::file::EnvConfigFileKind;

    use super::*;

    async fn missing(config: &str, env: &[(&str, &str)], selected: Option<&str>) -> Option<String> {
        let files =
            EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, config).build();
        missing_profile(&files, &Env::from_slice(env), selected).await
    }

    #[tokio::test]
    async fn a_profile_that_is_named_but_not_there_is_named_with_the_one_that_names_it() {
        // 18-aws-config.ini of the field.
        let chained = "[profile chained]\nrole_arn = arn:aws:iam::222222222222:role/x\n\
                       source_profile = missing\n";
        let long = "[profile a]\nsource_profile = b\n[profile b]\nsource_profile = c\n";
        let round = "[profile a]\nsource_profile = b\n[profile b]\nsource_profile = a\n";
        let own = "[profile a]\naws_access_key_id = x\nsource_profile = a\n";
        let by_environment: &[_] = &[("AWS_PROFILE", "chained")];
        for (config, env, selected, words) in [
            (chained, by_environment, None, Some(["`chained`", "source profile `missing`"])),
            (chained, &[], Some("chained"), Some(["`chained`", "source profile `missing`"])),
            (chained, &[], Some("typo"), Some(["profile `typo`", "is not in"])),
            ("", by_environment, None, Some(["profile `chained`", "is not in"])),
            (long, &[], Some("a"), Some(["`b`", "source profile `c`"])),
            (round, &[], Some("a"), None),
            (own, &[], Some("a"), None),
            ("", &[], None, None),
        ] {
            let told = missing(config, env, selected).await;
            match words {
                None => assert_eq!(told, None, "{config} {selected:?}"),
                Some(words) => {
                    let told = told.unwrap_or_default();
                    assert!(words.iter().all(|word| told.contains(word)), "{words:?} in {told:?}");
                }
            }
        }
    }
}

//! What the environment and the profiles say about the way to AWS, apart from endpoints: proxies, certificates,
//! FIPS and dual-stack. The SDK passes over what it does not read or cannot use, so that a call would go another
//! way than was meant; here that ends the start.

use amiferry_core::endpoint::secrets;
use aws_config::SdkConfig;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

use crate::endpoints::{self, BadRoute};

/// What begins a certificate in a PEM file.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// The switches of the SDK: the variable, the key of a profile, and what they turn on.
const SWITCHES: [(&str, &str, &str); 2] = [
    ("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", "FIPS"),
    ("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", "dual-stack"),
];

/// The variables that the SDK's client takes a proxy for AWS from.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The settings that count here, by name.
#[derive(Debug)]
pub(crate) struct Settings {
    environment: Vec<(&'static str, String)>,
    profile: Vec<(&'static str, String)>,
}

impl Settings {
    /// Those of this process, with the profile of this name or the one that the environment names.
    pub(crate) async fn of(profile: Option<&str>) -> Self {
        Self::read(&Env::real(), &Fs::real(), &EnvConfigFiles::default(), profile).await
    }

    /// Refuses proxies, and files and directories of certificates, that cannot be used. The SDK reads them
    /// as soon as it makes a client, and goes on without.
    ///
    /// # Errors
    /// The first of them, by name.
    pub(crate) async fn check_connections(&self) -> Result<(), BadRoute> {
        proxies(self)?;
        certificates(self, &Fs::real()).await
    }

    /// Refuses what the SDK has passed over, or cannot follow, in what it has read.
    ///
    /// # Errors
    /// The first of these settings, by name.
    pub(crate) fn check(&self, config: &SdkConfig) -> Result<(), BadRoute> {
        switches(config, self)?;
        // Nothing is encrypted on the way to an emulator.
        let is_plain = |url: &str| url.starts_with("http://");
        if config.endpoint_url().is_some_and(is_plain) { Ok(()) } else { bundle(self) }
    }

    async fn read(env: &Env, fs: &Fs, files: &EnvConfigFiles, profile: Option<&str>) -> Self {
        let named = |name: &'static str| Some((name, env.get(name).ok()?));
        let variables = ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"];
        let environment = variables
            .into_iter()
            .chain(PROXIES)
            .chain(SWITCHES.map(|(name, ..)| name))
            .filter_map(named)
            .collect();
        let selected = profile.map(|name| name.to_owned().into());
        // Files that cannot be read are named with the credentials.
        let profiles = aws_config::profile::load(fs, env, files, selected).await.ok();
        let of_profile = |key: &'static str| {
            let profiles = profiles.as_ref()?;
            let profile = profiles.get_profile(profiles.selected_profile())?;
            Some((key, profile.get(key)?.to_owned()))
        };
        let keys = ["ca_bundle"].into_iter().chain(SWITCHES.map(|(_, key, _)| key));
        Self { environment, profile: keys.filter_map(of_profile).collect() }
    }

    /// A variable, which may be empty.
    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn key(&self, name: &str) -> Option<&str> {
        let found = self.profile.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// FIPS and dual-stack: the value is one that the SDK knows, and no endpoint is set beside it.
fn switches(config: &SdkConfig, settings: &Settings) -> Result<(), BadRoute> {
    let on = [config.use_fips(), config.use_dual_stack()];
    for ((variable, key, what), on) in SWITCHES.into_iter().zip(on) {
        // The variable goes before the profile, also where it is empty or the SDK passes over it.
        let (name, value) = match (settings.variable(variable), settings.key(key)) {
            (None | Some(""), None) => continue,
            (Some(value), _) => (variable.to_owned(), value),
            (None, Some(value)) => (format!("{key} of the profile"), value),
        };
        if !["true", "false"].iter().any(|known| value.eq_ignore_ascii_case(known)) {
            return Err(BadRoute::Setting {
                problem: format!("{name} is {value:?}, so {what} endpoints would not be used"),
                fix: format!("set it to true or false; {what} endpoints are used with true"),
            });
        }
        if let Some((service, url)) = endpoints::of(config).next().filter(|_| on == Some(true)) {
            return Err(BadRoute::Setting {
                problem: format!(
                    "{name} asks for {what} endpoints, but an endpoint is set for {service}: {:?}",
                    secrets::url(&url)
                ),
                fix: format!(
                    "remove {name}, or remove the endpoint: AWS's SDK then picks the {what} one"
                ),
            });
        }
    }
    Ok(())
}

/// The value may hold a password, so no error shows it.
fn proxies(settings: &Settings) -> Result<(), BadRoute> {
    let unusable = |name: &&str| {
        let value = settings.variable(name).unwrap_or_default().trim();
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let is_spoken = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let is_host =
            !host.is_empty() && !host.starts_with(':') && !host.contains(char::is_whitespace);
        !(value.is_empty() || is_spoken && is_host)
    };
    match PROXIES.into_iter().find(unusable) {
        None => Ok(()),
        Some(name) => Err(BadRoute::Setting {
            problem: format!("{name} is no address of an HTTP proxy, so it would not be used"),
            fix: "set it to http://HOST:PORT, or do not set it for amiferry".to_owned(),
        }),
    }
}

/// The authorities to trust: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, or else of the machine.
async fn certificates(settings: &Settings, fs: &Fs) -> Result<(), BadRoute> {
    if let Some(file) = settings.variable("SSL_CERT_FILE") {
        let unusable = |why: String| BadRoute::Setting {
            problem: format!("SSL_CERT_FILE names {file:?}, which {why}"),
            fix: "name a PEM file with the certificates of the authorities to trust".to_owned(),
        };
        let text = fs.read_to_end(file).await;
        let text = text.map_err(|error| unusable(format!("cannot be read: {error}")))?;
        if !String::from_utf8_lossy(&text).contains(CERTIFICATE) {
            return Err(unusable("has no certificate in PEM form".to_owned()));
        }
    }
    let mut folders = settings.variable("SSL_CERT_DIR").into_iter().flat_map(std::env::split_paths);
    match folders.find(|one| !one.as_os_str().is_empty() && !one.is_dir()) {
        None => Ok(()),
        Some(gone) => Err(BadRoute::Setting {
            problem: format!("SSL_CERT_DIR names {}, which is no directory", gone.display()),
            fix: "name directories with certificates of the authorities to trust".to_owned(),
        }),
    }
}

/// `AWS_CA_BUNDLE` and its key of a profile are for other programs. They change nothing where the variable
/// that is read here names the same file.
fn bundle(settings: &Settings) -> Result<(), BadRoute> {
    let read = settings.variable("SSL_CERT_FILE");
    let variable = settings.variable("AWS_CA_BUNDLE").filter(|value| !value.is_empty());
    let (name, value) = match (variable, settings.key("ca_bundle")) {
        (Some(value), _) => ("AWS_CA_BUNDLE", value),
        (None, Some(value)) => ("ca_bundle of the profile", value),
        (None, None) => return Ok(()),
    };
    if read == Some(value) {
        return Ok(());
    }
    let instead = read.map(|file| format!(", which names {file}")).unwrap_or_default();
    Err(BadRoute::Setting {
        problem: format!("{name} names {value}, but amiferry reads only SSL_CERT_FILE{instead}"),
        fix: format!("set SSL_CERT_FILE={value}, or do not set {name} for amiferry"),
    })
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;

//! Which settings are refused, and that the endpoints which the SDK picks for FIPS and dual-stack are ones
//! that a person may also name.

use std::sync::{Arc, Mutex};

use amiferry_core::endpoint;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::EnvConfigFileKind;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::retry::RetryConfig;
use aws_types::region::Region;

use super::*;
use crate::client::behavior;

/// Writes down where requests go, and answers none.
#[derive(Debug, Clone, Default)]
struct Hosts(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Hosts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.lock().unwrap().push(request.uri().to_owned());
        HttpConnectorFuture::ready(Err(ConnectorError::io("nothing is sent".into())))
    }
}

impl HttpClient for Hosts {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The URLs that one call of each service goes to.
async fn called(region: &'static str, fips: bool, dual_stack: bool) -> Vec<String> {
    let hosts = Hosts::default();
    let keys = Credentials::new("key", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(behavior())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(hosts.clone())
        .retry_config(RetryConfig::disabled())
        .use_fips(fips)
        .use_dual_stack(dual_stack)
        .build();
    let refused = [
        aws_sdk_ec2::Client::new(&config).describe_images().send().await.is_err(),
        aws_sdk_eventbridge::Client::new(&config).list_rules().send().await.is_err(),
        aws_sdk_kms::Client::new(&config).list_keys().send().await.is_err(),
        aws_sdk_s3::Client::new(&config).list_buckets().send().await.is_err(),
        aws_sdk_servicequotas::Client::new(&config).list_services().send().await.is_err(),
        aws_sdk_sqs::Client::new(&config).list_queues().send().await.is_err(),
        aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.is_err(),
    ];
    assert!(refused.into_iter().all(|is_so| is_so));
    let urls = hosts.0.lock().unwrap().clone();
    let host = |url: String| url.split('/').take(3).collect::<Vec<_>>().join("/");
    urls.into_iter().map(host).collect()
}

#[tokio::test]
async fn the_endpoints_of_fips_and_dual_stack_are_endpoints_of_aws() {
    let names = |ending: &str, fips: &str, s3: &str| {
        ["ec2", "events", "kms", "s3", "servicequotas", "sqs", "sts"].map(|service| match service {
            "s3" => format!("https://s3{fips}{s3}"),
            _ => format!("https://{service}{fips}.us-east-1.{ending}"),
        })
    };
    let plain = ".us-east-1.amazonaws.com";
    let dual = ".dualstack.us-east-1.amazonaws.com";
    for (fips, dual_stack, expected) in [
        (false, false, names("amazonaws.com", "", plain)),
        (true, false, names("amazonaws.com", "-fips", plain)),
        (false, true, names("api.aws", "", dual)),
        (true, true, names("api.aws", "-fips", dual)),
    ] {
        assert_eq!(called("us-east-1", fips, dual_stack).await, expected);
        for region in ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"] {
            let urls = called(region, fips, dual_stack).await;
            // S3 has no FIPS endpoints in China, and then the SDK builds no request.
            let missing = usize::from(fips && region.starts_with("cn-"));
            assert_eq!(urls.len() + missing, expected.len(), "{region}: {urls:?}");
            for url in urls {
                assert_eq!(endpoint::check(&url, false), Ok(()), "{region}");
            }
        }
    }
}

/// What the check says with these variables and this profile.
async fn said(env: &[(&str, &str)], profile: &str, endpoint: Option<&str>) -> Option<String> {
    let file = format!("[profile worker]\n{profile}");
    let files = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, file).build();
    let fs = Fs::from_slice(&[
        ("/ca.pem", "# ours\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        ("/empty.pem", "nothing\n"),
    ]);
    let settings = Settings::read(&Env::from_slice(env), &fs, &files, Some("worker")).await;
    let is_on = |variable: &str, key: &str| {
        let value = settings.variable(variable).or(settings.key(key));
        value.and_then(|value| value.parse::<bool>().ok())
    };
    let mut config = SdkConfig::builder();
    config.set_endpoint_url(endpoint.map(str::to_owned));
    config.set_use_fips(is_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"));
    config.set_use_dual_stack(is_on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"));
    let config = config.build();
    let checked = match certificates(&settings, &fs).await {
        Ok(()) => settings.check(&config),
        Err(refused) => Err(refused),
    };
    checked.err().map(|refused| refused.to_string())
}

#[tokio::test]
async fn a_private_authority_is_refused_where_it_would_be_passed_over() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let bundle = ("AWS_CA_BUNDLE", "/ca.pem");
    for (env, profile, words) in [
        (vec![], "", None),
        (vec![("SSL_CERT_FILE", "/ca.pem")], "", None),
        (vec![("SSL_CERT_DIR", folder)], "", None),
        (vec![("AWS_CA_BUNDLE", "")], "", None),
        (vec![bundle], "", Some(["AWS_CA_BUNDLE names /ca.pem", "SSL_CERT_FILE=/ca.pem"])),
        (vec![], "ca_bundle = /p.pem", Some(["ca_bundle of the profile", "SSL_CERT_FILE=/p.pem"])),
        // The variable goes before the profile, as in other programs.
        (vec![bundle, ("SSL_CERT_FILE", "/ca.pem")], "ca_bundle = /p.pem", None),
        (vec![("SSL_CERT_FILE", "/ca.pem")], "ca_bundle = /ca.pem", None),
        (
            vec![("AWS_CA_BUNDLE", "/p.pem"), ("SSL_CERT_FILE", "/ca.pem")],
            "",
            Some(["AWS_CA_BUNDLE names /p.pem", "SSL_CERT_FILE, which names /ca.pem"]),
        ),
        (
            vec![bundle, ("SSL_CERT_DIR", folder)],
            "",
            Some(["AWS_CA_BUNDLE names /ca.pem", "SSL_CERT_FILE=/ca.pem"]),
        ),
        // Nothing is encrypted on the way to an emulator, so nothing is passed over.
        (vec![bundle, ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], "", None),
        (vec![("SSL_CERT_FILE", "/gone.pem")], "", Some(["names \"/gone.pem\"", "cannot be read"])),
        (vec![("SSL_CERT_FILE", "")], "", Some(["SSL_CERT_FILE names \"\"", "cannot be read"])),
        (vec![("SSL_CERT_DIR", "")], "", None),
        (
            vec![("SSL_CERT_FILE", "/empty.pem")],
            "",
            Some(["names \"/empty.pem\"", "no certificate"]),
        ),
        (vec![("SSL_CERT_DIR", "/gone")], "", Some(["SSL_CERT_DIR names /gone", "no directory"])),
    ] {
        let variable = |name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let told = said(&env, profile, variable("AWS_ENDPOINT_URL")).await;
        match words {
            None => assert_eq!(told, None, "{env:?} {profile}"),
            Some(words) => {
                let told = told.unwrap_or_default();
                assert!(words.iter().all(|word| told.contains(word)), "{words:?} in {told:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_switch_that_the_sdk_passes_over_or_refuses_is_refused_by_name() {
    let own = Some("https://ec2.us-east-1.amazonaws.com");
    for (env, profile, endpoint, words) in [
        (vec![("AWS_USE_FIPS_ENDPOINT", "true")], "", None, None),
        (vec![("AWS_USE_FIPS_ENDPOINT", "FALSE")], "", own, None),
        (vec![("AWS_USE_FIPS_ENDPOINT", "")], "", own, None),
        (
            vec![("AWS_USE_FIPS_ENDPOINT", "")],
            "use_fips_endpoint = true",
            None,
            Some(["AWS_USE_FIPS_ENDPOINT is \"\"", "FIPS endpoints would not be used"]),
        ),
        (vec![], "use_fips_endpoint = true\nuse_dualstack_endpoint = true", None, None),
        (
            vec![("AWS_USE_FIPS_ENDPOINT", "1")],
            "",
            None,
            Some(["AWS_USE_FIPS_ENDPOINT is \"1\"", "set it to true or false"]),
        ),
        (
            vec![("AWS_USE_DUALSTACK_ENDPOINT", "yes")],
            "use_dualstack_endpoint = true",
            None,
            Some([
                "AWS_USE_DUALSTACK_ENDPOINT is \"yes\"",
                "dual-stack endpoints would not be used",
            ]),
        ),
        (
            vec![],
            "use_fips_endpoint = on",
            None,
            Some(["use_fips_endpoint of the profile is \"on\"", "true or false"]),
        ),
        (
            vec![("AWS_USE_FIPS_ENDPOINT", "true")],
            "",
            own,
            Some(["AWS_USE_FIPS_ENDPOINT asks for FIPS", "an endpoint is set for EC2"]),
        ),
        (
            vec![],
            "use_dualstack_endpoint = true",
            own,
            Some(["use_dualstack_endpoint of the profile asks for dual-stack", "remove"]),
        ),
    ] {
        let told = said(&env, profile, endpoint).await;
        match words {
            None => assert_eq!(told, None, "{env:?} {profile}"),
            Some(words) => {
                let told = told.unwrap_or_default();
                assert!(words.iter().all(|word| told.contains(word)), "{words:?} in {told:?}");
            }
        }
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused_by_name_and_its_value_is_not_shown() {
    for (value, is_used) in [
        ("http://proxy:3128", true),
        ("HTTPS://user:pass@proxy.example:3128/", true),
        ("proxy:3128", true),
        ("[::1]:3128", true),
        ("", true),
        ("socks5://proxy:1080", false),
        ("ftp://user:hunter2@proxy:21", false),
        ("http://hunter2 proxy:1", false),
        ("http://", false),
        ("http://:3128", false),
    ] {
        for name in PROXIES {
            let settings =
                Settings { environment: vec![(name, value.to_owned())], profile: Vec::new() };
            let checked = proxies(&settings);
            assert_eq!(checked.is_ok(), is_used, "{name}={value}");
            let refused = checked.map_err(|error| error.to_string()).err().unwrap_or_default();
            assert!(is_used || refused.contains(name), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}

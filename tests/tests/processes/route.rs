//! The way to AWS through a proxy that ends TLS, and by the endpoints of FIPS and dual-stack. Nothing leaves
//! this machine: the proxy answers in the place of AWS.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::simulator::{bare, isolate};
use crate::support::{Outcome, Process};

const PROXY: &str = include_str!("inspecting_proxy.py");

/// The proxy, with an authority that no machine trusts.
struct Proxy {
    process: Process,
    port: String,
    folder: TempDir,
}

impl Proxy {
    /// `None` where there is no Python with the clients' packages, which is said.
    fn start() -> Option<Self> {
        let python = python()?;
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("inspecting_proxy.py");
        fs::write(&script, PROXY).unwrap();
        let mut command = Command::new(python);
        isolate(&mut command, folder.path());
        command.arg(script).arg(folder.path());
        let process = Process::start("proxy", folder.path(), &mut command);
        let port = process.until("the proxy's port", |process| {
            Some(process.stdout().split_once('\n')?.0.to_owned())
        });
        Some(Self { process, port, folder })
    }

    /// The file with the certificate of its authority.
    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The hosts that it was asked for.
    fn hosts(&self) -> Vec<String> {
        self.process.stdout().lines().skip(1).map(str::to_owned).collect()
    }

    /// Checks a source through it, with these variables and this profile.
    fn check(&self, env: &[(&str, &str)], profile: &str) -> Outcome {
        let at = |name: &str| self.folder.path().join(name);
        let example = bare(self.folder.path()).args(["config", "example"]).output().unwrap();
        fs::write(at("amiferry.toml"), example.stdout).unwrap();
        fs::write(at("aws.ini"), format!("[default]\n{profile}\n")).unwrap();
        let mut command = bare(self.folder.path());
        command
            .env("HTTPS_PROXY", format!("http://127.0.0.1:{}", self.port))
            .env("AMIFERRY_EXTERNAL_ID", "an-external-id-of-the-test")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .env("AWS_CONFIG_FILE", at("aws.ini"))
            .envs(env.iter().copied())
            .args(["check", "--part", "source", "--output", "json", "--config"])
            .arg(at("amiferry.toml"));
        Process::start("check", self.folder.path(), &mut command).finish()
    }
}

#[expect(clippy::disallowed_methods, reason = "how the test runner says where Python is")]
fn python() -> Option<PathBuf> {
    let python = std::env::var("AMIFERRY_PYTHON").ok().filter(|path| !path.is_empty());
    if python.is_none() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not by a macro: the test runner would swallow the line.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test} needs AMIFERRY_PYTHON");
    }
    python.map(PathBuf::from)
}

/// The only finding of a check.
fn finding(ended: &Outcome) -> Value {
    let findings = ended.json()["parts"][0]["findings"].clone();
    assert_eq!(findings.as_array().map(Vec::len), Some(1), "{ended:#?}");
    findings[0].clone()
}

#[test]
fn a_proxy_with_an_authority_of_its_own_is_used_by_every_kind_of_endpoint() {
    let Some(proxy) = Proxy::start() else { return };
    let authority = proxy.authority();
    let trusted = ("SSL_CERT_FILE", authority.to_str().unwrap());
    let (fips, dual) = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT");
    for (env, profile, host) in [
        (vec![trusted], "", "sts.us-east-1.amazonaws.com"),
        (vec![trusted, (fips, "true")], "", "sts-fips.us-east-1.amazonaws.com"),
        (vec![trusted, (dual, "true")], "", "sts.us-east-1.api.aws"),
        (
            vec![trusted],
            "use_fips_endpoint = true\nuse_dualstack_endpoint = true",
            "sts-fips.us-east-1.api.aws",
        ),
    ] {
        let before = proxy.hosts().len();
        let ended = proxy.check(&env, profile);
        // The proxy's answer came through: it names an account that is not the configured one.
        let found = finding(&ended);
        assert_eq!(found["cause"], "credentials of account 333333333333", "{ended:#?}");
        assert_eq!(ended.status, 11, "{ended:#?}");
        assert_eq!(proxy.hosts()[before..], [host], "{env:?} {profile}");
    }
}

#[test]
fn an_authority_that_is_not_trusted_is_named_with_the_variable_that_trusts_it() {
    let Some(proxy) = Proxy::start() else { return };
    let ended = proxy.check(&[], "");
    assert_eq!(ended.status, 13, "{ended:#?}");
    let found = finding(&ended);
    let remedy = found["remedy"].as_str().unwrap();
    assert!(remedy.contains("SSL_CERT_FILE"), "{found:#}");
    assert!(!proxy.hosts().is_empty(), "it was asked");
}

#[test]
fn what_would_be_passed_over_on_the_way_to_aws_is_refused_before_the_first_request() {
    let Some(proxy) = Proxy::start() else { return };
    let authority = proxy.authority();
    for (env, words) in [
        (("AWS_CA_BUNDLE", authority.to_str().unwrap()), ["AWS_CA_BUNDLE", "set SSL_CERT_FILE="]),
        (("SSL_CERT_FILE", "/nowhere/ca.pem"), ["/nowhere/ca.pem", "cannot be read"]),
        (("AWS_USE_FIPS_ENDPOINT", "1"), ["AWS_USE_FIPS_ENDPOINT is \"1\"", "true or false"]),
    ] {
        let ended = proxy.check(&[env], "");
        assert_eq!(ended.status, 10, "{ended:#?}");
        assert!(words.iter().all(|word| ended.stderr.contains(word)), "{words:?}: {ended:#?}");
    }
    assert_eq!(proxy.hosts(), [""; 0], "nothing was sent");
}

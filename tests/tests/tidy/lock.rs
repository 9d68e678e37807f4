//! What `Cargo.lock` may not hold. `deny.toml` says the same to cargo-deny, which also knows
//! licences and advisories; this needs nothing installed.

use crate::repository::toml;

/// Crates that may not come back at any version, and why.
const BANNED: &[(&str, &str)] = &[
    ("backoff", "unmaintained, RUSTSEC-2025-0012; backon takes its place"),
    ("instant", "unmaintained, RUSTSEC-2024-0384"),
    ("openssl-sys", "one TLS stack, and no system library to find"),
    ("native-tls", "one TLS stack"),
];

/// Crates of which only newer versions are wanted: the legacy TLS stack that the SDK's default
/// features pull.
const AT_LEAST: &[(&str, [u64; 3])] = &[
    ("hyper", [1, 0, 0]),
    ("h2", [0, 4, 0]),
    ("rustls", [0, 23, 0]),
    ("rustls-webpki", [0, 103, 13]),
    ("aws-lc-sys", [0, 39, 0]),
];

struct Package {
    name: String,
    version: String,
    source: Option<String>,
}

fn packages() -> Vec<Package> {
    let lock = toml("Cargo.lock");
    let text = |package: &toml::Value, key: &str| {
        package.get(key).map(|value| value.as_str().unwrap().to_owned())
    };
    let package = |package: &toml::Value| Package {
        name: text(package, "name").unwrap(),
        version: text(package, "version").unwrap(),
        source: text(package, "source"),
    };
    lock["package"].as_array().unwrap().iter().map(package).collect()
}

fn numbers(version: &str) -> [u64; 3] {
    let version = version.split(['-', '+']).next().unwrap();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    [(); 3].map(|()| numbers.next().unwrap())
}

#[test]
fn no_banned_crate_is_locked() {
    for package in packages() {
        let banned = BANNED.iter().find(|(name, _)| *name == package.name);
        assert!(banned.is_none(), "{} is banned: {:?}", package.name, banned);
        let least = AT_LEAST.iter().find(|(name, _)| *name == package.name);
        if let Some((name, least)) = least {
            let locked = numbers(&package.version);
            assert!(locked >= *least, "{name} {} is older than {least:?}", package.version);
        }
    }
}

#[test]
fn every_dependency_comes_from_the_registry_or_from_here() {
    for Package { name, source, .. } in packages() {
        let known = match &source {
            Some(source) => source == "registry+https://github.com/rust-lang/crates.io-index",
            None => name.starts_with("amiferry-"),
        };
        assert!(known, "{name} comes from {source:?}");
    }
}

#[test]
fn deny_toml_bans_the_same_crates() {
    let deny = toml("deny.toml");
    let denied: Vec<&str> = deny["bans"]["deny"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["crate"].as_str().unwrap().split('@').next().unwrap())
        .collect();
    for (name, _) in BANNED {
        assert!(denied.contains(name), "deny.toml does not ban {name}");
    }
}

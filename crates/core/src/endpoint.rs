//! Decides whether an endpoint may be used: AWS over TLS, loopback, or what is explicitly allowed.
//!
//! Requests carry signatures and external ids, and recovery points trust the answers, so a forgotten
//! setting that points elsewhere must not go unnoticed.

pub mod secrets;

use std::net::IpAddr;

use crate::ids::Region;

/// The services that amiferry calls, as the first label of their hosts (AWS General Reference, *Service
/// endpoints and quotas*).
const SERVICES: [&str; 7] = ["ec2", "events", "kms", "s3", "servicequotas", "sqs", "sts"];

/// The domains of AWS's partitions (the same page).
const DOMAINS: [&str; 6] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
];

/// Why an endpoint may not be used. Shows no user or password of its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEndpoint {
    /// What is wrong with it.
    pub problem: String,
    /// What a person can do instead, as an order.
    pub fix: &'static str,
}

/// How a URL is written.
const FORM: &str = "write it as https://HOST or http://HOST:PORT, without a user or password";

/// Checks the URL of an endpoint; the error says what is wrong with it.
///
/// # Errors
/// It is no URL of a server, carries a user or password, or is neither AWS over https nor on loopback
/// without `allow_insecure`.
pub fn check(url: &str, allow_insecure: bool) -> Result<(), BadEndpoint> {
    let shown = secrets::url(url);
    let bad = |problem: String, fix| BadEndpoint { problem, fix };
    let no_url =
        || bad(format!("{shown:?} is not a URL: expected http://HOST… or https://HOST…"), FORM);
    let (scheme, rest) = url.split_once("://").ok_or_else(no_url)?;
    let secure = match scheme {
        "https" => true,
        "http" => false,
        _ => return Err(no_url()),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        let problem = "an endpoint must not contain a user or password".to_owned();
        return Err(bad(problem, "write it without them: they sign no request to AWS"));
    }
    let names_none = || bad(format!("{shown:?} names no host and port"), FORM);
    let host = host_of(authority).ok_or_else(names_none)?;
    if allow_insecure || is_loopback_host(host) || (secure && is_aws_host(host)) {
        return Ok(());
    }
    Err(bad(
        format!("{shown:?} is neither AWS over https nor on loopback"),
        "use https, or set allow_insecure_endpoint = true under [aws] if intended",
    ))
}

/// Whether this is a host, with or without a port, and nothing else.
pub fn is_host(authority: &str) -> bool {
    host_of(authority).is_some()
}

/// Whether the URL of an endpoint leads to this machine.
pub fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    host_of(rest.split(['/', '?', '#']).next().unwrap_or_default()).is_some_and(is_loopback_host)
}

/// Whether a host, with or without a port, lies in one of AWS's domains, whether AWS or a customer
/// answers there.
pub fn is_in_aws(authority: &str) -> bool {
    host_of(authority).and_then(in_aws).is_some()
}

/// The host before an optional port; `None` if there is anything else.
fn host_of(authority: &str) -> Option<&str> {
    let (host, after) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let ends_well = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
    (!host.is_empty() && ends_well).then_some(host)
}

fn is_loopback_host(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What stands before one of AWS's domains.
fn in_aws(host: &str) -> Option<&str> {
    DOMAINS.iter().find_map(|domain| host.strip_suffix(domain)?.strip_suffix('.'))
}

/// Whether it is an endpoint of one of the [`SERVICES`]. Many other hosts in AWS's domains belong to
/// customers: load balancers, gateways, buckets.
fn is_aws_host(host: &str) -> bool {
    let Some(name) = in_aws(host) else { return false };
    let labels: Vec<&str> = name.split('.').collect();
    match labels[..] {
        ["queue"] => true,
        [service] => is_service(service),
        [region, "queue"] => is_region(region),
        [service, region] | [service, "dualstack", region] => {
            is_service(service) && is_region(region)
        }
        // Interface endpoints; those of S3 have a name for each use.
        [id, service, region, "vpce"] | ["bucket", id, service, region, "vpce"] => {
            id.starts_with("vpce-") && is_service(service) && is_region(region)
        }
        _ => false,
    }
}

fn is_service(label: &str) -> bool {
    SERVICES.contains(&label.strip_suffix("-fips").unwrap_or(label))
}

fn is_region(label: &str) -> bool {
    label.parse::<Region>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_endpoints_of_aws_over_tls_and_loopback_are_trusted() {
        for (url, trusted) in [
            ("https://ec2.us-east-1.amazonaws.com", true),
            ("https://ec2-fips.us-gov-west-1.amazonaws.com:443", true),
            ("https://s3.dualstack.us-east-1.amazonaws.com/", true),
            ("https://s3-fips.dualstack.us-east-1.amazonaws.com", true),
            ("https://events.us-east-1.amazonaws.com", true),
            ("https://servicequotas.us-east-1.amazonaws.com", true),
            ("https://kms-fips.us-east-1.api.aws", true),
            ("https://ec2.cn-north-1.api.amazonwebservices.com.cn", true),
            ("https://s3.amazonaws.com", true),
            ("https://sts.eu-west-1.api.aws", true),
            ("https://sqs.cn-north-1.amazonaws.com.cn", true),
            ("https://us-east-1.queue.amazonaws.com", true),
            ("https://vpce-0a1b-2c3d.sqs.us-east-1.vpce.amazonaws.com", true),
            ("https://bucket.vpce-0a1b-2c3d.s3.us-east-1.vpce.amazonaws.com", true),
            ("http://127.0.0.1:4566", true),
            ("http://[::1]:4566/x", true),
            ("http://[::1]", true),
            ("http://localhost:4566", true),
            ("http://s3.localhost:4566", true),
            ("http://ec2.us-east-1.amazonaws.com", false),
            ("https://ec2.amazonaws.com.evil.example", false),
            ("https://evilamazonaws.com", false),
            ("https://amazonaws.com", false),
            ("https://x1y2z3.execute-api.us-east-1.amazonaws.com", false),
            ("https://s3.execute-api.us-east-1.amazonaws.com", false),
            ("https://bucket.s3.us-east-1.amazonaws.com", false),
            ("https://bucket.s3.amazonaws.com", false),
            ("https://ec2-192-0-2-1.compute-1.amazonaws.com", false),
            ("https://sts.elb.amazonaws.com", false),
            ("https://x.elb.us-east-1.amazonaws.com", false),
            ("https://vpce-0a1b.vpce-svc-0c1d.us-east-1.vpce.amazonaws.com", false),
            ("http://[::1]evil.example", false),
            ("http://[::1].evil.example", false),
            ("http://[::1]:4566.evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://localhost:80.evil.example", false),
            ("http://localstack:4566", false),
            ("http://10.0.0.1:4566", false),
        ] {
            assert_eq!(check(url, false).is_ok(), trusted, "{url}");
        }
        for url in ["http://localstack:4566", "https://bucket.s3.amazonaws.com"] {
            assert!(check(url, true).is_ok(), "{url} when allowed");
        }
    }

    #[test]
    fn no_refusal_shows_a_password_and_each_says_what_to_write_instead() {
        for (url, fix) in [
            ("https://user:geheim123@proxy.example", "without them"),
            ("http://user:geheim123", "without a user or password"),
            ("http://user:geheim123/x", "without a user or password"),
            ("user:geheim123@proxy.example", "without a user or password"),
            ("ftp://user:geheim123@proxy.example", "without a user or password"),
            ("https://user:80@geheim123:geheim123", "without them"),
        ] {
            let bad = check(url, false).unwrap_err();
            assert!(!bad.problem.contains("geheim123"), "{bad:?}");
            assert!(bad.fix.contains(fix), "{bad:?}");
        }
        let bad = check("http://localstack:4566", false).unwrap_err();
        assert!(bad.problem.contains("\"http://localstack:4566\""), "{bad:?}");
        assert!(bad.fix.contains("allow_insecure_endpoint"), "{bad:?}");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_even_when_all_is_allowed() {
        for url in [
            "",
            "localhost:4566",
            "ftp://localhost",
            "http://",
            "http://:80",
            "http://a:b@localhost",
            "http://[::1]evil.example",
            "http://[::1",
        ] {
            assert!(check(url, true).is_err(), "{url:?}");
        }
    }
}

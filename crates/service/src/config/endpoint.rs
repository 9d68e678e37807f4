//! Decides whether an endpoint may be used: AWS over TLS, loopback, or what is explicitly allowed.
//!
//! Requests carry signatures and recovery points trust the answers, so a forgotten variable that
//! points elsewhere must not go unnoticed.

use std::net::IpAddr;

/// Checks the URL of an endpoint; the error says what is wrong with it.
pub(super) fn check(url: &str, allow_insecure: bool) -> Result<(), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("{url:?} is not a URL: expected http://… or https://…"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let secure = match scheme {
        "https" => true,
        "http" => false,
        _ => return Err(format!("{url:?} is not a URL: expected http://… or https://…")),
    };
    if authority.is_empty() {
        return Err(format!("{url:?} names no host"));
    }
    if authority.contains('@') {
        return Err("an endpoint must not contain a user or password".to_owned());
    }
    let trusted = is_loopback(authority) || (secure && is_aws_host(authority));
    if trusted || allow_insecure {
        return Ok(());
    }
    Err(format!("{url:?} is neither AWS over https nor on loopback"))
}

/// Whether a host (with or without a port) belongs to AWS.
pub(super) fn is_aws_host(authority: &str) -> bool {
    let host = host_of(authority);
    ["amazonaws.com", "amazonaws.com.cn", "api.aws", "amazonaws.eu"]
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_aws_over_tls_and_loopback_are_trusted() {
        for (url, trusted) in [
            ("https://ec2.us-east-1.amazonaws.com", true),
            ("https://s3.dualstack.us-east-1.amazonaws.com/", true),
            ("https://sqs.cn-north-1.amazonaws.com.cn", true),
            ("http://127.0.0.1:4566", true),
            ("http://[::1]:4566/x", true),
            ("http://localhost:4566", true),
            ("http://s3.localhost:4566", true),
            ("http://ec2.us-east-1.amazonaws.com", false),
            ("https://ec2.amazonaws.com.evil.example", false),
            ("https://evilamazonaws.com", false),
            ("https://amazonaws.com", false),
            ("http://localhost.evil.example", false),
            ("http://localstack:4566", false),
            ("http://10.0.0.1:4566", false),
        ] {
            assert_eq!(check(url, false).is_ok(), trusted, "{url}");
            assert!(check(url, true).is_ok(), "{url} when allowed");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_even_when_all_is_allowed() {
        for url in ["", "localhost:4566", "ftp://localhost", "http://", "http://a:b@localhost"] {
            assert!(check(url, true).is_err(), "{url:?}");
        }
    }
}

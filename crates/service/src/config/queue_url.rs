//! The URL of an SQS queue, and the account and Region in it.

use std::fmt;
use std::str::FromStr;

use amiferry_core::endpoint;
use amiferry_core::ids::{AccountId, Region};
use serde::Deserialize;

/// `scheme://host[:port]/account/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct QueueUrl(String);

impl QueueUrl {
    /// The URL as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The account in the path, if there is one.
    pub fn account(&self) -> Option<AccountId> {
        self.0.rsplit('/').nth(1)?.parse().ok()
    }

    /// The Region in the host, if the host is AWS's.
    pub fn region(&self) -> Option<Region> {
        let host = self.aws_host()?;
        host.split('.').find_map(|label| label.parse().ok())
    }

    /// Whether the host is one of AWS's own.
    pub fn is_aws(&self) -> bool {
        self.aws_host().is_some()
    }

    fn aws_host(&self) -> Option<&str> {
        let host = self.0.split_once("://")?.1.split('/').next()?;
        endpoint::is_in_aws(host).then_some(host)
    }
}

impl FromStr for QueueUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || {
            let shown: String = endpoint::secrets::url(text).chars().take(120).collect();
            format!(
                "{shown:?} is not a queue URL: expected \
                 https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(refuse)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'@' | b'"');
        let well_formed = matches!(scheme, "http" | "https")
            && parts.len() >= 3
            && parts.iter().all(|part| !part.is_empty())
            && parts.first().is_some_and(|host| endpoint::is_host(host))
            && rest.bytes().all(plain);
        if well_formed { Ok(Self(text.to_owned())) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for QueueUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_url_tells_account_and_region_only_where_it_can() {
        for (text, account, region) in [
            ("https://sqs.us-east-1.amazonaws.com/111111111111/q", true, Some("us-east-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/111111111111/q", true, Some("cn-north-1")),
            ("https://us-west-2.queue.amazonaws.com/111111111111/q", true, Some("us-west-2")),
            ("http://127.0.0.1:4566/111111111111/q", true, None),
            ("http://localhost:9324/queue/q", false, None),
            ("http://sqs.us-east-1.localhost:4566/111111111111/q", true, None),
        ] {
            let url: QueueUrl = text.parse().unwrap();
            assert_eq!(url.account().is_some(), account, "{text}");
            assert_eq!(url.region().as_ref().map(Region::as_str), region, "{text}");
            assert_eq!(url.name(), "q");
        }
    }

    #[test]
    fn what_is_no_queue_url_is_refused() {
        for text in [
            "",
            "q",
            "https://host",
            "https://host/q",
            "ftp://host/a/q",
            "https://h//q",
            "https://user@host/a/q",
            "https://user:geheim123/a/q",
            "https://host/a/q?x",
        ] {
            assert!(text.parse::<QueueUrl>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_refused_queue_url_is_shown_without_its_password() {
        for text in ["https://user:geheim123@host/a/q", "user:geheim123@host", "h://u:geheim123"] {
            let refused = text.parse::<QueueUrl>().unwrap_err();
            assert!(!refused.contains("geheim123") && refused.contains("[secret]"), "{refused}");
        }
    }
}

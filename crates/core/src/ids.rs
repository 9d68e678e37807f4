//! Identifiers, parsed once at the edge: a value of these types is always well-formed.
//!
//! Grammar follows the AWS API models; what a value *means* (is it ours?) is decided elsewhere.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: expected {expected}")]
pub struct Malformed {
    /// The identifier that was wanted, with its article, for messages.
    pub what: &'static str,
    /// Its grammar in words.
    pub expected: &'static str,
    /// The rejected text, cut to 80 characters.
    pub text: String,
}

impl Malformed {
    pub(crate) fn new(what: &'static str, expected: &'static str, text: &str) -> Self {
        Self { what, expected, text: text.chars().take(80).collect() }
    }
}

/// Declares a string newtype that can only be made by its check. Clones share their text: a fleet
/// names the same few accounts and Regions in every row.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(Malformed::new($what, $expected, text))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Malformed> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier!(
    /// An AWS account number.
    AccountId, "an account id", "12 digits",
    |t| t.len() == 12 && t.bytes().all(|b| b.is_ascii_digit())
);
identifier!(
    /// A Region name. The grammar is open, so that a new Region needs no new release.
    Region, "a Region", "a name such as us-east-1",
    is_region
);
identifier!(
    /// An AMI id.
    ImageId, "an image id", "ami- and 8 or 17 hexadecimal digits, lower case",
    |t| is_ec2_id(t, "ami-")
);
identifier!(
    /// An EBS snapshot id.
    SnapshotId, "a snapshot id", "snap- and 8 or 17 hexadecimal digits, lower case",
    |t| is_ec2_id(t, "snap-")
);
identifier!(
    /// The name of a general purpose S3 bucket.
    BucketName, "a bucket name", "3 to 63 of a-z, 0-9, '.' and '-', with a letter or digit at both ends",
    is_bucket_name
);
identifier!(
    /// An S3 object key, not URL-encoded.
    ObjectKey, "an object key", "1 to 1024 bytes without control characters",
    |t| !t.is_empty() && t.len() <= 1024 && !t.chars().any(char::is_control)
);
identifier!(
    /// An ARN of any service; the account and Region fields may be empty.
    Arn, "an ARN", "arn:partition:service:region:account:resource",
    is_arn
);

impl ObjectKey {
    /// A key built from checked parts.
    pub(crate) fn assembled(text: String) -> Self {
        Self(text.into())
    }
}

impl Arn {
    /// The Region field; `None` where the ARN has none (S3, IAM).
    pub fn region(&self) -> Option<Region> {
        self.field(3).parse().ok()
    }

    /// The account field; `None` where the ARN has none (S3, images).
    pub fn account(&self) -> Option<AccountId> {
        self.field(4).parse().ok()
    }

    /// The service field, such as `kms`.
    pub fn service(&self) -> &str {
        self.field(2)
    }

    /// Everything after the fifth colon.
    pub fn resource(&self) -> &str {
        self.0.splitn(6, ':').nth(5).unwrap_or_default()
    }

    fn field(&self, index: usize) -> &str {
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    text.len() <= 32
        && words.len() >= 2
        && words.iter().all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

impl ImageId {
    /// The id that sorts before all others.
    pub(crate) fn first() -> Self {
        Self("ami-00000000".into())
    }
}

fn is_ec2_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| {
        matches!(hex.len(), 8 | 17)
            && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

fn is_bucket_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    let end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| inner(*b))
        && end(bytes.first())
        && end(bytes.last())
        && !text.contains("..")
}

fn is_arn(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    text.len() <= 2048
        && !text.chars().any(char::is_control)
        && matches!(fields.as_slice(), ["arn", partition, service, _, _, resource]
            if !partition.is_empty() && !service.is_empty() && !resource.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_ids_are_accepted_only_in_their_two_lengths() {
        for good in ["ami-0abcdef1", "ami-0123456789abcdef0"] {
            assert_eq!(good.parse::<ImageId>().map(String::from), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "ami-",
            "ami-0ABCDEF1",
            "ami-0abcdef12",
            "snap-0abcdef1",
            "ami-0abcdef1/../x",
            " ami-0abcdef1",
        ] {
            assert!(bad.parse::<ImageId>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn regions_of_every_partition_parse_and_their_look_alikes_do_not() {
        for good in [
            "us-east-1",
            "ap-southeast-4",
            "us-gov-west-1",
            "cn-north-1",
            "us-iso-east-1",
            "eu-isoe-west-1",
        ] {
            assert!(good.parse::<Region>().is_ok(), "{good}");
        }
        for bad in ["", "us", "useast1", "us-east-", "US-EAST-1", "us-east-1a", "us--1", "-east-1"]
        {
            assert!(bad.parse::<Region>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_arn_gives_its_fields_and_keeps_colons_in_the_resource() {
        let arn: Arn = "arn:aws:sqs:us-east-1:111111111111:a:b".parse().unwrap();
        assert_eq!(arn.region().unwrap().as_str(), "us-east-1");
        assert_eq!(arn.account().unwrap().as_str(), "111111111111");
        assert_eq!(arn.resource(), "a:b");
        let image: Arn = "arn:aws:ec2:us-east-1::image/ami-0abcdef1".parse().unwrap();
        assert_eq!(image.account(), None);
        assert_eq!(image.resource(), "image/ami-0abcdef1");
    }

    #[test]
    fn a_refusal_names_the_text_and_the_grammar() {
        let error = "12".parse::<AccountId>().unwrap_err().to_string();
        assert_eq!(error, r#""12" is not an account id: expected 12 digits"#);
    }
}

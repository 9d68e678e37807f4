//! Why a message is refused, in a form that is safe to log and to count.

use std::fmt;

use crate::text::visible;

/// Longest [`Reject::detail`], in characters.
pub const MAX_DETAIL_CHARS: usize = 256;

/// A message that is quarantined, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Reject {
    /// The reason, from a closed set.
    pub code: RejectCode,
    /// The particulars, for people: at most [`MAX_DETAIL_CHARS`], invisible characters escaped.
    pub detail: String,
}

impl Reject {
    /// A refusal; the detail is made visible and cut.
    pub fn new(code: RejectCode, detail: &str) -> Self {
        Self { code, detail: visible(detail, MAX_DETAIL_CHARS) }
    }

    /// A field that is missing or not what it must be.
    pub(super) fn field(path: &str, problem: impl fmt::Display) -> Self {
        Self::new(RejectCode::BadField, &format!("{path}: {problem}"))
    }

    /// The same refusal, found in the text that an SNS envelope carries.
    pub(super) fn inside_sns(self) -> Self {
        Self::new(self.code, &format!("inside the SNS Message: {}", self.detail))
    }
}

/// The reasons for which a message is refused; a closed set, fit for a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectCode {
    /// Longer than [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES).
    TooLong,
    NotJson,
    /// Nested deeper than [`MAX_NESTING`](super::MAX_NESTING).
    TooDeep,
    /// A name twice in one object: two readers could understand two different messages.
    DuplicateKey,
    /// A list of more than [`MAX_ITEMS`](super::MAX_ITEMS).
    TooMany,
    /// JSON, but none of the shapes that are read.
    UnknownShape,
    /// A known shape with a field missing or malformed.
    BadField,
    /// About another account than the configured one.
    ForeignAccount,
    /// About another Region than the configured one.
    ForeignRegion,
    /// About another bucket than the configured one.
    ForeignBucket,
    /// About an object that is not a staged image.
    ForeignKey,
}

impl RejectCode {
    /// Every code, so that each counter can start at zero.
    pub const ALL: [Self; 11] = [
        Self::TooLong,
        Self::NotJson,
        Self::TooDeep,
        Self::DuplicateKey,
        Self::TooMany,
        Self::UnknownShape,
        Self::BadField,
        Self::ForeignAccount,
        Self::ForeignRegion,
        Self::ForeignBucket,
        Self::ForeignKey,
    ];

    /// What it means, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::TooLong => "the message is longer than SQS allows",
            Self::NotJson => "the message is not JSON",
            Self::TooDeep => "the message is nested deeper than any that AWS sends",
            Self::DuplicateKey => {
                "an object in the message has the same name twice, so two readers could understand two different messages"
            }
            Self::TooMany => "a list in the message is longer than any that AWS sends",
            Self::UnknownShape => {
                "the message is JSON, but not in a format that a worker understands"
            }
            Self::BadField => {
                "the message has a known form, but one of its fields is missing or malformed"
            }
            Self::ForeignAccount => "the message is about an account that is not configured",
            Self::ForeignRegion => "the message is about a Region that is not configured",
            Self::ForeignBucket => "the message is about a bucket that is not configured",
            Self::ForeignKey => "the message is about an object that is not a staged image",
        }
    }

    /// What a person can do about it. Nothing is lost: sweeps find what a message announced.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::TooLong
            | Self::NotJson
            | Self::TooDeep
            | Self::DuplicateKey
            | Self::TooMany
            | Self::UnknownShape
            | Self::BadField => {
                "find out who sends it, if it did not come from AWS; otherwise report the form of the event"
            }
            Self::ForeignAccount | Self::ForeignRegion => {
                "send only events of the configured sources to this queue, or add the source to the configuration"
            }
            Self::ForeignBucket | Self::ForeignKey => {
                "send only events of the staging buckets' prefixes to this queue"
            }
        }
    }

    /// The name as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotJson => "not_json",
            Self::TooDeep => "too_deep",
            Self::DuplicateKey => "duplicate_key",
            Self::TooMany => "too_many",
            Self::UnknownShape => "unknown_shape",
            Self::BadField => "bad_field",
            Self::ForeignAccount => "foreign_account",
            Self::ForeignRegion => "foreign_region",
            Self::ForeignBucket => "foreign_bucket",
            Self::ForeignKey => "foreign_key",
        }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_in_one_sentence_what_it_means_and_what_to_do() {
        for code in RejectCode::ALL {
            for text in [code.meaning(), code.remedy()] {
                let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
                assert!(begins && !text.ends_with('.'), "{code}: {text}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_named() {
        let refused = super::super::parse("\u{feff}{}").unwrap_err();
        assert_eq!(refused.detail, "a byte order mark (U+FEFF) stands before the JSON");
    }
}

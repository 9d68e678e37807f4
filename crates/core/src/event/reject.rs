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

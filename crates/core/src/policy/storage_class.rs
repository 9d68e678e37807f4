//! In which storage class of S3 a vault keeps objects.

use std::fmt;

use serde::Deserialize;

use crate::model::Depth;
use crate::text::visible;

/// A storage class for objects of recovery points. Those of one zone are not among them: a recovery copy
/// must outlive the loss of a zone.
///
/// They stand in the order in which lifecycle rules can move an object (S3 user guide, *Transitioning
/// objects using Amazon S3 Lifecycle*).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum StorageClass {
    #[default]
    Standard,
    /// `STANDARD_IA`.
    InfrequentAccess,
    /// `INTELLIGENT_TIERING`: read at once, unless the bucket's owner turns its archive tiers on.
    IntelligentTiering,
    /// `GLACIER_IR`.
    InstantRetrieval,
    /// `GLACIER`, retrieved before it is read.
    FlexibleRetrieval,
    /// `DEEP_ARCHIVE`, retrieved before it is read.
    DeepArchive,
}

impl StorageClass {
    /// Every class that a policy may name, in their order.
    pub const ALL: [Self; 6] = [
        Self::Standard,
        Self::InfrequentAccess,
        Self::IntelligentTiering,
        Self::InstantRetrieval,
        Self::FlexibleRetrieval,
        Self::DeepArchive,
    ];

    /// S3's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::InstantRetrieval => "GLACIER_IR",
            Self::FlexibleRetrieval => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// How deep it archives; `None` for a class that is read at once.
    pub fn depth(self) -> Option<Depth> {
        match self {
            Self::FlexibleRetrieval => Some(Depth::Flexible),
            Self::DeepArchive => Some(Depth::Deep),
            Self::Standard
            | Self::InfrequentAccess
            | Self::IntelligentTiering
            | Self::InstantRetrieval => None,
        }
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for StorageClass {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if let Some(class) = Self::ALL.into_iter().find(|class| class.as_str() == name) {
            return Ok(class);
        }
        let choices = Self::ALL.map(Self::as_str).join(", ");
        let why = match name.as_str() {
            "ONEZONE_IA" | "EXPRESS_ONEZONE" => {
                "keeps objects in one zone, and a recovery copy must outlive the loss of a zone"
            }
            "REDUCED_REDUNDANCY" => "loses more objects than the other classes",
            _ => "is not a storage class for recovery points",
        };
        Err(format!("{:?} {why}: choose from {choices}", visible(&name, 80)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_reads_back_and_others_are_refused_with_a_reason() {
        for class in StorageClass::ALL {
            assert_eq!(StorageClass::try_from(class.to_string()), Ok(class));
        }
        for (name, why) in [
            ("ONEZONE_IA", "in one zone"),
            ("EXPRESS_ONEZONE", "in one zone"),
            ("REDUCED_REDUNDANCY", "loses more objects"),
            ("standard", "choose from STANDARD, "),
            ("", "choose from STANDARD, "),
        ] {
            let refused = StorageClass::try_from(name.to_owned()).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn only_two_classes_are_not_read_at_once() {
        let archives = StorageClass::ALL.into_iter().filter(|class| class.depth().is_some());
        let archives: Vec<_> = archives.collect();
        assert_eq!(archives, [StorageClass::FlexibleRetrieval, StorageClass::DeepArchive]);
    }
}

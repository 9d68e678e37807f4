//! Archive classes of S3: objects in them are not read at once, but retrieved first.
//!
//! How long that takes is the upper end of what the S3 user guide says of each retrieval option
//! (*Understanding archive retrieval options*).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::span::Span;

/// How deep an archive keeps an object, from the faster to the slower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// `GLACIER`, and the Archive Access tier of Intelligent-Tiering.
    Flexible,
    /// `DEEP_ARCHIVE`, and the Deep Archive Access tier; also an archive that this version does not know.
    Deep,
}

impl Depth {
    /// The depth of a storage class or an archive tier of Intelligent-Tiering, as S3 names it.
    pub fn of(place: &str) -> Self {
        match place {
            "GLACIER" | "ARCHIVE_ACCESS" => Self::Flexible,
            _ => Self::Deep,
        }
    }
}

/// An object that S3 cannot give at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// Its storage class, or its archive tier in Intelligent-Tiering, as S3 names it.
    pub place: String,
    /// Whether S3 is retrieving it.
    pub retrieving: bool,
}

impl Archived {
    /// One that S3 is not retrieving.
    pub fn in_place(place: &str) -> Self {
        Self { place: place.to_owned(), retrieving: false }
    }

    /// How deep it is.
    pub fn depth(&self) -> Depth {
        Depth::of(&self.place)
    }

    /// Whether a retrieved copy of it lasts only some days. What leaves an archive tier of
    /// Intelligent-Tiering does so for good, and S3 refuses to hear of days.
    pub fn lasts_days(&self) -> bool {
        !matches!(self.place.as_str(), "ARCHIVE_ACCESS" | "DEEP_ARCHIVE_ACCESS")
    }
}

impl fmt::Display for Archived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retrieving {
            true => write!(f, "S3 is retrieving it from {}", self.place),
            false => write!(f, "S3 has it in {}", self.place),
        }
    }
}

/// How fast S3 retrieves an archived object: the faster, the dearer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speed {
    Expedited,
    #[default]
    Standard,
    Bulk,
}

/// Bytes a second of an expedited retrieval of a large object (*Understanding archive retrieval options*).
const EXPEDITED_RATE: u64 = 300_000_000;

impl Speed {
    /// The name in arguments, prices and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expedited => "expedited",
            Self::Standard => "standard",
            Self::Bulk => "bulk",
        }
    }

    /// The fastest speed at a depth that is no faster than this one: nothing is expedited from the
    /// deepest archive.
    #[must_use]
    pub fn at(self, depth: Depth) -> Self {
        match (self, depth) {
            (Self::Expedited, Depth::Deep) => Self::Standard,
            (speed, _) => speed,
        }
    }

    /// How long a retrieval of an object of a size in bytes takes at most, as far as AWS says.
    pub fn takes(self, depth: Depth, size: u64) -> Span {
        let hours = |hours: u64| Span::from_secs(hours * 3_600);
        match (self.at(depth), depth) {
            (Self::Expedited, _) => {
                Span::from_secs((5 * 60_u64).saturating_add(size / EXPEDITED_RATE))
            }
            (Self::Standard, Depth::Flexible) => hours(5),
            (Self::Standard, Depth::Deep) | (Self::Bulk, Depth::Flexible) => hours(12),
            (Self::Bulk, Depth::Deep) => hours(48),
        }
    }
}

/// How archived objects are retrieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieval {
    pub speed: Speed,
    /// How many days the retrieved copy lasts, from 1.
    pub days: u16,
}

impl Default for Retrieval {
    fn default() -> Self {
        Self { speed: Speed::default(), days: Self::DAYS }
    }
}

impl Retrieval {
    /// The days if none are given: long enough to wait for the restore quota behind many others.
    pub const DAYS: u16 = 7;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retrieval_takes_what_the_user_guide_says_of_its_option_and_depth() {
        let minutes = |minutes: u64| Span::from_secs(minutes * 60);
        for (place, speed, expected) in [
            ("GLACIER", Speed::Expedited, minutes(5)),
            ("GLACIER", Speed::Standard, minutes(5 * 60)),
            ("GLACIER", Speed::Bulk, minutes(12 * 60)),
            ("ARCHIVE_ACCESS", Speed::Standard, minutes(5 * 60)),
            ("DEEP_ARCHIVE", Speed::Expedited, minutes(12 * 60)),
            ("DEEP_ARCHIVE", Speed::Standard, minutes(12 * 60)),
            ("DEEP_ARCHIVE", Speed::Bulk, minutes(48 * 60)),
            ("DEEP_ARCHIVE_ACCESS", Speed::Bulk, minutes(48 * 60)),
            ("A_CLASS_OF_TOMORROW", Speed::Standard, minutes(12 * 60)),
        ] {
            assert_eq!(speed.takes(Depth::of(place), 1_000), expected, "{place} {speed:?}");
        }
        let large = Speed::Expedited.takes(Depth::Flexible, 90_000_000_000);
        assert_eq!(large, minutes(10), "90 GB at 300 MB a second");
    }

    #[test]
    fn only_what_leaves_an_archive_class_is_retrieved_for_some_days() {
        for (place, lasts) in [
            ("GLACIER", true),
            ("DEEP_ARCHIVE", true),
            ("ARCHIVE_ACCESS", false),
            ("DEEP_ARCHIVE_ACCESS", false),
        ] {
            assert_eq!(Archived::in_place(place).lasts_days(), lasts, "{place}");
        }
    }
}

//! Decides how many older images of a family are copied in addition to its newest one.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// How many of a family's images that are older than its newest one are copied too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backfill {
    /// All of them.
    #[default]
    All,
    /// At most so many, the newest of them; 0 for none.
    Newest(u32),
}

impl Backfill {
    /// Whether an image is copied if this many images of its family are newer.
    pub fn asks_for(self, newer: usize) -> bool {
        match self {
            Self::All => true,
            Self::Newest(older) => u32::try_from(newer).is_ok_and(|newer| newer <= older),
        }
    }
}

impl<'de> Deserialize<'de> for Backfill {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Backfill;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"all\", \"none\" or how many older images of a family are copied")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Backfill, E> {
        match text {
            "all" => Ok(Backfill::All),
            "none" => Ok(Backfill::Newest(0)),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Backfill, E> {
        u32::try_from(number)
            .map(Backfill::Newest)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Backfill, E> {
        u32::try_from(number)
            .map(Backfill::Newest)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_is_a_word_or_a_number_and_nothing_else() {
        for (text, expected) in [
            ("\"all\"", Some(Backfill::All)),
            ("\"none\"", Some(Backfill::Newest(0))),
            ("0", Some(Backfill::Newest(0))),
            ("3", Some(Backfill::Newest(3))),
            ("4294967295", Some(Backfill::Newest(u32::MAX))),
            ("4294967296", None),
            ("-1", None),
            ("1.5", None),
            ("true", None),
            ("\"some\"", None),
            ("\"3\"", None),
        ] {
            assert_eq!(serde_json::from_str(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn the_newest_image_is_always_asked_for_and_older_ones_up_to_the_number() {
        for (backfill, asked) in [
            (Backfill::All, [true, true, true, true]),
            (Backfill::Newest(0), [true, false, false, false]),
            (Backfill::Newest(2), [true, true, true, false]),
        ] {
            assert_eq!([0, 1, 2, 3].map(|newer| backfill.asks_for(newer)), asked, "{backfill:?}");
        }
        assert!(!Backfill::Newest(u32::MAX).asks_for(usize::MAX));
    }
}

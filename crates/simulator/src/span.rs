//! Spans of time as people write them: `500ms`, `90s`, `1h30m`, `48h`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serializer};

/// Reads a span.
///
/// # Errors
/// What is wrong with the text, and how spans are written.
pub fn parse(text: &str) -> Result<Duration, String> {
    let span: SignedDuration = text.parse().map_err(|error| {
        format!("{text:?} is no span of time ({error}); write it as 500ms, 90s or 1h30m")
    })?;
    Duration::try_from(span).map_err(|_| format!("{text:?}: a span of time cannot be negative"))
}

/// Writes a span so that [`parse`] reads it.
pub fn write(span: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX))
}

/// For `#[serde(with = "crate::span")]`.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(*span))
}

/// For `#[serde(with = "crate::span")]`.
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// For `#[serde(with = "crate::span::maybe")]`.
pub mod maybe {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    /// As [`super::serialize`].
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    /// As [`super::deserialize`].
    ///
    /// # Errors
    /// As [`super::parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| super::parse(&text)).transpose().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for milliseconds in [0, 1, 500, 1_500, 90_000, 5_400_000, 172_800_000] {
            let span = Duration::from_millis(milliseconds);
            assert_eq!(parse(&write(span)), Ok(span), "{}", write(span));
        }
    }

    #[test]
    fn other_texts_are_refused_by_name() {
        for text in ["", "soon", "5", "-5s", "1 fortnight"] {
            let why = parse(text).unwrap_err();
            assert!(why.contains(&format!("{text:?}")), "{why}");
        }
    }
}

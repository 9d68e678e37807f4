//! Lengths of time as people write them in configuration: `90s`, `15m`, `24h`, `35d`, `2w`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Deserializer, de};

/// A positive length of time; a day is 24 hours, a week 7 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// The longest span that is accepted: 100 years. Object Lock allows no longer retention either.
const LONGEST: Duration = Duration::from_secs(36_525 * 24 * 3600);

impl Span {
    /// A span of whole seconds, for constants.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of whole milliseconds, for constants.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// As a std duration.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// As a signed duration, for arithmetic with timestamps.
    pub fn signed(self) -> SignedDuration {
        SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX)
    }

    /// The time this long after `start`, at most the end of time.
    pub fn after(self, start: Timestamp) -> Timestamp {
        start.saturating_add(self.signed()).unwrap_or(Timestamp::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| {
            let text: String = text.chars().take(80).collect();
            format!("{text:?} is not a length of time: {why}; write for example 15m, 24h or 35d")
        };
        let span: jiff::Span = text.trim().parse().map_err(|_| refuse("it cannot be read"))?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return Err(refuse("months and years have no fixed length"));
        }
        let duration = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| refuse("it is out of range"))?;
        match Duration::try_from(duration) {
            Ok(duration) if duration > LONGEST => Err(refuse("it is longer than 100 years")),
            Ok(duration) if !duration.is_zero() => Ok(Self(duration)),
            Ok(_) | Err(_) => Err(refuse("it must be longer than nothing")),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.signed())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("35d", 3_024_000),
            ("2w", 1_209_600),
            ("1d 2h", 93_600),
            ("15 minutes", 900),
        ] {
            assert_eq!(text.parse::<Span>().map(|s| s.duration().as_secs()), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn a_bad_span_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "cannot be read"),
            ("1 month", "no fixed length"),
            ("0s", "longer than nothing"),
            ("-1h", "longer than nothing"),
            ("200000w", "100 years"),
            ("soon", "cannot be read"),
        ] {
            let refused = text.parse::<Span>().unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}

//! Families whose workload has ended: nothing is promised about them any more, and their recovery points
//! stay.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, de};

use super::Policies;
use crate::ids::Malformed;
use crate::names::SourceId;

/// One `[[retired]]` of the configuration. Only the vault's owner writes it: no tag of a source retires
/// anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// The family's name.
    pub family: String,
    /// Its policy, which need not be configured any more; absent: whichever policy governs it.
    #[serde(default)]
    pub policy: Option<String>,
    /// Its source; absent: every source.
    #[serde(default, deserialize_with = "source")]
    pub source: Option<SourceId>,
    /// Since this day, from midnight UTC on.
    #[serde(deserialize_with = "day")]
    pub since: Date,
    /// Why, for reports.
    pub reason: String,
}

impl Retired {
    /// When it begins.
    pub fn begins(&self) -> Timestamp {
        self.since.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// Whether it speaks of a family, at any time.
    pub fn speaks_of(&self, source: &SourceId, policy: &str, family: &str) -> bool {
        self.family == family
            && self.policy.as_deref().is_none_or(|named| named == policy)
            && self.source.as_ref().is_none_or(|named| named == source)
    }
}

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.family)?;
        if let Some(policy) = &self.policy {
            write!(f, " of policy {policy}")?;
        }
        match &self.source {
            Some(source) => write!(f, " of source {source}"),
            None => Ok(()),
        }
    }
}

impl Policies {
    /// From when on a family is retired, if any entry speaks of it.
    pub fn retires(&self, source: &SourceId, policy: &str, family: &str) -> Option<Timestamp> {
        let entries = self.1.iter().filter(|retired| retired.speaks_of(source, policy, family));
        entries.map(Retired::begins).min()
    }

    /// The entry that retires a family, if it is retired at `now`.
    pub fn retired(
        &self,
        source: &SourceId,
        policy: &str,
        family: &str,
        now: Timestamp,
    ) -> Option<&Retired> {
        let mut entries = self.1.iter().filter(|retired| retired.speaks_of(source, policy, family));
        entries.find(|retired| retired.begins() <= now)
    }
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    struct Day;

    impl de::Visitor<'_> for Day {
        type Value = Date;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a day in quotes, such as \"2026-11-30\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Date, E> {
            let is_short = text.len() == "2026-11-30".len();
            let date = text.parse().ok().filter(|_| is_short);
            date.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_any(Day)
}

fn source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SourceId>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let malformed = || Malformed::new("a source", "account/region", &text);
    let read = || {
        let (account, region) = text.split_once('/')?;
        Some(SourceId { account: account.parse().ok()?, region: region.parse().ok()? })
    };
    read().map(Some).ok_or_else(|| de::Error::custom(malformed()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(keys: serde_json::Value) -> Result<Retired, String> {
        let mut text = json!({"family": "shop", "since": "2026-11-30", "reason": "closed"});
        text.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        serde_json::from_value(text).map_err(|error| error.to_string())
    }

    fn here() -> SourceId {
        SourceId { account: "111111111111".parse().unwrap(), region: "us-east-1".parse().unwrap() }
    }

    #[test]
    fn a_family_is_retired_from_its_day_on_and_only_where_the_entry_speaks_of_it() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let is = |keys: serde_json::Value, policy: &str, family: &str, now: &str| {
            let policies = Policies(Vec::new(), vec![read(keys).unwrap()]);
            policies.retired(&here(), policy, family, at(now)).is_some()
        };
        let (before, after) = ("2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z");
        assert!(is(json!({}), "gold", "shop", after));
        assert!(!is(json!({}), "gold", "shop", before));
        assert!(!is(json!({}), "gold", "shops", after));
        assert!(is(json!({"policy": "gold"}), "gold", "shop", after));
        assert!(!is(json!({"policy": "silver"}), "gold", "shop", after));
        assert!(is(json!({"source": "111111111111/us-east-1"}), "gold", "shop", after));
        assert!(!is(json!({"source": "111111111111/us-east-2"}), "gold", "shop", after));
    }

    #[test]
    fn a_day_or_a_source_that_cannot_be_read_is_refused_with_what_is_expected() {
        for (keys, expected) in [
            (json!({"since": "30.11.2026"}), "expected a day in quotes, such as \"2026-11-30\""),
            (json!({"since": "2026-13-01"}), "a day in quotes"),
            (json!({"since": "2026-11-30T12:00:00"}), "a day in quotes"),
            (json!({"since": 20_261_130}), "a day in quotes"),
            (json!({"source": "us-east-1"}), "account/region"),
            (json!({"until": "2026-11-30"}), "unknown field"),
        ] {
            let refused = read(keys.clone()).unwrap_err();
            assert!(refused.contains(expected), "{keys}: {refused}");
        }
    }
}

//! One set of keep rules: the newest so many, the newest of so many days, weeks, months and years, and
//! all within a span.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::planted::{Bug, has};
use crate::span::Span;

/// What is kept. Each rule keeps what it keeps, whatever the other ones do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of the newest so many days that have one. Days are those of UTC.
    pub daily: u32,
    /// The same of weeks, which begin on Monday (ISO 8601).
    pub weekly: u32,
    /// The same of months.
    pub monthly: u32,
    /// The same of years.
    pub yearly: u32,
    /// All that are younger than this.
    pub within: Option<Span>,
    /// A family never falls below so many, whatever the other rules say; 1 if it is left out.
    pub minimum: Option<u32>,
}

/// The rule by which something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    Last,
    Within,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Rule {
    /// The key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Within => "within",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }
}

impl Keep {
    /// Whether no rule keeps anything: the minimum alone is no rule.
    pub fn keeps_nothing(&self) -> bool {
        let Self { last, daily, weekly, monthly, yearly, within, minimum: _ } = self;
        let counts = [last, daily, weekly, monthly, yearly];
        counts.into_iter().all(|count| *count == 0)
            && within.is_none_or(|within| within == Span::from_secs(0))
    }

    /// How many of a family stay at least.
    pub fn least(&self) -> usize {
        let least = self.minimum.unwrap_or(1).max(1);
        usize::try_from(least).unwrap_or(usize::MAX)
    }

    /// Which rule keeps each of these, the first that does; `None` for what none keeps. The times
    /// stand in descending order.
    pub fn choose(&self, times: &[Timestamp], now: Timestamp) -> Vec<Option<Rule>> {
        let last = usize::try_from(self.last).unwrap_or(usize::MAX);
        let mut chosen: Vec<Option<Rule>> =
            (0..times.len()).map(|position| (position < last).then_some(Rule::Last)).collect();
        if let Some(within) = self.within {
            for (time, rule) in times.iter().zip(&mut chosen) {
                let is_young = now.duration_since(*time) < within.signed();
                *rule = rule.or(is_young.then_some(Rule::Within));
            }
        }
        self.newest_of_each(times, &mut chosen);
        chosen
    }

    /// The newest of each period. One that another rule keeps still stands for its period.
    fn newest_of_each(&self, times: &[Timestamp], chosen: &mut [Option<Rule>]) {
        let periods = [
            (Rule::Daily, self.daily),
            (Rule::Weekly, self.weekly),
            (Rule::Monthly, self.monthly),
            (Rule::Yearly, self.yearly),
        ];
        for (rule, count) in periods {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let mut seen = BTreeSet::new();
            for (position, time) in times.iter().enumerate() {
                if seen.len() >= count {
                    break;
                }
                let is_first = seen.insert(period(rule, *time));
                let is_last = times.get(position + 1).map(|next| period(rule, *next))
                    != Some(period(rule, *time));
                let stands = if has(Bug::OldestOfPeriodKept) { is_last } else { is_first };
                if stands {
                    chosen[position] = chosen[position].or(Some(rule));
                }
            }
        }
    }
}

/// The period of a time, as two numbers that no other period of the rule has.
fn period(rule: Rule, time: Timestamp) -> (i16, i16) {
    let date: Date = time.to_zoned(TimeZone::UTC).date();
    match rule {
        Rule::Daily => (date.year(), date.day_of_year()),
        Rule::Weekly => {
            let week = date.iso_week_date();
            (week.year(), i16::from(week.week()))
        }
        Rule::Monthly => (date.year(), i16::from(date.month())),
        Rule::Yearly | Rule::Last | Rule::Within => (date.year(), 0),
    }
}

//! What Service Quotas lists for the token bucket of one of EC2's calls. AWS documents the names of these
//! quotas and no codes (EC2 Developer Guide, *Request throttling for the Amazon EC2 API*), and an answer may
//! hold anything.

use crate::pacing::CallRate;
use crate::ports::ListedQuota;
use crate::span::Span;

/// The words that the names hold besides that of the call.
const CAPACITY: &str = "maximum capacity";
const RATE: &str = "refill rate";

/// Each value of the rate, or what is said of it instead.
pub(super) struct Listed {
    burst: Result<u32, String>,
    refill: Result<Span, String>,
}

impl Listed {
    pub(super) fn of(api: &str, quotas: &[ListedQuota]) -> Self {
        Self {
            burst: lowest(&of_name(api, CAPACITY, quotas), burst, api, CAPACITY),
            refill: lowest(&of_name(api, RATE, quotas), refill, api, RATE),
        }
    }

    /// This rate, with what AWS lists in its place.
    pub(super) fn over(&self, CallRate { burst, refill }: CallRate) -> CallRate {
        CallRate {
            burst: self.burst.as_ref().copied().unwrap_or(burst),
            refill: self.refill.as_ref().copied().unwrap_or(refill),
        }
    }

    /// What AWS lists, in words; empty if it is nothing.
    pub(super) fn told(&self) -> String {
        let burst = self.burst.as_ref().ok().map(|burst| format!("{burst} calls at once"));
        let refill = self.refill.as_ref().ok().map(|refill| format!("one more every {refill}"));
        burst.into_iter().chain(refill).collect::<Vec<_>>().join(" and ")
    }

    /// What it does not list, in words; empty if there is nothing else.
    pub(super) fn untold(&self) -> String {
        let burst = self.burst.as_ref().err().map(String::as_str);
        let refill = self.refill.as_ref().err().map(String::as_str);
        burst.into_iter().chain(refill).collect::<Vec<_>>().join(" and ")
    }
}

/// The values of the quotas on a call whose names hold these words. AWS may write names otherwise than its
/// guide does, so case and further words make no difference.
fn of_name(api: &str, words: &str, quotas: &[ListedQuota]) -> Vec<Option<f64>> {
    let api = api.to_ascii_lowercase();
    let is_meant = |quota: &&ListedQuota| {
        let name = quota.name.to_ascii_lowercase();
        let mut parts = name.split_whitespace();
        parts.next() == Some(&api) && parts.collect::<Vec<_>>().join(" ").contains(words)
    };
    quotas.iter().filter(is_meant).map(|quota| quota.value).collect()
}

/// The lowest value that has a meaning, or why there is none.
fn lowest<T>(
    values: &[Option<f64>],
    read: fn(f64) -> Option<T>,
    api: &str,
    words: &str,
) -> Result<T, String> {
    let known = values.iter().flatten().copied().filter(|value| read(*value).is_some());
    let least = known.min_by(f64::total_cmp);
    least.and_then(read).ok_or_else(|| match values.first() {
        None => format!("lists no {words} of {api}"),
        Some(None) => format!("lists a {words} of {api} without a value"),
        Some(Some(value)) => {
            format!("lists {value:?} as the {words} of {api}, which has no meaning")
        }
    })
}

/// Tokens of a full bucket.
fn burst(capacity: f64) -> Option<u32> {
    let whole = capacity.floor();
    let is_known = (1.0..=f64::from(CallRate::LARGEST_BURST)).contains(&whole);
    is_known.then_some(whole as u32)
}

/// The time for one token, from tokens a second; rounded so that it is never too short.
fn refill(rate: f64) -> Option<Span> {
    // 1,000 divided by 0.7 and the like ends in digits that mean nothing.
    let milliseconds = (1_000.0 / rate - 1e-6).ceil();
    let is_known = (1.0..=1e9).contains(&milliseconds);
    let span = is_known.then(|| Span::from_millis(milliseconds as u64))?;
    (CallRate::SHORTEST_REFILL..=CallRate::LONGEST_REFILL).contains(&span).then_some(span)
}

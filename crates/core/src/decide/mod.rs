//! Turns an observation into one next step: the only place where amiferry decides.
//!
//! [`eligibility`] decides whether an image is protected at all, [`store`] what the source worker
//! does, and [`vault`] what the target worker does. All are functions of their arguments, and
//! events, sweeps and audits call the same ones.

pub mod eligibility;
pub mod store;
pub mod vault;

#[cfg(test)]
pub(crate) mod tests;

use jiff::{SignedDuration, Timestamp};

use self::eligibility::LeftOut;
use crate::code::{Code, Kind};
use crate::span::Span;
use crate::text::visible;

/// Longest detail of a [`Decision`], in characters.
pub const MAX_DETAIL_CHARS: usize = 512;

/// What to do next about one image or recovery point; `A` are the effects of the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<A> {
    /// Perform this, then look again.
    Act(A),
    /// Nothing to do before this time; passes by itself.
    Wait {
        /// When to look again, if no event comes first.
        until: Timestamp,
        /// Why.
        code: Code,
        /// The particulars, for people.
        detail: String,
    },
    /// Work cannot continue until a person or another system changes something: say so and look
    /// again later.
    Park {
        /// When to look again.
        until: Timestamp,
        /// Why.
        code: Code,
        /// The particulars, for people.
        detail: String,
    },
    /// Left out, as a recorded decision.
    Ineligible {
        /// Why.
        code: Code,
        /// The particulars, for people.
        detail: String,
    },
    /// Everything is as it should be.
    Done(Code),
}

/// The times between looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The shortest time between looks at running work, in case its event is lost.
    pub poll: Span,
    /// The time between looks at parked work, and the longest between looks at running work.
    pub park: Span,
}

/// `first`, doubled for each of `times` after the first, up to `longest`: the pause after so many
/// failures in a row.
fn growing(first: SignedDuration, times: u32, longest: SignedDuration) -> SignedDuration {
    let doublings = times.saturating_sub(1).min(20);
    first.saturating_mul(1 << doublings).min(longest.max(first))
}

/// How long after a failure the next try begins when a person asks for it, however often it failed:
/// enough that messages in a row do not make tries in a row.
const URGED: SignedDuration = SignedDuration::from_mins(1);

/// The pause after so many failures in a row: a [`growing`] one, or a short one where a person asks
/// for the next try.
fn pause(
    first: SignedDuration,
    times: u32,
    longest: SignedDuration,
    urged: bool,
) -> SignedDuration {
    let pause = growing(first, times, longest);
    if urged { pause.min(URGED) } else { pause }
}

/// A time so long after another.
fn after(start: Timestamp, pause: SignedDuration) -> Timestamp {
    start.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// Builds decisions that look again after a pace.
#[derive(Debug, Clone, Copy)]
struct Later {
    now: Timestamp,
    pace: Pace,
}

impl Later {
    fn wait<A>(self, code: Code, detail: impl Into<String>) -> Decision<A> {
        Decision::Wait { until: self.pace.poll.after(self.now), code, detail: shown(detail) }
    }

    /// Waits for a task that has run since a time, as long again as it has run. An event announces
    /// its end. The longer it runs, the less a late notice of a lost event matters, so a long task is
    /// not polled over and over.
    fn follow<A>(
        self,
        since: Option<Timestamp>,
        code: Code,
        detail: impl Into<String>,
    ) -> Decision<A> {
        let ran = since.map_or(SignedDuration::ZERO, |since| self.now.duration_since(since));
        let (least, most) = (self.pace.poll.signed(), self.pace.park.signed());
        let pause = ran.min(most).max(least);
        let until = self.now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        Decision::Wait { until, code, detail: detail.into() }
    }

    /// Leaves an image out, or waits if the reason passes by itself.
    fn left_out<A>(self, LeftOut { code, detail }: LeftOut) -> Decision<A> {
        match code.kind() {
            Kind::Waiting => self.wait(code, detail),
            _ => Decision::Ineligible { code, detail },
        }
    }

    fn park<A>(self, code: Code, detail: impl Into<String>) -> Decision<A> {
        Decision::Park { until: self.pace.park.after(self.now), code, detail: shown(detail) }
    }
}

/// Cuts a detail and spells out invisible characters, because it may quote tags, names and
/// manifests of other parties.
fn shown(detail: impl Into<String>) -> String {
    visible(&detail.into(), MAX_DETAIL_CHARS)
}

//! One next step for what was observed: the only place where amiferry decides.
//!
//! [`eligibility`] says whether an image is protected at all, [`store`] what the source worker
//! does about it, [`vault`] what the target worker does. All are functions of their arguments;
//! an event, a sweep and an audit end in the same ones.

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
    /// Work cannot go on before someone else changes something: say so and look again later.
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

/// A running task is looked at again after this part of the time that it has run.
const FOLLOWED: i32 = 8;

/// How long to leave things alone between looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The least between looks at running work, in case its event is lost.
    pub poll: Span,
    /// Between looks at parked work, and the most between looks at running work.
    pub park: Span,
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

    /// Waits for a task that runs since a time. Its event brings news; the longer it runs, the
    /// less it matters when a lost one is noticed, so a long task is not polled over and over.
    fn follow<A>(
        self,
        since: Option<Timestamp>,
        code: Code,
        detail: impl Into<String>,
    ) -> Decision<A> {
        let ran = since.map_or(SignedDuration::ZERO, |since| self.now.duration_since(since));
        let (least, most) = (self.pace.poll.signed(), self.pace.park.signed());
        let pause = (ran / FOLLOWED).min(most).max(least);
        let until = self.now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        Decision::Wait { until, code, detail: detail.into() }
    }

    /// Leaves an image out, or waits for what passes by itself.
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

/// A detail may quote tags, names and manifests, which others wrote: cut, and with what would not
/// be seen spelled out.
fn shown(detail: impl Into<String>) -> String {
    visible(&detail.into(), MAX_DETAIL_CHARS)
}

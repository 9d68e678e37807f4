//! What the answers change: a look's decisions, an effect's end, and the faults of both.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::Receipt;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Span;

use super::backoff::{self, Remedy};
use super::entry::{Failures, Looked, Origin};
use super::inbox::{Held, Renewal};
use super::log;
use super::parked::Step;
use super::pause::{Change, Pause};
use super::role::{Answers, Consistency, Failure, Role};
use super::run::{EntryResults, Performed, Reconciler};
use super::trouble::Trouble;
use crate::metrics::{self, Outcome};
use crate::telemetry;

/// The shortest time until the next look after a `Wait` or `Park`, so that there is no busy loop.
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// So many times [`super::Settings::poll`] after its start a task is first asked about: two minutes,
/// which is about what EC2 takes for a small image.
const FIRST_FOLLOWED: u32 = 4;

/// After this many effects of one key in a row, without a rest between them, each waits longer.
const MOST_STEPS: u32 = 8;

/// Whether AWS has not shown what it is about. Of what messages name, a sender can make up any number.
fn is_unshown<E>(decision: &Decision<E>) -> bool {
    matches!(decision, Decision::Wait { code: Code::Settling, .. })
}

impl<R: Role> Reconciler<R> {
    /// Applies a look's answers about each of these keys, and the turns that it found to have come.
    pub(super) fn looked(&mut self, keys: Vec<R::Key>, answers: Answers<R::Key, R::Effect>) {
        let Answers { decisions, due } = answers;
        let mut decisions: BTreeMap<R::Key, _> = decisions.into_iter().collect();
        // Keys that failed together are looked at again together.
        let share = self.rng.f64();
        // In the order of the question, which is the order of need.
        for key in keys {
            match decisions.remove(&key) {
                Some(Ok(decision)) => self.decided(&key, decision),
                Some(Err(fault)) => {
                    self.after_fault(&key, &fault, share, Failed::Look);
                }
                None => {
                    let now = Instant::now();
                    let failures = self.work.failed(&key, None, (Step::Look, true), now);
                    let pause = Remedy::LookAgain.delay(failures.alike, share);
                    self.work.retry(&key, now + pause, now);
                    self.stick(&key);
                }
            }
        }
        for key in due {
            self.work.turn_came(&key, Instant::now());
        }
    }

    fn decided(&mut self, key: &R::Key, decision: Decision<R::Effect>) {
        let now = Instant::now();
        let Looked { settled, first, origin, slot } = self.work.looked(key, now);
        self.inbox.settle(settled);
        let is_over = matches!(decision, Decision::Done(_) | Decision::Ineligible { .. });
        let may_be_made_up = origin == Origin::Event && is_unshown(&decision);
        if !is_over && !may_be_made_up && !self.work.tell(key) {
            self.span(key).in_scope(|| log::seen(origin));
        }
        match decision {
            Decision::Act(effect) => {
                if first && origin == Origin::Sweep {
                    metrics::found_by_sweep(self.settings.worker);
                }
                // A key whose effects fail keeps its pause until one succeeds.
                if !self.work.is_failing(key) {
                    self.pause(key, None, None);
                }
                let lane = self.role.lane(&effect);
                self.work.act(key, effect, lane, slot, now);
            }
            Decision::Wait { code, until, detail } => {
                self.pause(key, Some(Pause::Waiting(code)), particulars(&detail));
                self.work.rest(key, now + self.until(until), now);
            }
            Decision::Park { code, until, detail } => {
                self.pause(key, Some(Pause::Parked(code)), particulars(&detail));
                self.work.rest(key, now + self.until(until), now);
            }
            Decision::Done(code) => {
                let news = self.work.told(key).then_some(0);
                self.ended(key, code, "", news, now);
            }
            Decision::Ineligible { code, detail } => {
                let news = match (self.work.told(key), origin, code) {
                    (true, ..) => Some(0),
                    (_, Origin::Event, Code::ImageGone) => self.gauges.unshown(code),
                    (_, Origin::Event, _) => Some(0),
                    (_, Origin::Sweep, _) => None,
                };
                self.ended(key, code, &detail, news, now);
            }
        }
    }

    /// Forgets a key with nothing left to do, until an event or a sweep names it again. `news` is set
    /// where that is new, to the number of such lines that were not logged before it.
    fn ended(&mut self, key: &R::Key, code: Code, detail: &str, news: Option<u64>, now: Instant) {
        self.pause(key, None, None);
        self.span(key).in_scope(|| log::done(code, detail, news));
        self.work.forget(key, now);
    }

    /// The span in which lines about a key are logged. After a step the code is inside it already.
    pub(super) fn span(&self, key: &R::Key) -> Span {
        let attempt = self.work.attempts(key).saturating_add(1);
        telemetry::recovery_point(attempt, || self.role.subject(key))
    }

    /// Sets a key's pause, and logs what changed.
    fn pause(&mut self, key: &R::Key, new: Option<Pause>, detail: Option<&dyn Display>) {
        let told = self.work.told(key);
        let Some(slot) = self.work.pause_mut(key) else { return };
        let Some(change) = self.gauges.pause(slot, new) else { return };
        // Of what AWS has not shown, a sender can name any number.
        let unlogged = match (told, &change) {
            (false, Change { new: Some(Pause::Waiting(Code::Settling)), .. }) => {
                self.gauges.unshown(Code::Settling)
            }
            (false, Change { new: None, old: Some((Pause::Waiting(Code::Settling), _)) }) => None,
            _ => Some(0),
        };
        if let Some(unlogged) = unlogged {
            self.span(key).in_scope(|| log::stands(&change, detail, unlogged));
        }
    }

    fn until(&self, time: Timestamp) -> Duration {
        let rest = time.duration_since(self.clock.now());
        Duration::try_from(rest).unwrap_or_default().max(SHORTEST_REST)
    }

    /// The time after a pause at which something is tried again.
    pub(super) fn after(&self, pause: Duration) -> Timestamp {
        self.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX)
    }

    /// Notes and logs that work of the loop itself failed; it is tried again after `pause`.
    pub(super) fn trouble(&mut self, what: Trouble, fault: &Fault, pause: Option<Duration>) {
        let failures = self.gauges.trouble(what, fault, true);
        log::trouble(what, fault, failures, None, pause.map(|pause| self.after(pause)));
    }

    /// Applies the result of a step, inside its span.
    pub(super) fn performed(&mut self, key: &R::Key, ended: Performed) {
        let Performed { stage, consistency, took, result, span: _ } = ended;
        self.gauges.in_flight(stage, false);
        match result {
            Ok(()) => {
                metrics::stage_ended(stage, Outcome::Succeeded, None, took);
                log::performed(stage, took);
                self.pause(key, None, None);
                let settle = match consistency {
                    Consistency::Strong => Duration::ZERO,
                    Consistency::Eventual => self.settings.settle,
                    Consistency::Announced => self.settings.poll * FIRST_FOLLOWED,
                };
                // No recovery point needs this many steps: AWS does not show their effects.
                let pause = match self.work.step(key).checked_sub(MOST_STEPS) {
                    None | Some(0) => settle,
                    Some(more) => settle.max(Remedy::Retry.delay(more, self.rng.f64())),
                };
                let now = Instant::now();
                // What named it meanwhile may have been the end of the task.
                let named = now + pause.min(self.settings.settle);
                self.work.performed(key, (now + pause, named), now);
            }
            Err(_) if has(Bug::EffectFaultIsEnd) => {}
            Err(fault) => {
                metrics::stage_ended(stage, Outcome::Failed, Some(fault.class), took);
                let share = self.rng.f64();
                self.after_fault(key, &fault, share, Failed::Step(took));
            }
        }
    }

    /// A call to keep messages hidden ended. A fault only means that SQS may deliver them again.
    pub(super) fn hiding_ended(
        &mut self,
        asked: Instant,
        time: Duration,
        messages: Vec<(Held, Receipt)>,
        result: EntryResults,
    ) {
        let answers = match result {
            Ok(answers) => answers,
            Err(fault) => vec![Err(fault); messages.len()],
        };
        let fault = answers.iter().find_map(|answer| answer.as_ref().err()).cloned();
        let pause = match &fault {
            None => {
                self.hide_faults = 0;
                self.gauges.recovered(Trouble::Hiding);
                Duration::ZERO
            }
            Some(fault) => {
                self.hide_faults = self.hide_faults.saturating_add(1);
                let pause = Remedy::of_all(fault.class).delay(self.hide_faults, self.rng.f64());
                self.trouble(Trouble::Hiding, fault, Some(pause));
                pause
            }
        };
        for ((held, receipt), answer) in messages.into_iter().zip(answers) {
            let next = match answer {
                Ok(()) => Renewal::Hidden { from: asked, time },
                // It is no longer in flight, or has been for the 12 hours that SQS allows.
                Err(fault) if fault.class == FaultClass::Invalid => Renewal::Refused,
                Err(_) => Renewal::TryAgainAt(Instant::now() + pause),
            };
            self.inbox.renewed(held, &receipt, next);
        }
    }

    /// Shows a key's fault, tells the role, and schedules the next look by the fault's class.
    pub(super) fn after_fault(&mut self, key: &R::Key, fault: &Fault, share: f64, how: Failed) {
        let (now, time) = (Instant::now(), self.clock.now());
        let (span, step) = match how {
            // The span of the step is around this.
            Failed::Step(_) => (Span::current(), Step::Effect),
            Failed::Look | Failed::Together | Failed::Elsewhere => (self.span(key), Step::Look),
        };
        let about = !matches!(how, Failed::Together | Failed::Elsewhere);
        let failures = self.work.failed(key, Some(fault.class), (step, about), now);
        let Failures { count: attempts, alike, is_new } = failures;
        let remedy = Remedy::of(fault.class);
        let pause = remedy.delay(alike, share);
        let due = self.work.retry(key, now + pause, now);
        let retry_at = self.after(due.duration_since(now));
        let (code, parked) = (backoff::code(fault), remedy == Remedy::Park);
        let since = self.work.failing_since(key, time);
        self.role.failed(key, &Failure { fault, code, parked, attempts, since, retry_at });
        let pause = if parked { Pause::Parked(code) } else { Pause::Waiting(code) };
        let slot = self.work.pause_mut(key).filter(|_| !matches!(how, Failed::Elsewhere));
        let change = slot.and_then(|slot| self.gauges.pause(slot, Some(pause)));
        span.in_scope(|| match how {
            Failed::Look | Failed::Step(_) => {
                let took = if let Failed::Step(took) = how { Some(took) } else { None };
                let level = log::loudness(fault.class, attempts, is_new);
                log::failed(fault, pause, level, took, retry_at);
            }
            Failed::Together => {
                if let Some(change) = change {
                    log::stands(&change, None, 0);
                }
            }
            Failed::Elsewhere => {}
        });
        if !matches!(how, Failed::Elsewhere) {
            self.stick(key);
        }
    }

    /// Marks the messages that wait for a key, because they may wait for long. Forgets the key if
    /// the inbox drops them and nothing else names it.
    fn stick(&mut self, key: &R::Key) {
        let waiting: Vec<Held> = self.work.waiting(key).collect();
        self.stuck(waiting);
        if self.work.is_left(key) {
            self.leave(key);
        }
    }

    /// Marks messages that may wait for long. If there are too many, the inbox drops some, and keys
    /// that nothing else names are forgotten with them.
    pub(super) fn stuck(&mut self, messages: Vec<Held>) {
        for (message, keys) in self.inbox.stick(messages) {
            for key in keys {
                if self.work.let_go(&key, message) {
                    self.leave(&key);
                }
            }
        }
    }

    fn leave(&mut self, key: &R::Key) {
        self.pause(key, None, None);
        self.work.forget(key, Instant::now());
    }
}

/// A decision's detail, if it has any.
fn particulars(detail: &(impl Display + AsRef<str>)) -> Option<&dyn Display> {
    Some(detail as &dyn Display).filter(|_| !detail.as_ref().is_empty())
}

/// Which kind of work failed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failed {
    /// A look, with a fault about this key.
    Look,
    /// A look at many keys, which logs its own failure.
    Together,
    /// A look, for a reason that has nothing to do with its keys.
    Elsewhere,
    /// A step, and how long it took.
    Step(Duration),
}

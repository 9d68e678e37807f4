//! What the answers change: a look's decisions, an effect's end, and the faults of both.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::Receipt;
use tokio::time::Instant;

use super::backoff::{self, Remedy};
use super::inbox::Renewal;
use super::report::{Standing, Trouble};
use super::role::{Role, Shown};
use super::run::{Answers, EntryResults, Reconciler};
use super::work::{Looked, MessageId};
use crate::metrics::{self, Outcome, Stage};

/// A `Wait` or `Park` that asks for an earlier look than this gets this: no busy loop.
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// While no look answers anything, one is tried at least this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl<R: Role> Reconciler<R> {
    pub(super) fn looked(&mut self, keys: Vec<R::Key>, answers: Answers<R>) {
        self.looking = false;
        self.report.recovered(Trouble::Looking);
        self.batch = (self.batch * 2).min(self.settings.batch.get());
        self.look_faults = 0;
        let mut answers: BTreeMap<R::Key, _> = answers.into_iter().collect();
        // Keys that failed together are looked at again together.
        let share = self.rng.f64();
        // In the order of the question, which is the order of need.
        for key in keys {
            match answers.remove(&key) {
                Some(Ok(decision)) => self.decided(&key, decision),
                Some(Err(fault)) => {
                    self.after_fault(&key, &fault, share);
                }
                None => {
                    let attempts = self.work.failed(&key);
                    let pause = Remedy::LookAgain.delay(attempts, share);
                    self.work.retry(&key, Instant::now() + pause);
                }
            }
        }
    }

    fn decided(&mut self, key: &R::Key, decision: Decision<R::Effect>) {
        let now = Instant::now();
        let Looked { settled, first, by_sweep } = self.work.looked(key);
        self.inbox.settle(&settled);
        match decision {
            Decision::Act(effect) => {
                if first && by_sweep {
                    metrics::found_by_sweep(self.settings.worker);
                }
                // A key whose effects fail keeps its standing until one succeeds.
                if self.work.attempts(key) == 0 {
                    self.stand(key, None, &"");
                }
                let lane = self.role.lane(&effect);
                self.work.act(key, effect, lane, now);
            }
            Decision::Wait { code, until, detail } => {
                self.stand(key, Some(Standing::Waiting(code)), &detail);
                self.work.rest(key, now + self.until(until), now);
            }
            Decision::Park { code, until, detail } => {
                self.stand(key, Some(Standing::Parked(code)), &detail);
                self.work.rest(key, now + self.until(until), now);
            }
            Decision::Done(code) => self.ended(key, code, "", first && by_sweep, now),
            Decision::Ineligible { code, detail } => {
                self.ended(key, code, &detail, first && by_sweep, now);
            }
        }
    }

    /// Nothing is left to do about a key until it is named again.
    fn ended(&mut self, key: &R::Key, code: Code, detail: &str, only_swept: bool, now: Instant) {
        let stood = self.stand(key, None, &detail);
        let worker = self.settings.worker.as_str();
        // What every sweep finds unchanged is no news.
        if only_swept && !stood {
            tracing::debug!(worker, %key, %code, %detail, "{}", code.meaning());
        } else {
            tracing::info!(worker, %key, %code, %detail, "{}", code.meaning());
        }
        self.work.forget(key, now);
    }

    /// Sets a key's standing; answers whether it had one.
    fn stand(
        &mut self,
        key: &R::Key,
        new: Option<Standing>,
        detail: &dyn std::fmt::Display,
    ) -> bool {
        match self.work.standing_mut(key) {
            Some(slot) => {
                let stood = slot.is_some();
                self.report.stand(key, slot, new, detail);
                stood
            }
            None => false,
        }
    }

    fn until(&self, time: jiff::Timestamp) -> Duration {
        let rest = time.duration_since(self.clock.now());
        Duration::try_from(rest).unwrap_or_default().max(SHORTEST_REST)
    }

    pub(super) fn look_failed(&mut self, keys: &[R::Key], fault: &Fault) {
        self.looking = has(Bug::LookFaultIsEnd);
        self.report.trouble(Trouble::Looking, fault);
        let share = self.rng.f64();
        // Others may fare better, so they go on; but while none does, ever less often.
        self.look_faults = self.look_faults.saturating_add(1);
        let pause = Remedy::Retry.delay(self.look_faults, share).min(LONGEST_PAUSE);
        self.look_after = self.look_after.max(Instant::now() + pause);
        match Remedy::of(fault.class) {
            // Nothing about these keys, so it is no standing of theirs.
            remedy @ Remedy::Retry => {
                for key in keys {
                    let attempts = self.work.failed(key);
                    self.work.retry(key, Instant::now() + remedy.delay(attempts, share));
                }
            }
            // Perhaps about one of them: smaller looks find out which.
            Remedy::Park | Remedy::LookAgain => {
                self.batch = (self.batch / 2).max(1);
                for key in keys {
                    let own = self.rng.f64();
                    self.after_fault(key, fault, own);
                }
            }
        }
    }

    pub(super) fn performed(
        &mut self,
        key: &R::Key,
        stage: Stage,
        shown: Shown,
        took: Duration,
        result: Result<(), Fault>,
    ) {
        self.report.in_flight(stage, false);
        match result {
            Ok(()) => {
                metrics::stage_ended(stage, Outcome::Succeeded, None, took);
                let worker = self.settings.worker.as_str();
                tracing::info!(worker, %key, %stage, seconds = took.as_secs_f64(), "performed");
                self.stand(key, None, &"");
                let settle = match shown {
                    Shown::AtOnce => Duration::ZERO,
                    Shown::Soon => self.settings.settle,
                };
                self.work.performed(key, Instant::now() + settle);
            }
            Err(_) if has(Bug::EffectFaultIsEnd) => {}
            Err(fault) => {
                metrics::stage_ended(stage, Outcome::Failed, Some(fault.class), took);
                let share = self.rng.f64();
                self.after_fault(key, &fault, share);
            }
        }
    }

    /// Messages were hidden anew, or not. A fault only means that a message may come again.
    pub(super) fn hiding_ended(
        &mut self,
        asked: Instant,
        messages: Vec<(MessageId, Receipt)>,
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
                self.report.recovered(Trouble::Hiding);
                Duration::ZERO
            }
            Some(fault) => {
                self.hide_faults = self.hide_faults.saturating_add(1);
                self.report.trouble(Trouble::Hiding, fault);
                Remedy::of(fault.class).delay(self.hide_faults, self.rng.f64())
            }
        };
        for ((id, receipt), answer) in messages.into_iter().zip(answers) {
            let next = match answer {
                Ok(()) => Renewal::HiddenAt(asked),
                // Not in flight any more, or for the 12 hours that SQS allows.
                Err(fault) if fault.class == FaultClass::Invalid => Renewal::Refused,
                Err(_) => Renewal::TryAgainAt(Instant::now() + pause),
            };
            self.inbox.renewed(&id, &receipt, next);
        }
    }

    /// Shows a key's fault and schedules its next look by the fault's class.
    fn after_fault(&mut self, key: &R::Key, fault: &Fault, share: f64) {
        let attempts = self.work.failed(key);
        let remedy = Remedy::of(fault.class);
        let code = backoff::code(fault.class);
        let standing = match remedy {
            // Full quotas pass by themselves, unlike the others that are looked at seldom.
            Remedy::Park if fault.class != FaultClass::QuotaFull => Standing::Parked(code),
            _ => Standing::Waiting(code),
        };
        self.stand(key, Some(standing), fault);
        let pause = remedy.delay(attempts, share);
        self.work.retry(key, Instant::now() + pause);
    }
}

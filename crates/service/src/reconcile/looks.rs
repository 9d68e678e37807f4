//! Looks: at keys of all parties together, and at those of one party that is apart.

use std::sync::Arc;
use std::time::Duration;

use amiferry_core::fault::Fault;
use amiferry_core::planted::{Bug, has};
use tokio::time::Instant;

use super::answers::Failed;
use super::backoff::Remedy;
use super::log;
use super::role::{Answers, Role};
use super::run::{Finished, Reconciler};
use super::trouble::Trouble;

/// Most parties that are looked at apart at once.
const APART: usize = 4;

/// While all looks fail, one is tried at least this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The keys of a look, and its result.
pub(super) struct LookEnded<R: Role> {
    /// The party that was looked at apart; `None` for a look at keys of all others.
    apart: Option<R::Party>,
    keys: Vec<R::Key>,
    answers: Result<Answers<R::Key, R::Effect>, Fault>,
}

impl<R: Role> Reconciler<R> {
    /// Starts the looks that are due.
    pub(super) fn start_looks(&mut self, now: Instant) {
        let role = Arc::clone(&self.role);
        let is_apart = |party: &R::Party| role.is_apart(party);
        let most = self.settings.batch.get();
        while self.looking_apart < APART
            && let Some((party, keys)) = self.work.take_apart(most, now, is_apart)
        {
            self.looking_apart += 1;
            self.start_look(Some(R::Party::clone(&party)), keys);
        }
        if !self.looking && self.look_after <= now {
            let keys = self.work.take_due(self.batch, self.settings.ahead, now, is_apart);
            let set_aside = self.work.take_aside();
            self.stuck(set_aside);
            if !keys.is_empty() {
                self.looking = true;
                self.look_after = now + self.settings.spacing;
                self.start_look(None, keys);
            }
        }
    }

    fn start_look(&mut self, apart: Option<R::Party>, keys: Vec<R::Key>) {
        let role = Arc::clone(&self.role);
        self.spawn(format!("look at {} keys", keys.len()), async move {
            let answers = role.look(&keys).await;
            Finished::Look(LookEnded { apart, keys, answers })
        });
    }

    /// When the next look can start.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let shared = self.work.next_due().filter(|_| !self.looking);
        let apart = self.work.next_apart().filter(|_| self.looking_apart < APART);
        shared.map(|due| due.max(self.look_after)).into_iter().chain(apart).min()
    }

    /// Applies the result of a look.
    pub(super) fn look_ended(&mut self, ended: LookEnded<R>) {
        let LookEnded { apart, keys, answers } = ended;
        match &apart {
            Some(_) => self.looking_apart = self.looking_apart.saturating_sub(1),
            None => self.looking = answers.is_err() && has(Bug::LookFaultIsEnd),
        }
        match answers {
            Ok(answers) => {
                self.gauges.recovered(Trouble::Looking);
                if apart.is_none() {
                    self.blind = false;
                    self.batch = (self.batch * 2).min(self.settings.batch.get());
                    self.look_faults = 0;
                }
                self.looked(keys, answers);
            }
            Err(fault) => self.look_failed(&keys, &fault, apart.is_none()),
        }
        let Some(party) = apart else { return };
        let now = Instant::now();
        if self.role.is_apart(&party) {
            let pause = Remedy::Retry.delay(self.work.still_apart(&party), self.rng.f64());
            self.work.pause(&party, now + pause);
        } else {
            self.work.rejoin(&party, now);
        }
    }

    /// A look failed as a whole.
    fn look_failed(&mut self, keys: &[R::Key], fault: &Fault, shared: bool) {
        let remedy = Remedy::of(fault.class);
        // A look at one key that fails for a reason of its own is that key's failure.
        let about_one = keys.len() == 1 && remedy != Remedy::Retry;
        let failures = self.gauges.trouble(Trouble::Looking, fault, !about_one);
        let share = self.rng.f64();
        let mut next = None;
        if shared {
            self.blind = !about_one;
            // Other looks may succeed, so they continue; but while none does, less and less often.
            self.look_faults = self.look_faults.saturating_add(1);
            let pause = Remedy::Retry.delay(self.look_faults, share).min(LONGEST_PAUSE);
            self.look_after = self.look_after.max(Instant::now() + pause);
            next = Some(self.after(pause));
        }
        if !about_one {
            log::trouble(Trouble::Looking, fault, failures, Some(keys.len()), next);
        }
        // One key may be the cause: smaller looks find out which.
        if shared && remedy != Remedy::Retry {
            self.batch = (self.batch / 2).max(1);
        }
        for key in keys {
            match remedy {
                // The fault is not about these keys, so their pauses stay. They are looked at again
                // together.
                Remedy::Retry => self.after_fault(key, fault, share, Failed::Elsewhere),
                _ if about_one => self.after_fault(key, fault, share, Failed::Look),
                _ => {
                    let own = self.rng.f64();
                    self.after_fault(key, fault, own, Failed::Together);
                }
            }
        }
    }
}

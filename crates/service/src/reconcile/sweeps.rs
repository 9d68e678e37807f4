//! Sweeps: when one begins, and what follows from its end.

use std::sync::Arc;

use amiferry_core::fault::Fault;
use amiferry_core::planted::{Bug, has};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::backoff::Remedy;
use super::found::Found;
use super::role::Role;
use super::run::{Finished, Reconciler};
use super::trouble::Trouble;
use crate::metrics;

impl<R: Role> Reconciler<R> {
    /// Starts a sweep, if one is due and none runs.
    pub(super) fn start_sweep(&mut self, found: &mpsc::Sender<R::Key>, now: Instant) {
        if self.sweeping || now < self.sweep_at {
            return;
        }
        self.sweeping = true;
        let role = Arc::clone(&self.role);
        let found = Found::new(found.clone(), Arc::clone(&role), self.full.subscribe());
        self.spawn("sweep".to_owned(), async move {
            let swept = role.sweep(&found).await;
            if swept.is_ok() {
                // A sweep whose finds were not taken has found nothing.
                found.taken().await;
            }
            let tidied = if swept.is_ok() { role.tidy().await } else { Ok(()) };
            Finished::Sweep { swept, tidied }
        });
    }

    /// Applies the result of a sweep.
    pub(super) fn swept(&mut self, swept: Result<(), Fault>, tidied: Result<(), Fault>) {
        self.sweeping = has(Bug::SweepsOnce) || (swept.is_err() && has(Bug::SweepFaultIsEnd));
        match tidied {
            Ok(()) if swept.is_ok() => self.gauges.recovered(Trouble::Tidying),
            Ok(()) => {}
            Err(fault) => {
                self.trouble(Trouble::Tidying, &fault, Some(self.settings.sweep_interval))
            }
        }
        let pause = match swept {
            Ok(()) => {
                let now = self.clock.now();
                self.sweep_faults = 0;
                self.gauges.recovered(Trouble::Sweeping);
                self.gauges.snapshot.swept_at = Some(now);
                self.overdue_at = Instant::now() + self.settings.sweep_overdue();
                metrics::sweep_succeeded(self.settings.worker, now);
                tracing::debug!("sweep ended");
                self.settings.sweep_interval
            }
            Err(fault) => {
                self.sweep_faults += 1;
                let remedy = Remedy::of_all(fault.class);
                let pause = remedy.delay(self.sweep_faults, self.rng.f64());
                let pause = pause.min(self.settings.sweep_interval);
                self.trouble(Trouble::Sweeping, &fault, Some(pause));
                pause
            }
        };
        self.sweep_at = Instant::now() + pause;
    }
}

//! Tells the vault's event bus what changed, if one is configured: it compares what the status page
//! shows with what the bus took, and puts the rest. It decides nothing, and nothing waits for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use amiferry_audit::told;
use amiferry_core::fault::Fault;
use amiferry_core::notification::{Change, Told};
use amiferry_core::ports::{NOTIFICATIONS, Notifications};
use amiferry_service::metrics as measure;
use jiff::{SignedDuration, Timestamp};

use crate::status::StatusPage;

/// How often the fleet is compared.
const EVERY: Duration = Duration::from_secs(60);

/// How often the first picture is waited for: what becomes complete after it is told.
const FIRST: Duration = Duration::from_secs(5);

/// What became complete so long before a start is told again: the worker before may have ended between a
/// record and its notification.
const BEFORE: SignedDuration = SignedDuration::from_mins(10);

/// Most changes that are told at once: what is left follows a minute later, by its state then.
const MOST: usize = 500;

/// See the module's doc.
pub struct Notifier {
    page: Arc<StatusPage>,
    bus: Arc<dyn Notifications>,
}

impl Notifier {
    /// Tells `bus` what `page` shows.
    pub fn new(page: Arc<StatusPage>, bus: Arc<dyn Notifications>) -> Self {
        Self { page, bus }
    }

    /// Runs until it is dropped, which loses nothing: what the bus did not take is told after the next
    /// start, if it still holds and is not well.
    pub async fn run(self) {
        let mut told: Option<Told> = None;
        let mut failing: Option<String> = None;
        let mut since: Option<Timestamp> = None;
        loop {
            tokio::time::sleep(if told.is_some() { EVERY } else { FIRST }).await;
            let (report, known_at) = self.page.report();
            let before_start = || report.as_of.saturating_sub(BEFORE).unwrap_or(Timestamp::MIN);
            let since = *since.get_or_insert_with(before_start);
            // Until everything was looked at once, what is missing is not known to be missing.
            if known_at.is_none() {
                continue;
            }
            let facts = told::facts(&report);
            let told = told.get_or_insert_with(|| Told::beginning(&facts, since));
            let changes = told.changes(&facts, report.as_of, MOST);
            let fault = self.tell(told, &changes).await;
            log(&mut failing, fault.as_ref());
        }
    }

    /// Puts changes on the bus, and returns a fault, if there was one.
    async fn tell(&self, told: &mut Told, changes: &[Change]) -> Option<Fault> {
        let mut last = None;
        for batch in changes.chunks(NOTIFICATIONS) {
            let notifications: Vec<_> =
                batch.iter().map(|change| change.notification.clone()).collect();
            let answers = match self.bus.put(&notifications).await {
                Ok(answers) => answers,
                Err(fault) => {
                    measure::notified(measure::Outcome::Failed, batch.len());
                    // The others would meet the same.
                    return Some(fault);
                }
            };
            for (change, answer) in batch.iter().zip(answers) {
                match answer {
                    Ok(()) => {
                        measure::notified(measure::Outcome::Succeeded, 1);
                        told.told(&change.subject);
                    }
                    Err(fault) => {
                        measure::notified(measure::Outcome::Failed, 1);
                        last = Some(fault);
                    }
                }
            }
        }
        last
    }
}

/// Logs a fault once until another one comes, and when it is over.
fn log(failing: &mut Option<String>, fault: Option<&Fault>) {
    match fault {
        Some(fault) if failing.as_ref() != Some(&fault.code) => {
            *failing = Some(fault.code.clone());
            let (service, method) = fault.operation.split_once(':').unwrap_or_default();
            tracing::warn!(
                error.type = fault.class.as_str(),
                error.message = fault.detail,
                amiferry.error.code = fault.code,
                rpc.service = service,
                rpc.method = method,
                aws.request_id = fault.request_id,
                amiferry.resource = fault.resource,
                amiferry.remedy = fault.remedy(),
                "notifications do not reach the event bus"
            );
        }
        None if failing.is_some() => {
            *failing = None;
            tracing::info!("notifications reach the event bus again");
        }
        Some(_) | None => {}
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("page", &self.page).finish_non_exhaustive()
    }
}

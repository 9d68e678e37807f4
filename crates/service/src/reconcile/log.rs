//! What the loop logs, and how loud: a function for each kind of line.
//!
//! Only this module logs faults, each once, when the loop decides what happens to its work.
//! Unchanged repetitions are `debug`; `warn` is for faults that last or need a person.

use std::fmt::{self, Display};
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::event::Reject;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ports::Message;
use amiferry_core::text::visible;
use jiff::Timestamp;
use tracing::Level;
use tracing::field::display;

use super::entry::Origin;
use super::pause::{Change, Pause};
use super::trouble::{Failures, Trouble};
use crate::metrics::Stage;

/// After this many faults in a row the log warns a person, once.
const LASTING: u32 = 5;

/// Longest piece of a refused body that is logged, in characters.
const QUARANTINED_BODY: usize = 1024;

/// How loud a fault is: the `failures`th in a row, of another class than the one before or not.
pub(super) fn loudness(class: FaultClass, failures: u32, is_new: bool) -> Level {
    match class {
        FaultClass::Bug if is_new => Level::ERROR,
        FaultClass::Denied | FaultClass::KeyUnusable | FaultClass::Invalid if is_new => Level::WARN,
        FaultClass::QuotaFull if is_new => Level::INFO,
        FaultClass::Bug
        | FaultClass::Denied
        | FaultClass::KeyUnusable
        | FaultClass::Invalid
        | FaultClass::QuotaFull => Level::DEBUG,
        FaultClass::Throttled
        | FaultClass::Unavailable
        | FaultClass::Credentials
        | FaultClass::Conflict
        | FaultClass::OutcomeUnknown
        | FaultClass::NotFound => match failures {
            LASTING => Level::WARN,
            ..LASTING => Level::INFO,
            _ => Level::DEBUG,
        },
    }
}

/// Logs at a level that is known only now.
macro_rules! at {
    ($level:expr, $($line:tt)+) => {
        match $level {
            Level::ERROR => tracing::error!($($line)+),
            Level::WARN => tracing::warn!($($line)+),
            Level::INFO => tracing::info!($($line)+),
            _ => tracing::debug!($($line)+),
        }
    };
}

/// Logs a fault with everything that AWS said about it.
macro_rules! fault_at {
    ($level:expr, $fault:expr, { $($field:tt)* }, $($message:tt)+) => {{
        let (service, method) = call($fault);
        at!(
            $level,
            $($field)*
            error.type = $fault.class.as_str(),
            error.message = $fault.detail,
            amiferry.error.code = $fault.code,
            rpc.service = service,
            rpc.method = method,
            aws.request_id = $fault.request_id,
            amiferry.resource = $fault.resource,
            $($message)+
        )
    }};
}

/// A try to look at a key, or to take a step, failed.
pub(super) fn failed(
    fault: &Fault,
    pause: Pause,
    level: Level,
    took: Option<Duration>,
    retry_at: Timestamp,
) {
    let (Pause::Waiting(code) | Pause::Parked(code)) = pause;
    let needs_care = matches!(level, Level::WARN | Level::ERROR);
    fault_at!(
        level,
        fault,
        {
            amiferry.standing = pause.as_str(),
            amiferry.reason = code.as_str(),
            amiferry.remedy = needs_care.then(|| remedy(fault, code)),
            amiferry.duration_s = took.map(seconds),
            amiferry.retry.at = %Time(retry_at),
        },
        "attempt failed"
    );
}

/// What a person can do about a fault: by what AWS says, or else by its reason code.
fn remedy(fault: &Fault, code: Code) -> String {
    fault.remedy().unwrap_or_else(|| code.remedy().to_owned())
}

/// Work of the loop for all keys failed; `keys` counts them if it concerns only some.
pub(super) fn trouble(
    what: Trouble,
    fault: &Fault,
    failures: Failures,
    keys: Option<usize>,
    retry_at: Option<Timestamp>,
) {
    let level = loudness(fault.class, failures.count, failures.is_new);
    let needs_care = matches!(level, Level::WARN | Level::ERROR);
    fault_at!(
        level,
        fault,
        {
            amiferry.failures = failures.count,
            amiferry.keys = keys,
            amiferry.remedy = needs_care.then(|| fault.remedy()).flatten(),
            amiferry.retry.at = retry_at.map(|at| display(Time(at))),
        },
        "{}",
        what.failing()
    );
}

/// A message could not be deleted or released at the end: SQS delivers it again.
pub(super) fn not_given_back(fault: &Fault) {
    fault_at!(Level::DEBUG, fault, {}, "message not given back");
}

/// Work of the loop succeeds again, after this many failures.
pub(super) fn recovered(what: Trouble, failures: u32) {
    tracing::info!(amiferry.failures = failures, "{}", what.recovered());
}

/// A look found work to do about a key that the worker did not know.
pub(super) fn seen(origin: Origin) {
    tracing::info!(amiferry.origin = origin.as_str(), "recovery point seen");
}

/// A decision changed why a key waits or is parked, after `unlogged` others like it that the log does not
/// show.
pub(super) fn stands(change: &Change, detail: Option<&dyn Display>, unlogged: u64) {
    let detail = detail.map(display);
    let unlogged = Some(unlogged).filter(|unlogged| *unlogged > 0);
    match (change.new, change.old) {
        (Some(pause @ Pause::Waiting(code)), _) => tracing::info!(
            amiferry.standing = pause.as_str(),
            amiferry.reason = code.as_str(),
            amiferry.meaning = code.meaning(),
            amiferry.detail = detail,
            amiferry.message.unlogged = unlogged,
            "waiting"
        ),
        (Some(pause @ Pause::Parked(code)), _) => tracing::warn!(
            amiferry.standing = pause.as_str(),
            amiferry.reason = code.as_str(),
            amiferry.meaning = code.meaning(),
            amiferry.remedy = code.remedy(),
            amiferry.detail = detail,
            "parked"
        ),
        (None, Some((Pause::Waiting(code), waited))) => tracing::info!(
            amiferry.reason = code.as_str(),
            amiferry.duration_s = seconds(waited),
            "no longer waiting"
        ),
        (None, Some((Pause::Parked(code), parked))) => tracing::info!(
            amiferry.reason = code.as_str(),
            amiferry.duration_s = seconds(parked),
            "no longer parked"
        ),
        (None, None) => {}
    }
}

/// A step succeeded. Its span has the results.
pub(super) fn performed(stage: Stage, took: Duration) {
    let took = seconds(took);
    match stage {
        Stage::Store => tracing::info!(amiferry.duration_s = took, "store started"),
        Stage::Copy => tracing::info!(amiferry.duration_s = took, "copy completed"),
        Stage::Restore => tracing::info!(amiferry.duration_s = took, "restore started"),
        Stage::Protect => tracing::info!(amiferry.duration_s = took, "protection set"),
        Stage::Manifest => tracing::info!(amiferry.duration_s = took, "manifest in place"),
        // Tasks of EC2: no step of the loop.
        Stage::StoreTask | Stage::RestoreTask => {}
    }
}

/// Nothing is left to do about a key. Repetitions by later sweeps are `debug` only, as are those of
/// messages about images that AWS does not show: `news` counts the latter.
pub(super) fn done(code: Code, detail: &str, news: Option<u64>) {
    let detail = Some(detail).filter(|detail| !detail.is_empty());
    at!(
        if news.is_some() { Level::INFO } else { Level::DEBUG },
        amiferry.reason = code.as_str(),
        amiferry.meaning = code.meaning(),
        amiferry.detail = detail,
        amiferry.message.unlogged = news.filter(|unlogged| *unlogged > 0),
        "recovery point done"
    );
}

/// The quarantine record of a refused message or record, which is not read again, after `unlogged`
/// others that were refused for the same reason.
pub(super) fn quarantined(message: &Message, reject: &Reject, unlogged: u64) {
    tracing::warn!(
        amiferry.reason = %reject.code,
        amiferry.detail = %reject.detail,
        messaging.message.id = message.id,
        amiferry.message.receive_count = message.receive_count,
        amiferry.message.bytes = message.body.len(),
        amiferry.message.body = %visible(&message.body, QUARANTINED_BODY),
        amiferry.message.unlogged = unlogged,
        "message quarantined"
    );
}

/// `service` and `Operation` of a failed call.
fn call(fault: &Fault) -> (&'static str, &'static str) {
    fault.operation.split_once(':').unwrap_or(("", fault.operation))
}

/// Seconds to the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000.0).round() / 1_000.0
}

/// A time as each line shows its own.
struct Time(Timestamp);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(class: FaultClass) -> Vec<Level> {
        (1..=7).map(|failures| loudness(class, failures, failures == 1)).collect()
    }

    #[test]
    fn what_passes_by_itself_is_told_to_a_person_once_when_it_lasts() {
        let (info, debug) = (Level::INFO, Level::DEBUG);
        for class in [FaultClass::Throttled, FaultClass::Unavailable, FaultClass::OutcomeUnknown] {
            assert_eq!(levels(class), [info, info, info, info, Level::WARN, debug, debug]);
        }
    }

    #[test]
    fn what_needs_a_person_is_told_at_once_and_then_left() {
        for (class, first) in [
            (FaultClass::Denied, Level::WARN),
            (FaultClass::KeyUnusable, Level::WARN),
            (FaultClass::Invalid, Level::WARN),
            (FaultClass::Bug, Level::ERROR),
            (FaultClass::QuotaFull, Level::INFO),
        ] {
            let all = levels(class);
            assert_eq!(all[0], first, "{class}");
            assert!(all[1..].iter().all(|level| *level == Level::DEBUG), "{class}");
        }
    }

    #[test]
    fn another_class_of_fault_is_news_however_many_came_before() {
        assert_eq!(loudness(FaultClass::Denied, 40, true), Level::WARN);
    }
}

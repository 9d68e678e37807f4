//! Forecasts of the fleet, made as rarely as they can be: that of a fleet in which everything waits takes
//! seconds and much room.

use std::fmt;
use std::sync::Arc;

use amiferry_core::fleet::{Fleet, Outlook, Stores};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::observe::Observer;

/// How long a forecast serves at least.
const AGE: SignedDuration = SignedDuration::from_secs(60);

/// A forecast serves for at least so many times the time that it took.
const SHARE: i32 = 50;

/// The last forecast.
#[derive(Default)]
pub(crate) struct Forecasts(Option<Forecast>);

struct Forecast {
    made: Timestamp,
    serves_for: SignedDuration,
    outlook: Arc<Outlook>,
}

impl Forecasts {
    /// What the plan comes to if it runs on, as of a minute ago or so.
    pub(crate) fn of(
        &mut self,
        observer: &Observer,
        fleet: &Fleet,
        now: Timestamp,
    ) -> Arc<Outlook> {
        if let Some(last) = &self.0
            && now.duration_since(last.made).abs() < last.serves_for
        {
            return Arc::clone(&last.outlook);
        }
        self.0 = None;
        let begun = Instant::now();
        let outlook = Arc::new(observer.outlook(fleet, &Stores::default(), &[], now));
        let took = SignedDuration::try_from(begun.elapsed()).unwrap_or(AGE);
        let serves_for = AGE.max(took.saturating_mul(SHARE));
        self.0 = Some(Forecast { made: now, serves_for, outlook: Arc::clone(&outlook) });
        outlook
    }
}

impl fmt::Debug for Forecasts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.0.as_ref().map(|last| last.made);
        f.debug_struct("Forecasts").field("made", &made).finish_non_exhaustive()
    }
}

//! When a family breaks its RPO by a forecast.

use jiff::Timestamp;
use serde::Serialize;

use crate::span::Span;

/// What a forecast says about one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FamilyForecast {
    /// When the RPO breaks, or broke, although a newer image than the newest complete one is known.
    /// `None` where each of them will be complete in time, or none is known.
    pub breaks_at: Option<Timestamp>,
    /// When it is kept again after that; `None` where no image that is known does that.
    pub kept_again_at: Option<Timestamp>,
    /// When the newest image that has a forecast will be complete.
    pub newest_at: Option<Timestamp>,
}

/// An image that is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newer {
    /// When its data are from.
    pub created: Timestamp,
    /// When its recovery point will be complete, if that can be said.
    pub finishes: Option<Timestamp>,
}

/// The forecast of a family that is measured from a time: the creation of its newest complete image
/// (`complete`), or of its oldest image if none is.
///
/// Images that are not made yet count for nothing: that a family without a newer image breaks its RPO
/// one day is no forecast but its margin.
pub fn forecast(
    measured_from: Timestamp,
    complete: bool,
    rpo: Span,
    images: impl IntoIterator<Item = Newer>,
) -> FamilyForecast {
    let is_newer = |newer: &Newer| !complete || newer.created > measured_from;
    let mut newer: Vec<Newer> = images.into_iter().filter(is_newer).collect();
    newer.sort_unstable_by_key(|newer| (newer.finishes.is_none(), newer.finishes, newer.created));
    let newest = newer.iter().filter(|newer| newer.finishes.is_some());
    let newest_at = newest.max_by_key(|newer| newer.created).and_then(|newer| newer.finishes);
    let mut result = FamilyForecast { newest_at, ..FamilyForecast::default() };
    let (mut deadline, mut helped) = (rpo.after(measured_from), complete.then_some(measured_from));
    for Newer { created, finishes } in newer {
        if helped.is_some_and(|helped| created <= helped) {
            continue;
        }
        let Some(at) = finishes else {
            result.breaks_at = result.breaks_at.or(Some(deadline));
            break;
        };
        if at > deadline && result.breaks_at.is_none() {
            result.breaks_at = Some(deadline);
        }
        helped = Some(created);
        deadline = rpo.after(created);
        if result.breaks_at.is_some() && at <= deadline {
            result.kept_again_at = Some(at);
            break;
        }
    }
    result
}

//! Draws the future of a family: when each of its recovery points would go, if new ones come at a pace.

use jiff::{SignedDuration, Timestamp};

use super::family::{Fate, Point, Rules, judge};
use crate::span::Span;

/// How far apart the simulated runs are.
pub const STEP: SignedDuration = SignedDuration::from_hours(24);

/// The shortest time between two recovery points that are made up: one that comes more often only
/// takes longer to draw.
const DENSEST: SignedDuration = SignedDuration::from_hours(1);

/// A part of a recovery point that would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// Which of the recovery points that are there now.
    pub at: usize,
    /// At the run of this time.
    pub when: Timestamp,
    /// Whether all of it goes, or its AMI alone.
    pub whole: bool,
}

/// The recovery points that are still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coming {
    /// How far apart they are, which is the RPO.
    pub every: Span,
    /// From when on none comes, because the family is retired.
    pub ends: Option<Timestamp>,
}

/// What goes at each daily run from now on, until a time. Locks and references are left out.
pub fn forecast(
    rules: &Rules,
    coming: Coming,
    points: &[Point],
    now: Timestamp,
    until: Timestamp,
) -> Vec<Departure> {
    let pace = coming.every.signed().max(DENSEST);
    let mut there: Vec<(Option<usize>, Point)> =
        points.iter().enumerate().map(|(at, point)| (Some(at), *point)).collect();
    let Some(model) = points.iter().max_by_key(|point| point.created).copied() else {
        return Vec::new();
    };
    let mut newest = model.created.min(now);
    let mut departures = Vec::new();
    let mut time = now;
    while time <= until {
        while let Ok(next) = newest.checked_add(pace)
            && next <= time
            && coming.ends.is_none_or(|ends| next < ends)
        {
            newest = next;
            let made = Point {
                created: next,
                data_from: next,
                completed: next,
                verified: false,
                has_image: model.has_image,
            };
            // The first run sees what is there, and nothing made up.
            if time > now {
                there.push((None, made));
            }
        }
        let all: Vec<Point> = there.iter().map(|(_, point)| *point).collect();
        let fates = judge(rules, &all, time);
        let mut stay = Vec::with_capacity(there.len());
        for ((at, mut point), fates) in there.into_iter().zip(fates) {
            let whole = fates.point == Fate::Goes;
            if let Some(at) = at.filter(|_| fates.goes()) {
                departures.push(Departure { at, when: time, whole });
            }
            point.has_image &= fates.image != Some(Fate::Goes);
            if !whole {
                stay.push((at, point));
            }
        }
        there = stay;
        let Ok(next) = time.checked_add(STEP) else { break };
        time = next;
    }
    departures
}

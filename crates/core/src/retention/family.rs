//! Applies the rules of a policy to the complete recovery points of one family.

use jiff::Timestamp;
use serde::Serialize;

use super::keep::{Keep, Rule};
use crate::planted::{Bug, has};
use crate::policy::Policy;
use crate::rpo::is_in_future;
use crate::span::Span;

/// The rules of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Which recovery points stay; `None`: all of them.
    pub object: Option<Keep>,
    /// Which of them keep their AMI; `None`: as long as the recovery point stays.
    pub image: Option<Keep>,
    /// Nothing younger than this goes, by the time at which it was complete.
    pub floor: Span,
}

impl Rules {
    /// The rules of a policy, with the least age of what goes; `None` where it gives nothing up.
    pub fn of(policy: &Policy, floor: Span) -> Option<Self> {
        let gives_up = policy.keep.is_some() || policy.keep_ami.is_some();
        gives_up.then_some(Self { object: policy.keep, image: policy.keep_ami, floor })
    }
}

/// A complete recovery point, as far as the rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// When its source image was created.
    pub created: Timestamp,
    /// When the data are from that it holds: earlier than `created` where its image repeats an older
    /// one.
    pub data_from: Timestamp,
    /// When it was complete.
    pub completed: Timestamp,
    /// Whether a record says that it was verified. No record of this version does.
    pub verified: bool,
    /// Whether its tier promises an AMI, and one is recorded. One that a person had restored goes only
    /// with its recovery point.
    pub has_image: bool,
}

/// Why something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It is the newest complete one of its family.
    Newest,
    /// It is the newest verified one of its family.
    NewestVerified,
    /// A rule keeps it.
    Rule(Rule),
    /// It was complete only a moment ago.
    Young,
    /// Its image is said to be created in the future.
    InFuture,
    /// The family would fall below its minimum.
    Minimum,
    /// There is no rule.
    NoRule,
}

/// What becomes of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It stays.
    Stays(Kept),
    /// It goes.
    Goes,
}

/// What becomes of a recovery point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fates {
    /// Of the recovery point as a whole.
    pub point: Fate,
    /// Of its AMI; `None` where it has none. An AMI goes with its recovery point.
    pub image: Option<Fate>,
}

impl Fates {
    /// Whether any part goes.
    pub fn goes(self) -> bool {
        self.point == Fate::Goes || self.image == Some(Fate::Goes)
    }
}

/// What becomes of each complete recovery point of one family, in their order.
pub fn judge(rules: &Rules, points: &[Point], now: Timestamp) -> Vec<Fates> {
    let whole = match &rules.object {
        Some(keep) => fates(keep, rules.floor, points, now),
        None => vec![Fate::Stays(Kept::NoRule); points.len()],
    };
    let with_image: Vec<usize> = (0..points.len()).filter(|at| points[*at].has_image).collect();
    let images = rules.image.map(|keep| {
        let points: Vec<Point> = with_image.iter().map(|at| points[*at]).collect();
        fates(&keep, rules.floor, &points, now)
    });
    let mut result: Vec<Fates> =
        whole.iter().map(|point| Fates { point: *point, image: None }).collect();
    let newest = newest(points, now, |point| point.data_from);
    for (position, at) in with_image.into_iter().enumerate() {
        let by_rule = match &images {
            Some(images) => images[position],
            None => Fate::Stays(Kept::NoRule),
        };
        // The newest recovery point stays whole.
        let by_rule = match newest == Some(at) {
            true => Fate::Stays(Kept::Newest),
            false => by_rule,
        };
        let image = if result[at].point == Fate::Goes { Fate::Goes } else { by_rule };
        result[at].image = Some(image);
    }
    result
}

/// What becomes of one that a record gave up, wholly or its AMI alone, `among` the complete ones of its
/// family and itself: a record takes no one's place, and goes only with what the rules give up, too.
pub fn judge_given_up(
    rules: &Rules,
    among: &[Point],
    at: usize,
    whole: bool,
    now: Timestamp,
) -> Fates {
    let fates = judge(rules, among, now).get(at).copied();
    let fates = fates.unwrap_or(Fates { point: Fate::Stays(Kept::NoRule), image: None });
    match (has(Bug::TombstoneObeyed), whole) {
        (false, _) => fates,
        (true, true) => Fates { point: Fate::Goes, ..fates },
        (true, false) => Fates { image: Some(Fate::Goes), ..fates },
    }
}

fn fates(keep: &Keep, floor: Span, points: &[Point], now: Timestamp) -> Vec<Fate> {
    let in_future = |point: &Point| is_in_future(point.created, now) && !has(Bug::FutureCounts);
    // What is from the future takes no one's place.
    let mut order: Vec<usize> = (0..points.len()).filter(|at| !in_future(&points[*at])).collect();
    order.sort_by_key(|at| std::cmp::Reverse((age_of(&points[*at]), points[*at].created)));
    let times: Vec<Timestamp> = order.iter().map(|at| age_of(&points[*at])).collect();
    let mut fates: Vec<Fate> = vec![Fate::Goes; points.len()];
    for (at, rule) in order.iter().zip(keep.choose(&times, now)) {
        if let Some(rule) = rule {
            fates[*at] = Fate::Stays(Kept::Rule(rule));
        }
    }
    for (at, point) in points.iter().enumerate() {
        let is_young = now.duration_since(point.completed) < floor.signed();
        if fates[at] == Fate::Goes && is_young && !has(Bug::FloorIgnored) {
            fates[at] = Fate::Stays(Kept::Young);
        }
        if in_future(point) {
            fates[at] = Fate::Stays(Kept::InFuture);
        }
    }
    // Whichever age counts, its newest one stays.
    let newest_of = |time: fn(&Point) -> Timestamp| newest(points, now, time);
    for at in [newest_of(|point| point.created), newest_of(|point| point.data_from)] {
        if let Some(at) = at.filter(|_| !has(Bug::NewestPruned)) {
            fates[at] = Fate::Stays(Kept::Newest);
        }
    }
    let verified = order.iter().find(|at| points[**at].verified);
    if let Some(at) = verified
        && fates[*at] == Fate::Goes
    {
        fates[*at] = Fate::Stays(Kept::NewestVerified);
    }
    let mut missing = keep.least().saturating_sub(order.len() - going(&order, &fates));
    for at in &order {
        if missing > 0 && fates[*at] == Fate::Goes && !has(Bug::MinimumIgnored) {
            fates[*at] = Fate::Stays(Kept::Minimum);
            missing -= 1;
        }
    }
    fates
}

/// How many of these go.
fn going(order: &[usize], fates: &[Fate]) -> usize {
    order.iter().filter(|at| fates[**at] == Fate::Goes).count()
}

/// What the age of a recovery point is counted from.
fn age_of(point: &Point) -> Timestamp {
    if has(Bug::RepeatCountsAsNew) { point.created } else { point.data_from }
}

/// The newest by a time; of two with the same, the one that was created later, then the last.
fn newest(points: &[Point], now: Timestamp, time: fn(&Point) -> Timestamp) -> Option<usize> {
    let known = points.iter().enumerate();
    let known = known.filter(|(_, point)| !is_in_future(point.created, now));
    known.max_by_key(|(at, point)| (time(point), point.created, *at)).map(|(at, _)| at)
}

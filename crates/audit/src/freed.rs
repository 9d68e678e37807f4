//! What retention would free if it ran now, for the estimate of costs: the rules of the policies over
//! what a report shows as complete.
//!
//! `amiferry prune` asks AWS for more before it deletes: what a lock or a use holds stays longer.

use std::collections::BTreeMap;

use amiferry_core::policy::{Policies, Tier};
use amiferry_core::retention::{Fate, Point, Rules, judge};
use amiferry_core::span::Span;
use jiff::Timestamp;

use crate::inventory::{RecoveryPoint, State};

/// What would go of a recovery point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The AMI, with its snapshots.
    Image,
}

/// What the rules of each policy give up now. Nothing younger than `floor` goes.
pub fn freed<'a>(
    points: &'a [RecoveryPoint],
    policies: &Policies,
    floor: Span,
    now: Timestamp,
) -> Vec<(&'a RecoveryPoint, Part)> {
    let mut families: BTreeMap<_, Vec<(&RecoveryPoint, Point)>> = BTreeMap::new();
    for point in points.iter().filter(|point| point.state == State::Complete) {
        let Some(completed) = point.completed_at else { continue };
        let id = point.id();
        let family = (id.source(), id.vault(), point.policy.as_str(), point.family.as_str());
        let judged = Point {
            created: point.source_created_at,
            data_from: point.data_from(),
            completed,
            verified: false,
            has_image: point.tier == Tier::Ready && point.restored_image_id.is_some(),
        };
        families.entry(family).or_default().push((point, judged));
    }
    let mut freed = Vec::new();
    for ((_, _, policy, _), members) in families {
        let rules = policies.named(policy).and_then(|policy| Rules::of(policy, floor));
        let Some(rules) = rules else { continue };
        let judged: Vec<Point> = members.iter().map(|(_, judged)| *judged).collect();
        for ((point, _), fates) in members.into_iter().zip(judge(&rules, &judged, now)) {
            if fates.point == Fate::Goes {
                freed.push((point, Part::Whole));
            } else if fates.image == Some(Fate::Goes) {
                freed.push((point, Part::Image));
            }
        }
    }
    freed
}

//! The line before one quota in a forecast: what the plan makes of everything that waits then.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::lane::Lane;
use super::{Job, Progress, Stage};
use crate::plan::{Member, Promise, Standing, Why, plan};

/// The jobs that wait for a lane, in the order of the plan at `now`; without those that the policy
/// does not ask for.
pub(super) fn line(
    lane: &mut Lane,
    jobs: &[Job],
    families: &[Vec<usize>],
    progress: &[Progress],
    promises: &[Promise],
    weights: &[u32],
    now: Timestamp,
) -> VecDeque<usize> {
    // Families of which nothing waits here decide nothing.
    let waiting: BTreeSet<usize> = lane.waiting.iter().map(|job| jobs[*job].family).collect();
    let members: Vec<Member<'_, usize>> = waiting
        .iter()
        .filter_map(|family| families.get(*family))
        .flatten()
        .map(|key| {
            let job = &jobs[*key];
            Member {
                key,
                family: job.family,
                created: job.created,
                size_gb: job.size_gb,
                standing: standing(lane.stage, job, progress[*key]),
            }
        })
        .collect();
    // A source has no others beside it before its own quota.
    let weights = if lane.source.is_some() { &[] } else { weights };
    let planned = plan(&members, promises, weights, &mut lane.turns, now);
    let wanted = planned.iter().take_while(|planned| planned.why != Why::Superseded);
    wanted.map(|planned| *planned.key).collect()
}

fn standing(stage: Stage, job: &Job, progress: Progress) -> Standing {
    let is_asked = stage != Stage::Restore || job.ready;
    match progress {
        Progress::Complete => Standing::Complete,
        Progress::Unplanned => Standing::Elsewhere,
        _ if !is_asked => Standing::Elsewhere,
        Progress::Waits(waits) if waits == stage => Standing::Waits { failures: job.failures },
        Progress::Waits(other) if other < stage => Standing::Elsewhere,
        Progress::Runs(other, _) if other < stage => Standing::Elsewhere,
        Progress::Waits(_) | Progress::Runs(..) | Progress::Record => Standing::Begun,
    }
}

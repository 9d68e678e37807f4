//! What was seen of each recovery point that waits and a glance does not ask for anew, packed:
//! thousands can wait for days, and an observation takes several times the room of its JSON.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::{Effect, Observed};
use amiferry_core::names::RecoveryPointId;
use jiff::{SignedDuration, Timestamp};

use crate::observe::Observer;

/// How long what was seen of something that waits counts; then all of it is observed anew.
const RECALLED: SignedDuration = SignedDuration::from_hours(1);

/// The last whole observation of each recovery point that waits.
#[derive(Debug, Default)]
pub struct Waiting {
    seen: BTreeMap<RecoveryPointId, Seen>,
}

#[derive(Debug)]
struct Seen {
    at: Timestamp,
    packed: Box<[u8]>,
}

impl Waiting {
    /// What was seen of those among `ids` that waited, where that still counts, but for what a
    /// glance asks for anew.
    pub fn recall(&self, ids: &[RecoveryPointId], now: Timestamp) -> Vec<Observed> {
        let recent = ids.iter().filter_map(|id| self.seen.get(id));
        let recent = recent.filter(|seen| now.duration_since(seen.at) < RECALLED);
        // What cannot be read is not remembered: it is observed anew.
        recent.filter_map(|seen| serde_json::from_slice(&seen.packed).ok()).collect()
    }

    /// Keeps what was seen of a recovery point, if a part of it tells whether it still waits.
    pub fn note(&mut self, observed: &Observed, decision: &Decision<Effect>, now: Timestamp) {
        let waits = match decision {
            Decision::Act(Effect::Restore(_)) => true,
            Decision::Wait { code, .. } => {
                matches!(code, Code::NotStaged | Code::RestoreRunning | Code::Settling)
            }
            _ => false,
        };
        let kept = || serde_json::to_vec(&Observer::unglanced(observed.clone())).ok();
        match waits.then(kept).flatten() {
            Some(packed) => {
                let seen = Seen { at: now, packed: packed.into_boxed_slice() };
                self.seen.insert(observed.id.clone(), seen);
            }
            None => {
                self.seen.remove(&observed.id);
            }
        }
    }

    /// A whole walk met these and no others.
    pub fn walked(&mut self, met: &BTreeSet<RecoveryPointId>) {
        self.seen.retain(|id, _| met.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use amiferry_core::decide::vault::ManifestFact;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A recovery point of which nothing is there yet.
    fn observed(number: u32) -> Observed {
        Observed {
            id: RecoveryPointId {
                source_account: "111111111111".parse().unwrap(),
                source_region: "us-east-1".parse().unwrap(),
                source_image_id: format!("ami-{number:08x}").parse().unwrap(),
                target_account: "222222222222".parse().unwrap(),
                target_region: "us-west-2".parse().unwrap(),
            },
            source: None,
            staged: None,
            staged_key: None,
            object: None,
            restored: Vec::new(),
            snapshots: Vec::new(),
            launch_permissions: None,
            manifest: ManifestFact::Absent,
            settling: false,
        }
    }

    fn wait(code: Code) -> Decision<Effect> {
        Decision::Wait { until: at(60), code, detail: String::new() }
    }

    /// A memory of these, which wait since second 0.
    fn waiting(numbers: &[u32]) -> Waiting {
        let mut waiting = Waiting::default();
        for number in numbers {
            waiting.note(&observed(*number), &wait(Code::NotStaged), at(0));
        }
        waiting
    }

    fn recalled(waiting: &Waiting, numbers: &[u32], now: i64) -> Vec<Observed> {
        let ids: Vec<_> = numbers.iter().map(|number| observed(*number).id).collect();
        waiting.recall(&ids, at(now))
    }

    #[test]
    fn what_waits_is_recalled_for_less_than_an_hour() {
        let waiting = waiting(&[1, 2]);
        assert_eq!(recalled(&waiting, &[2, 3], 3_599), [observed(2)]);
        assert_eq!(recalled(&waiting, &[2, 3], 3_600), []);
    }

    #[test]
    fn what_no_longer_waits_for_a_thing_that_a_glance_shows_is_forgotten() {
        for code in [Code::NotStaged, Code::RestoreRunning, Code::Settling, Code::CopyRunning] {
            let mut waiting = waiting(&[1]);
            waiting.note(&observed(1), &wait(code), at(10));
            let expected: &[_] = if code == Code::CopyRunning { &[] } else { &[observed(1)] };
            assert_eq!(recalled(&waiting, &[1], 10), expected, "{code:?}");
        }
    }

    #[test]
    fn what_a_walk_did_not_meet_is_forgotten() {
        let mut waiting = waiting(&[1, 2]);
        waiting.walked(&[observed(2).id].into());
        assert_eq!(recalled(&waiting, &[1, 2], 1), [observed(2)]);
    }
}

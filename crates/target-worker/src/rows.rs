//! What the last looks said about everything in scope, as rows of the audit's report: what the
//! status page shows, without asking AWS for it.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_audit::inventory::{Inventory, Row, State};
use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::Effect;
use amiferry_core::names::RecoveryPointId;
use jiff::Timestamp;

/// The last known row of every recovery point that a walk met or a look found in scope.
#[derive(Debug, Default)]
pub struct Rows {
    rows: BTreeMap<RecoveryPointId, (Row, Timestamp)>,
    /// Those that the loop has parked since their last look, with reason and particulars.
    parked: BTreeMap<RecoveryPointId, (Code, String)>,
    /// What the last walk met and no look has seen yet.
    awaited: BTreeSet<RecoveryPointId>,
    /// Images that no policy selects, by reason, as the last walk met them.
    left_out: BTreeMap<Code, usize>,
    /// When the last whole walk began.
    walked_at: Option<Timestamp>,
    /// What was known before that walk.
    known_before: Option<Timestamp>,
}

impl Rows {
    /// Notes what a look came to.
    pub fn note(&mut self, id: &RecoveryPointId, row: Row, now: Timestamp) {
        self.parked.remove(id);
        let met = self.awaited.remove(id) || self.rows.contains_key(id);
        // What is neither promised nor met by a walk is nobody's, however often it is named.
        let is_ours = match &row {
            Row::Point(_) => true,
            Row::Rejected(image) => met || image.promised.is_some(),
        };
        if is_ours {
            self.rows.insert(id.clone(), (row, now));
        }
    }

    /// The loop parked this recovery point after a fault. What has no row is shown nowhere.
    pub fn parked(&mut self, id: &RecoveryPointId, code: Code, detail: String) {
        if self.rows.contains_key(id) {
            self.parked.insert(id.clone(), (code, detail));
        }
    }

    /// What a look decides in the end, which may be less than what the recovery point by itself
    /// would ask for: to wait for its turn, or for the vault's key.
    pub fn answered(&mut self, id: &RecoveryPointId, decision: &Decision<Effect>, now: Timestamp) {
        self.parked.remove(id);
        let Some((Row::Point(point), at)) = self.rows.get_mut(id) else { return };
        let (state, code, detail) = match decision {
            Decision::Wait { code, detail, .. } => (State::InProgress, code, detail),
            Decision::Park { code, detail, .. } => (State::Parked, code, detail),
            Decision::Act(_) | Decision::Done(_) | Decision::Ineligible { .. } => return,
        };
        (point.state, point.code) = (state, *code);
        point.detail.clone_from(detail);
        *at = now;
    }

    /// A whole walk that began then met these, and so many images that no policy selects. What it
    /// did not meet is forgotten, unless it is younger.
    pub fn walked(
        &mut self,
        began: Timestamp,
        met: &BTreeSet<RecoveryPointId>,
        left_out: BTreeMap<Code, usize>,
    ) {
        self.known_before = self.known_at();
        self.rows.retain(|id, (_, at)| met.contains(id) || *at > began);
        self.parked.retain(|id, _| self.rows.contains_key(id));
        self.awaited = met.iter().filter(|id| !self.rows.contains_key(*id)).cloned().collect();
        self.left_out = left_out;
        self.walked_at = Some(began);
    }

    /// Since when nothing of this has been looked at again; `None` before everything that the
    /// first walk met was looked at once.
    pub fn known_at(&self) -> Option<Timestamp> {
        if !self.awaited.is_empty() {
            return self.known_before;
        }
        let looks = self.rows.values().map(|(_, at)| *at);
        looks.fold(self.walked_at, |oldest, at| oldest.min(Some(at)))
    }

    /// Policy and family of a recovery point that a look found in scope.
    pub fn governed(&self, id: &RecoveryPointId) -> Option<(String, String)> {
        match self.rows.get(id) {
            Some((Row::Point(point), _)) => Some((point.policy.clone(), point.family.clone())),
            Some((Row::Rejected(_), _)) | None => None,
        }
    }

    /// Whether a recovery point is promised, or may be: a walk met it and no look has seen it yet.
    pub fn may_be_promised(&self, id: &RecoveryPointId) -> bool {
        self.awaited.contains(id) || matches!(self.rows.get(id), Some((Row::Point(_), _)))
    }

    /// Images that no policy selects, by reason.
    pub fn left_out(&self) -> &BTreeMap<Code, usize> {
        &self.left_out
    }

    /// All rows. Those that the loop has parked since their last look are parked.
    pub fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        for (id, (row, _)) in &self.rows {
            let mut row = row.clone();
            if let Row::Point(point) = &mut row
                && point.state == State::InProgress
                && let Some((code, detail)) = self.parked.get(id)
            {
                (point.state, point.code) = (State::Parked, *code);
                point.detail.clone_from(detail);
            }
            inventory.push(row);
        }
        inventory
    }
}

#[cfg(test)]
mod tests {
    use amiferry_audit::inventory::{Promised, RecoveryPoint, Rejected};
    use amiferry_core::policy::Tier;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn id(number: u32) -> RecoveryPointId {
        RecoveryPointId {
            source_account: "111111111111".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: format!("ami-{number:08x}").parse().unwrap(),
            target_account: "222222222222".parse().unwrap(),
            target_region: "us-west-2".parse().unwrap(),
        }
    }

    fn point(number: u32, code: Code) -> Row {
        let id = id(number);
        Row::Point(RecoveryPoint {
            source_account: id.source_account,
            source_region: id.source_region,
            source_image_id: id.source_image_id,
            family: "shop".to_owned(),
            policy: "daily".to_owned(),
            tier: Tier::Ready,
            target_account: "222222222222".parse().unwrap(),
            target_region: id.target_region,
            state: if code == Code::Complete { State::Complete } else { State::InProgress },
            code,
            detail: String::new(),
            restored_image_id: None,
            vault_object: None,
            source_created_at: at(0),
            completed_at: None,
        })
    }

    fn rejected(number: u32, promised: bool) -> Row {
        let id = id(number);
        Row::Rejected(Rejected {
            source_account: id.source_account,
            source_region: id.source_region,
            source_image_id: id.source_image_id,
            target_region: id.target_region,
            code: Code::Paravirtual,
            reason: String::new(),
            promised: promised.then(|| Promised {
                policy: "daily".to_owned(),
                family: "shop".to_owned(),
                tier: Tier::Ready,
                created: at(0),
            }),
        })
    }

    fn met(numbers: &[u32]) -> BTreeSet<RecoveryPointId> {
        numbers.iter().map(|number| id(*number)).collect()
    }

    #[test]
    fn nothing_is_known_before_all_that_the_first_walk_met_was_looked_at() {
        let mut rows = Rows::default();
        rows.note(&id(1), point(1, Code::Complete), at(5));
        assert_eq!(rows.known_at(), None);
        rows.walked(at(10), &met(&[1, 2, 3]), BTreeMap::new());
        rows.note(&id(2), point(2, Code::Complete), at(11));
        assert_eq!(rows.known_at(), None);
        rows.note(&id(3), rejected(3, true), at(12));
        assert_eq!(rows.known_at(), Some(at(5)), "the oldest look");
        rows.note(&id(1), point(1, Code::Complete), at(20));
        assert_eq!(rows.known_at(), Some(at(10)), "the walk");
    }

    #[test]
    fn a_new_image_does_not_make_what_was_known_unknown() {
        let mut rows = Rows::default();
        rows.walked(at(10), &met(&[1]), BTreeMap::new());
        rows.note(&id(1), point(1, Code::Complete), at(11));
        rows.walked(at(20), &met(&[1, 2]), BTreeMap::new());
        assert_eq!(rows.known_at(), Some(at(10)));
        rows.note(&id(2), point(2, Code::NotStaged), at(21));
        rows.note(&id(1), point(1, Code::Complete), at(22));
        assert_eq!(rows.known_at(), Some(at(20)));
    }

    #[test]
    fn what_a_walk_did_not_meet_is_forgotten_unless_it_is_younger() {
        let mut rows = Rows::default();
        rows.note(&id(1), point(1, Code::Complete), at(5));
        rows.note(&id(2), point(2, Code::Complete), at(15));
        rows.note(&id(3), rejected(3, false), at(15));
        rows.walked(at(10), &met(&[]), [(Code::NoPolicy, 4)].into());
        let left = rows.inventory();
        assert_eq!(left.recovery_points.len(), 1);
        assert_eq!(left.recovery_points[0].source_image_id, id(2).source_image_id);
        assert!(left.rejected.is_empty(), "an image of nobody's is kept");
        assert_eq!(rows.left_out(), &[(Code::NoPolicy, 4)].into());
    }

    #[test]
    fn what_a_look_or_the_loop_parked_is_shown_as_parked_with_its_reason() {
        let mut rows = Rows::default();
        for (number, code) in [(1, Code::InTurn), (2, Code::InTurn), (3, Code::Complete)] {
            rows.note(&id(number), point(number, code), at(1));
        }
        let until = at(9);
        let (code, detail) = (Code::KeyUnusable, "disabled".to_owned());
        rows.answered(&id(2), &Decision::Park { until, code, detail }, at(2));
        for number in [1, 3, 4] {
            rows.parked(&id(number), Code::Denied, "ec2:CreateRestoreImageTask".to_owned());
        }
        let shown = |rows: &Rows| {
            let points = rows.inventory().recovery_points.into_iter();
            points.map(|point| (point.state, point.code, point.detail)).collect::<Vec<_>>()
        };
        let parked = |code, detail: &str| (State::Parked, code, detail.to_owned());
        let complete = (State::Complete, Code::Complete, String::new());
        let others = [parked(Code::KeyUnusable, "disabled"), complete];
        assert_eq!(shown(&rows)[0], parked(Code::Denied, "ec2:CreateRestoreImageTask"));
        assert_eq!(shown(&rows)[1..], others);
        rows.note(&id(1), point(1, Code::InTurn), at(3));
        assert_eq!(shown(&rows)[0], (State::InProgress, Code::InTurn, String::new()));
        assert_eq!(shown(&rows)[1..], others);
    }
}

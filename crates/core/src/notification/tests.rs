//! What is told, in which order, and what is told again.

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::names::RecoveryPointId;

const MANY: usize = 100;

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
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

fn key() -> FamilyKey {
    FamilyKey {
        source: id(1).source(),
        policy: "gold".to_owned(),
        family: "web".to_owned(),
        vault: id(1).vault(),
    }
}

fn point(state: State) -> PointFacts {
    PointFacts {
        source_image_name: "web-1".to_owned(),
        family: "web".to_owned(),
        policy: "gold".to_owned(),
        state,
        code: Code::Complete,
        detail: String::new(),
        restored_image_id: None,
        source_created_at: now(),
        completed_at: None,
    }
}

fn family(state: RpoState, breaks_at: Option<Timestamp>) -> FamilyFacts {
    FamilyFacts { state, newest_complete_at: None, rpo_seconds: Some(86_400), breaks_at }
}

fn facts(points: &[(u32, State)], judged: Option<FamilyFacts>) -> Facts {
    Facts {
        points: points.iter().map(|(number, state)| (id(*number), point(*state))).collect(),
        families: judged.into_iter().map(|judged| (key(), judged)).collect(),
    }
}

/// The changes in words; the bus takes all of them.
fn tell(told: &mut Told, facts: &Facts) -> Vec<String> {
    let changes = told.changes(facts, now(), MANY);
    for change in &changes {
        told.told(&change.subject);
    }
    changes.iter().map(in_words).collect()
}

fn in_words(change: &Change) -> String {
    match &change.notification {
        Notification::RecoveryPoint(point) => {
            let previous = point.previous.map_or("-", State::as_str);
            format!("{} {previous} > {}", point.source_image_id, point.state.as_str())
        }
        Notification::Family(family) => format!("{:?} > {:?}", family.previous, family.state),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_change_is_told_once() {
    use RpoState::{Breached, Pending, WithinRpo};
    let seen = facts(&[(1, State::InProgress)], Some(family(Pending, None)));
    let mut told = Told::beginning(&seen, now());
    for (points, judged, expected) in [
        (&[(1, State::InProgress)][..], family(Pending, None), &[][..]),
        (
            &[(1, State::Complete)],
            family(WithinRpo, None),
            &["Some(Pending) > WithinRpo", "ami-00000001 - > complete"],
        ),
        (&[(1, State::Complete)], family(WithinRpo, None), &[]),
        (&[(1, State::Complete)], family(WithinRpo, Some(now())), &["Some(WithinRpo) > AtRisk"]),
        (&[(1, State::Complete)], family(Breached, Some(now())), &["Some(AtRisk) > Breached"]),
        (
            &[(1, State::Lost)],
            family(RpoState::Lost, None),
            &["ami-00000001 complete > lost", "Some(Breached) > Lost"],
        ),
        // On its way back it is not complete, and that it is lost was told.
        (&[(1, State::InProgress)], family(RpoState::Lost, None), &[]),
        (
            &[(1, State::Complete)],
            family(WithinRpo, None),
            &["Some(Lost) > WithinRpo", "ami-00000001 lost > complete"],
        ),
    ] {
        assert_eq!(
            tell(&mut told, &facts(points, Some(judged))),
            expected,
            "{points:?} {judged:?}"
        );
    }
}

#[test]
fn after_a_start_only_what_is_not_well_is_told() {
    let late = Some(family(RpoState::Breached, None));
    let seen = facts(&[(1, State::Complete), (2, State::Tampered)], late);
    let mut told = Told::beginning(&seen, now());
    let expected = ["ami-00000002 - > tampered", "None > Breached"];
    assert_eq!(tell(&mut told, &seen), expected);
    for state in [RpoState::WithinRpo, RpoState::Pending, RpoState::Retired] {
        let seen = facts(&[], Some(family(state, None)));
        assert_eq!(tell(&mut Told::beginning(&seen, now()), &seen), [""; 0], "{state:?}");
        assert_eq!(tell(&mut Told::default(), &seen), [""; 0], "a new family in {state:?}");
    }
}

#[test]
fn what_became_complete_since_the_start_is_told_though_it_was_complete_at_the_first_sight() {
    let second = jiff::SignedDuration::from_secs(1);
    for (completed_at, expected) in [
        (Some(now() - second), &[][..]),
        (Some(now()), &["ami-00000001 - > complete"]),
        (Some(now() + second), &["ami-00000001 - > complete"]),
        (None, &[]),
    ] {
        let mut seen = facts(&[(1, State::Complete)], None);
        seen.points.get_mut(&id(1)).unwrap().completed_at = completed_at;
        assert_eq!(tell(&mut Told::beginning(&seen, now()), &seen), expected, "{completed_at:?}");
    }
}

#[test]
fn what_the_bus_does_not_take_is_told_again_as_it_is_then() {
    let mut told = Told::default();
    let lost = facts(&[(1, State::Lost)], None);
    assert_eq!(told.changes(&lost, now(), MANY).len(), 1);
    let words: Vec<_> = told.changes(&lost, now(), MANY).iter().map(in_words).collect();
    assert_eq!(words, ["ami-00000001 - > lost"]);
    let mended = facts(&[(1, State::Complete)], None);
    assert_eq!(tell(&mut told, &mended), ["ami-00000001 - > complete"]);
}

#[test]
fn the_worst_comes_first_and_the_rest_later() {
    let seen = facts(
        &[(1, State::Complete), (2, State::Complete), (3, State::Unusable)],
        Some(family(RpoState::Unprotected, None)),
    );
    let mut told = Told::default();
    let mut words = Vec::new();
    loop {
        let changes = told.changes(&seen, now(), 1);
        let Some(change) = changes.first() else { break };
        words.push(in_words(change));
        told.told(&change.subject);
    }
    let expected = [
        "ami-00000003 - > unusable",
        "None > Unprotected",
        "ami-00000001 - > complete",
        "ami-00000002 - > complete",
    ];
    assert_eq!(words, expected);
}

#[test]
fn what_is_not_there_any_more_is_forgotten() {
    let seen = facts(&[(1, State::Complete)], Some(family(RpoState::WithinRpo, None)));
    let mut told = Told::beginning(&seen, now());
    assert_eq!(told.len(), 2);
    assert_eq!(tell(&mut told, &Facts::default()), [""; 0]);
    assert!(told.is_empty());
}

#[test]
fn a_notification_says_its_version_and_names_everything() {
    let mut told = Told::default();
    let seen = facts(&[(1, State::Complete)], Some(family(RpoState::Pending, Some(now()))));
    let changes = told.changes(&seen, now(), MANY);
    let [of_family, of_point] = &changes[..] else { panic!("{changes:?}") };
    let read = |change: &Change| -> serde_json::Value {
        serde_json::from_str(&change.notification.detail()).unwrap()
    };
    let vault = json!({"account": "222222222222", "region": "us-west-2"});
    let source = json!({"account": "111111111111", "region": "us-east-1"});
    assert_eq!(of_family.notification.detail_type(), "Family State Change");
    assert_eq!(
        read(of_family),
        json!({
            "schema_version": 1, "vault": vault, "source": source, "family": "web", "policy": "gold",
            "state": "at_risk", "previous": null, "newest_complete_at": null, "rpo_seconds": 86_400,
            "breaks_at": "2026-11-30T12:00:00Z", "at": "2026-11-30T12:00:00Z",
        })
    );
    assert_eq!(of_point.notification.detail_type(), "Recovery Point State Change");
    assert_eq!(
        read(of_point),
        json!({
            "schema_version": 1, "vault": vault, "source": source, "source_image_id": "ami-00000001",
            "source_image_name": "web-1", "family": "web", "policy": "gold", "state": "complete",
            "previous": null, "code": "complete", "detail": "", "restored_image_id": null,
            "source_created_at": "2026-11-30T12:00:00Z", "completed_at": null,
            "at": "2026-11-30T12:00:00Z",
        })
    );
}

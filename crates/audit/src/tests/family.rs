//! How a family stands: by its newest complete recovery point, or by how long it has none.

use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::policy::Policies;
use jiff::SignedDuration;

use super::fixture::*;
use crate::family::{Family, RpoState, judge};
use crate::inventory::{
    Inventory, RecoveryPoint, Rejected, Repeated, SourceOfVault, State, Unfinished,
};
use crate::page::view::{Facts, view};
use crate::report::Report;

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn families(points: Vec<RecoveryPoint>, rejected: Vec<Rejected>) -> Vec<Family> {
    let inventory = Inventory { recovery_points: points, rejected, ..Inventory::default() };
    judge(&inventory, &policies(), now())
}

/// The one family of these rows.
fn family(points: Vec<RecoveryPoint>, rejected: Vec<Rejected>) -> Family {
    let mut families = families(points, rejected);
    assert_eq!(families.len(), 1, "{families:?}");
    families.remove(0)
}

#[test]
fn each_state_begins_where_its_neighbour_ends() {
    use RpoState::*;
    use State::{Complete, InProgress, Parked};
    let millisecond = SignedDuration::from_millis(1);
    let day = hours(24);
    let other_policy = |mut point: RecoveryPoint| {
        point.policy = "retired".to_owned();
        point
    };
    let rows = [
        (vec![point(1, hours(0), Complete)], vec![], WithinRpo, 86_400, "made just now"),
        (vec![point(1, day, Complete)], vec![], WithinRpo, 0, "exactly the RPO"),
        (vec![point(1, day + millisecond, Complete)], vec![], Breached, -1, "a millisecond more"),
        (vec![point(1, day, InProgress)], vec![], Pending, 0, "none yet, exactly the RPO"),
        (vec![point(1, day + millisecond, InProgress)], vec![], Unprotected, -1, "and more"),
        (vec![point(1, hours(1), Parked)], vec![], Pending, 82_800, "parked, with time left"),
        (vec![point(1, hours(25), Parked)], vec![], Unprotected, -3_600, "parked too long"),
        (vec![], vec![left_out(1, day)], Pending, 0, "only images that cannot be stored"),
        (vec![], vec![left_out(1, day + millisecond)], Unprotected, -1, "for longer than the RPO"),
        (
            vec![point(1, hours(30), InProgress), point(2, hours(1), InProgress)],
            vec![],
            Unprotected,
            -21_600,
            "without any, the oldest image counts: a new one does not renew the promise",
        ),
        (
            vec![point(1, hours(30), InProgress), point(2, hours(1), Complete)],
            vec![],
            WithinRpo,
            82_800,
            "with one, its own age counts",
        ),
        (
            vec![point(1, hours(20), Complete), point(2, hours(1), InProgress)],
            vec![left_out(3, hours(48))],
            WithinRpo,
            14_400,
            "a newer incomplete one does not stand in for the newest complete one",
        ),
        (
            vec![point(1, hours(30), Complete), point(2, hours(1), InProgress)],
            vec![],
            Breached,
            -21_600,
            "nor does it make it younger",
        ),
    ];
    for (points, rejected, state, margin, comment) in rows {
        let assessed = family(points.clone(), rejected.clone());
        assert_eq!((assessed.state, assessed.margin_seconds), (state, Some(margin)), "{comment}");
        assert_eq!(assessed.rpo_seconds, Some(86_400));
        let retired = points.into_iter().map(other_policy).collect::<Vec<_>>();
        if !retired.is_empty() {
            let unknown = family(retired, vec![]);
            assert_eq!((unknown.state, unknown.margin_seconds), (NotAssessed, None), "{comment}");
            assert_eq!(unknown.rpo_seconds, None, "{comment}");
        }
    }
}

#[test]
fn age_is_measured_from_the_source_and_not_from_completion() {
    // Made 30 hours ago, complete since an hour: a restore brings back data 30 hours old.
    let mut late = image(1);
    late.created = now() - hours(30);
    let mut inventory = inventory([completed(staged(late), now() - hours(1))]);
    assert_eq!(inventory.recovery_points[0].completed_at, Some(now() - hours(1)));
    let assessed = judge(&inventory, &policies(), now());
    assert_eq!(assessed[0].age_seconds, Some(30 * 3_600));
    assert_eq!(assessed[0].state, RpoState::Breached);
    inventory.recovery_points[0].completed_at = None;
    assert_eq!(judge(&inventory, &policies(), now()), assessed, "completion plays no part");
}

#[test]
fn the_newest_complete_recovery_point_is_named_with_its_restored_image() {
    let mut newest = point(2, hours(3), State::Complete);
    newest.restored_image_id = Some(image_id(0xc));
    let older = point(1, hours(4), State::Complete);
    let unfinished = point(3, hours(1), State::Parked);
    let rows = [older, newest.clone(), unfinished];
    for rotated in 0..rows.len() {
        let mut rows = rows.to_vec();
        rows.rotate_left(rotated);
        let assessed = family(rows, vec![]);
        assert_eq!(assessed.source_image_id.as_ref(), Some(&newest.source_image_id));
        assert_eq!(assessed.restored_image_id, newest.restored_image_id);
        assert_eq!(assessed.source_created_at, Some(newest.source_created_at));
        assert_eq!(assessed.age_seconds, Some(3 * 3_600));
    }
}

#[test]
fn a_family_without_complete_recovery_point_names_none() {
    let assessed = family(vec![point(1, hours(3), State::Parked)], vec![left_out(2, hours(4))]);
    assert_eq!(assessed.source_image_id, None);
    assert_eq!(assessed.restored_image_id, None);
    assert_eq!((assessed.source_created_at, assessed.age_seconds), (None, None));
    assert_eq!(assessed.margin_seconds, Some(20 * 3_600), "the oldest, left out or not");
}

#[test]
fn each_source_family_policy_and_target_region_is_judged_alone() {
    let base = || point(1, hours(1), State::Complete);
    let mut rows = vec![base()];
    let changes: [fn(&mut RecoveryPoint); 6] = [
        |p| p.source_account = "333333333333".parse().unwrap(),
        |p| p.source_region = "eu-north-1".parse().unwrap(),
        |p| p.family = "other".to_owned(),
        |p| p.policy = "weekly".to_owned(),
        |p| p.target_region = "eu-west-1".parse().unwrap(),
        |p| p.target_account = "333333333333".parse().unwrap(),
    ];
    for change in changes {
        let mut row = point(1, hours(25), State::Complete);
        change(&mut row);
        rows.push(row);
    }
    let assessed = families(rows.clone(), vec![]);
    assert_eq!(assessed.len(), rows.len());
    let within: Vec<_> =
        assessed.iter().filter(|f| f.state == RpoState::WithinRpo).map(|f| &*f.policy).collect();
    assert_eq!(within, ["daily", "weekly"], "the first row, and 25 hours of 8 days");
}

#[test]
fn no_rows_make_no_family_and_an_image_without_promise_makes_none_either() {
    assert_eq!(families(vec![], vec![]), []);
    let mut unwanted = left_out(1, hours(100));
    unwanted.promised = None;
    assert_eq!(families(vec![], vec![unwanted]), []);
}

#[test]
fn a_manifest_whose_policy_is_gone_is_not_assessed() {
    let complete = completed(staged(image(1)), now());
    let inventory = inventory_under(&Policies::default(), [complete]);
    let assessed = judge(&inventory, &Policies::default(), now());
    assert_eq!(assessed[0].state, RpoState::NotAssessed);
    assert_eq!(assessed[0].age_seconds, Some(12 * 3_600), "its age is known all the same");
}

#[test]
fn only_broken_promises_are_breaches() {
    use RpoState::*;
    for (state, name, breach) in [
        (WithinRpo, "within_rpo", false),
        (Pending, "pending", false),
        (Breached, "breached", true),
        (Unprotected, "unprotected", true),
        (NotAssessed, "not_assessed", false),
    ] {
        assert_eq!((state.as_str(), state.is_breach()), (name, breach));
        assert_eq!(serde_json::to_value(state).unwrap(), name);
    }
}

/// The complete recovery point of an image that repeats an older one.
fn repeat(number: u32, age: i64, of: u32, since: i64) -> RecoveryPoint {
    let older = Repeated { source_image_id: image_id(of), source_created_at: now() - hours(since) };
    RecoveryPoint { repeats: Some(older), ..point(number, hours(age), State::Complete) }
}

#[test]
fn a_family_is_as_old_as_its_data_whatever_was_registered_again() {
    let original = || point(1, hours(30), State::Complete);
    for (points, state, newest, age) in [
        (vec![original(), repeat(2, 1, 1, 30)], RpoState::Breached, 1, 30),
        (vec![repeat(2, 1, 1, 30)], RpoState::Breached, 2, 30),
        (vec![repeat(2, 1, 9, 3), original()], RpoState::WithinRpo, 2, 3),
        (
            vec![original(), repeat(2, 1, 1, 30), point(3, hours(20), State::Complete)],
            RpoState::WithinRpo,
            3,
            20,
        ),
    ] {
        let family = family(points.clone(), Vec::new());
        assert_eq!((family.state, family.source_image_id), (state, Some(image_id(newest))));
        assert_eq!(family.age_seconds, Some(age * 3_600), "{points:#?}");
        assert_eq!(family.source_created_at, Some(now() - hours(age)));
    }
}

#[test]
fn a_family_that_only_repeats_is_told_what_leads_out() {
    let points = vec![point(1, hours(30), State::Complete), repeat(2, 1, 1, 30)];
    let inventory = Inventory { recovery_points: points, ..Inventory::default() };
    let report = Report::new(inventory, &policies(), now());
    let needs = view(Facts::asked_once(&report)).needs;
    let said: Vec<String> = needs
        .iter()
        .map(|need| format!("{} because {}: {}", need.what, need.why, need.remedy))
        .collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    for said in &said {
        assert!(said.contains("made of the snapshots of"), "{said}");
        assert!(said.contains("ami-00000001") && said.contains("ami-00000002"), "{said}");
        assert!(said.contains("make images from new snapshots"), "{said}");
    }
}

#[test]
fn images_that_went_make_a_family_older_until_it_is_complete_and_make_no_family_by_themselves() {
    let gone = Unfinished {
        source: SourceId { account: SOURCE.parse().unwrap(), region: "us-east-1".parse().unwrap() },
        family: "shop".to_owned(),
        policy: "daily".to_owned(),
        vault: VaultId { account: VAULT.parse().unwrap(), region: "us-west-2".parse().unwrap() },
        since: now() - hours(25),
    };
    let state = |recovery_points: Vec<RecoveryPoint>| {
        let unfinished = vec![gone.clone()];
        let inventory = Inventory { recovery_points, unfinished, ..Inventory::default() };
        judge(&inventory, &policies(), now()).into_iter().map(|family| family.state).next()
    };
    assert_eq!(state(vec![point(1, hours(1), State::InProgress)]), Some(RpoState::Unprotected));
    assert_eq!(state(vec![point(1, hours(1), State::Complete)]), Some(RpoState::WithinRpo));
    assert_eq!(state(Vec::new()), None);
}

#[test]
fn a_family_that_a_policy_names_and_no_source_has_is_unprotected() {
    let mut policies = policies();
    policies.0[0].families = vec!["shop".to_owned(), "ledger".to_owned()];
    let place = |account: &str| SourceOfVault {
        source: SourceId {
            account: account.parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        },
        vault: VaultId { account: VAULT.parse().unwrap(), region: "us-west-2".parse().unwrap() },
    };
    let mut inventory = Inventory {
        recovery_points: vec![point(1, hours(1), State::Complete)],
        places: [place(SOURCE), place("333333333333")].into(),
        ..Inventory::default()
    };
    type FamilyShown = Vec<(String, String, RpoState, Option<i64>)>;
    let shown = |inventory: &Inventory, policies: &Policies| -> FamilyShown {
        let families = judge(inventory, policies, now()).into_iter();
        families
            .map(|f| (f.source_account.to_string(), f.family, f.state, f.margin_seconds))
            .collect()
    };
    let row = |account: &str, family: &str, state, margin| {
        (account.to_owned(), family.to_owned(), state, margin)
    };
    let unprotected = |account, family| row(account, family, RpoState::Unprotected, None);
    let other = "333333333333";
    assert_eq!(
        shown(&inventory, &policies),
        [
            unprotected(SOURCE, "all"),
            unprotected(SOURCE, "ledger"),
            row(SOURCE, "shop", RpoState::WithinRpo, Some(82_800)),
            unprotected(other, "all"),
            unprotected(other, "ledger"),
        ],
        "shop need not be in both sources"
    );
    let (mut narrow, mut elsewhere) = (policies.clone(), policies.clone());
    narrow.0[0].accounts = vec![other.parse().unwrap()];
    narrow.0[1].regions = vec!["eu-west-1".parse().unwrap()];
    assert_eq!(
        shown(&inventory, &narrow),
        [row(SOURCE, "shop", RpoState::WithinRpo, Some(82_800)), unprotected(other, "ledger"),],
        "a source that a policy does not speak about need not have its families"
    );
    for policy in &mut elsewhere.0 {
        policy.target_regions.clear();
        policy.vaults = vec!["444444444444/us-west-2".parse().unwrap()];
    }
    assert_eq!(shown(&inventory, &elsewhere).len(), 1, "another vault of the same Region");
    inventory.places.clear();
    let alone = shown(&inventory, &policies).len();
    assert_eq!(alone, 1, "of a source that was not asked nothing is missing");
}

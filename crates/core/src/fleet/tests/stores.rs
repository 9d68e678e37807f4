//! The plan of a source's fleet, as a table, and what its vaults say is complete.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::decide::tests::fixture::{staged, store_task};
use crate::fleet::source::{Holding, SourceFleet};
use crate::ids::ImageId;
use crate::model::{Image, StoreTask, StoreTaskState};
use crate::names::VaultId;
use crate::plan::{Turns, Why, plan};

/// All of a vault's answer: these are complete, and nothing was given up.
fn whole(complete: BTreeSet<ImageId>) -> Holding {
    Holding::Whole { complete, pruned: BTreeSet::new() }
}

/// What is known of an image.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// A sweep met it, and no look has seen it yet.
    Met,
    /// It waits for its store.
    Waits,
    /// Its create call was refused so many times in a row, because of the image.
    Refused(u32),
    /// Its create call was refused for a reason outside the image.
    Throttled,
    /// So many of its store tasks in a row failed.
    Failed(u32),
    /// So many of its staged objects were lost.
    Lost(u32),
    /// It is tried again after an hour.
    Later,
    /// EC2 stores it.
    Running,
    /// A look saw its staged object.
    Staged,
    /// The last walk met its staged object.
    WalkedStaged,
    /// The vault shows it as complete.
    Complete,
}

use Stage::*;

/// Family, hours since its creation, GiB, stage.
type Row = (&'static str, i64, u64, Stage);

fn vaults() -> [VaultId; 2] {
    ["222222222222/us-west-2", "222222222222/eu-west-1"].map(|id| id.parse().unwrap())
}

fn image_of(number: u32, family: &str, hours: i64, gib: u64) -> Image {
    let image = image().made_ago(&format!("{hours}h")).of_gib(gib).tagged("app", family);
    image.with(|image| image.id = id(number).source_image_id)
}

fn task(state: StoreTaskState, ago: u32) -> StoreTask {
    store_task(state, i64::from(ago))
}

fn running(id: &ImageId) -> StoreTask {
    StoreTask { image: id.clone(), ..task(StoreTaskState::InProgress, 0) }
}

fn fleet_of(rows: &[Row]) -> SourceFleet {
    let mut fleet = SourceFleet::new(source(), now());
    let policies = policies();
    let [vault, _] = vaults();
    let with = |stage: fn(&Stage) -> bool| -> BTreeSet<_> {
        let of = (0..).zip(rows).filter(|(_, row)| stage(&row.3));
        of.map(|(number, _)| id(number).source_image_id).collect()
    };
    fleet.walk_began();
    for (number, &(family, hours, gib, _)) in (0..).zip(rows) {
        let image = image_of(number, family, hours, gib);
        fleet.selected(&image, &policies.0[0], vec![vault.clone()]);
    }
    fleet.holds(vault, whole(with(|stage| matches!(stage, Complete))));
    let staged = with(|stage| matches!(stage, WalkedStaged));
    fleet.walked(staged.into_iter().map(|id| (id, 1)).collect());
    for (number, row) in (0..).zip(rows) {
        let id = &id(number).source_image_id;
        let fail = |fleet: &mut SourceFleet, state: &StoreTaskState, times: u32| {
            for time in 0..times {
                fleet.observed(id, Some(&task(state.clone(), time)), false, now());
            }
            fleet.waits(id);
        };
        match row.3 {
            Met | WalkedStaged | Complete => {}
            Waits => fleet.waits(id),
            Failed(times) => fail(&mut fleet, &StoreTaskState::Failed, times),
            Lost(times) => fail(&mut fleet, &StoreTaskState::Completed, times),
            Refused(times) => {
                fleet.waits(id);
                (0..times).for_each(|_| fleet.called(id, Some(false)));
            }
            Throttled => {
                fleet.waits(id);
                fleet.called(id, None);
            }
            Later => {
                fleet.waits(id);
                let failure = Failure {
                    code: Code::Failing,
                    detail: "".into(),
                    parked: false,
                    attempts: 1,
                    since: now(),
                    retry_at: at(3_600),
                };
                fleet.failed(id, failure);
            }
            Running => fleet.runs(&running(id)),
            Staged => drop(fleet.observed(id, None, true, now())),
        }
    }
    fleet
}

fn planned(fleet: &SourceFleet) -> String {
    let (members, promises) = (fleet.members(now()), fleet.promises(&policies()));
    let line = plan(&members, &promises, &[], &mut Turns::default(), now());
    let place = |planned: &crate::plan::Planned<'_, ImageId>| {
        let number = planned.key.as_str().trim_start_matches("ami-0000000");
        let why = match planned.why {
            Why::Breaks(_) => "breaks".to_owned(),
            Why::Older => "older".to_owned(),
            Why::Failing(times) => format!("failing {times}"),
            Why::Superseded => "superseded".to_owned(),
        };
        format!("{number} {why}")
    };
    line.iter().map(place).collect::<Vec<_>>().join(", ")
}

const TABLE: &[(&str, &[Row], &str)] = &[
    ("no image, no plan", &[], ""),
    ("what no look has seen waits for no turn", &[("web", 2, 108, Met)], ""),
    (
        "what is stored, staged or complete waits for none either",
        &[
            ("a", 2, 108, Running),
            ("b", 2, 108, Staged),
            ("c", 2, 108, WalkedStaged),
            ("d", 2, 108, Complete),
        ],
        "",
    ),
    (
        "after an outage the newest image of each family goes first, and the rest newest first",
        &[
            ("web", 30, 108, Waits),
            ("db", 20, 108, Waits),
            ("web", 10, 108, Waits),
            ("db", 5, 108, Waits),
        ],
        "2 breaks, 3 breaks, 1 older, 0 older",
    ),
    (
        "a newer image that runs, is staged or complete leaves the older ones to the end",
        &[
            ("a", 1, 108, Running),
            ("a", 2, 108, Waits),
            ("b", 1, 108, Staged),
            ("b", 3, 108, Waits),
            ("c", 1, 108, WalkedStaged),
            ("c", 4, 108, Waits),
            ("d", 1, 108, Complete),
            ("d", 5, 108, Waits),
            ("e", 6, 108, Waits),
        ],
        "8 breaks, 1 older, 3 older, 5 older, 7 older",
    ),
    (
        "a newer image that no look has seen yet does not",
        &[("web", 1, 108, Met), ("web", 2, 108, Waits)],
        "1 breaks",
    ),
    (
        "what fails goes behind what is healthy: by refused calls, failed tasks and lost objects",
        &[
            ("a", 1, 108, Refused(3)),
            ("b", 1, 108, Failed(2)),
            ("c", 1, 108, Lost(1)),
            ("d", 20, 4_000, Waits),
            ("d", 22, 108, Waits),
        ],
        "3 breaks, 4 older, 2 failing 1, 1 failing 2, 0 failing 3",
    ),
    (
        "a failing newest image does not keep the one before it from helping",
        &[("web", 1, 108, Failed(1)), ("web", 3, 108, Waits)],
        "1 breaks, 0 failing 1",
    ),
    (
        "a refusal that says nothing of the image counts nothing",
        &[("a", 1, 108, Throttled)],
        "0 breaks",
    ),
    (
        "one that is tried again later waits for no turn",
        &[("web", 1, 108, Later), ("web", 3, 108, Waits)],
        "1 breaks",
    ),
];

#[test]
fn each_fleet_has_its_plan() {
    for (what, rows, expected) in TABLE {
        assert_eq!(planned(&fleet_of(rows)), *expected, "{what}");
    }
}

#[test]
fn the_same_failure_or_loss_seen_again_counts_once_and_success_ends_both() {
    let mut fleet = fleet_of(&[("web", 1, 108, Failed(2))]);
    let id = &id(0).source_image_id;
    let failed = task(StoreTaskState::Failed, 1);
    let (tasks, _) = fleet.observed(id, Some(&failed), false, at(60));
    assert_eq!((tasks.failures, tasks.failed_since()), (2, Some(now())), "the same task");
    let completed = task(StoreTaskState::Completed, 0);
    for _ in 0..2 {
        let (tasks, _) = fleet.observed(id, Some(&completed), false, at(120));
        assert_eq!((tasks.failures, tasks.losses), (0, 1), "it ended well, and its object is gone");
    }
    let (tasks, _) = fleet.observed(id, Some(&completed), true, at(180));
    assert_eq!((tasks.failures, tasks.losses), (0, 1), "that it was lost before stays known");
}

#[test]
fn a_store_that_was_seen_running_is_timed_once_it_ends() {
    let mut fleet = fleet_of(&[("web", 1, 108, Running)]);
    let id = &id(0).source_image_id;
    let running = task(StoreTaskState::InProgress, 0);
    assert_eq!(fleet.observed(id, Some(&running), false, at(60)).1, None);
    fleet.runs(&StoreTask { started: None, ..running });
    let (_, ended) = fleet.observed(id, None, staged().size > 0, at(600));
    let ended = ended.map(|ended| (ended.well, ended.took));
    assert_eq!(ended, Some((true, SignedDuration::from_secs(600))));
    assert_eq!(fleet.observed(id, None, true, at(660)).1, None, "once");
}

#[test]
fn complete_is_what_every_demanded_vault_shows_or_showed_when_it_last_answered() {
    let [one, other] = vaults();
    let mut fleet = SourceFleet::new(source(), now());
    let image = image_of(0, "web", 1, 108);
    let shows = || whole([image.id.clone()].into());
    let policies = policies();
    fleet.selected(&image, &policies.0[0], vec![one.clone(), other.clone()]);
    assert!(!fleet.is_complete(&image.id), "no vault answered yet");
    fleet.holds(one.clone(), shows());
    assert!(!fleet.is_complete(&image.id), "the other is demanded, too");
    fleet.holds(other.clone(), shows());
    assert!(fleet.is_complete(&image.id));
    fleet.holds(other.clone(), Holding::Unknown("denied".to_owned()));
    assert!(fleet.is_complete(&image.id), "silence takes nothing back");
    assert_eq!(fleet.unknown().collect::<Vec<_>>(), [(&other, "denied")]);
    fleet.holds(other, whole(BTreeSet::new()));
    assert!(!fleet.is_complete(&image.id), "it is lost there");
    assert_eq!(fleet.unknown().count(), 0);
    fleet.selected(&image, &policies.0[0], vec![one]);
    assert!(fleet.is_complete(&image.id), "the policy does not demand the other any more");
    fleet.selected(&image, &policies.0[0], Vec::new());
    assert!(!fleet.is_complete(&image.id), "what no vault is to hold is complete in none");
}

#[test]
fn what_a_whole_walk_did_not_meet_is_forgotten_with_its_family() {
    let mut fleet = fleet_of(&[("gone", 1, 108, Waits), ("web", 2, 108, Waits)]);
    fleet.walk_began();
    let policies = policies();
    fleet.selected(&image_of(1, "web", 2, 108), &policies.0[0], Vec::new());
    fleet.walked(BTreeMap::new());
    assert_eq!(planned(&fleet), "1 breaks");
    assert_eq!(fleet.promises(&policies).len(), 1);
    assert_eq!(fleet.governed(&id(1).source_image_id), Some(("daily".into(), "web".into())));
    assert_eq!(fleet.governed(&id(0).source_image_id), None);
}

//! The plans of a vault's fleet, as tables: what was observed of each image, and who goes first.

use proptest::prelude::*;

use super::*;
use crate::decide::Decision;
use crate::decide::tests::fixture::{InWords, unusable};
use crate::model::Image;
use crate::plan::{Turns, Why, plan};

/// What was observed of an image, and what was tried since.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing is staged yet.
    Unstaged,
    /// It waits for its copy.
    Staged,
    /// Its copy failed so many times in a row, for reasons of its own.
    CopyFails(u32),
    /// Its copy was broken off by what any other image would have met, too.
    CopyBrokeOff,
    /// Its copy failed, and is not tried again before an hour has passed.
    CopyLater,
    /// It is being copied.
    Copying,
    /// It waits for its restore.
    Copied,
    /// Its restore failed so many times in a row, for reasons of its own.
    RestoreFails(u32),
    /// Its restore has ended badly, and is to be repeated.
    RestoreFailed,
    /// It is being restored.
    Restoring,
    /// It is restored, and waits for its protection.
    Restored,
    /// All is done.
    Complete,
    /// Its key cannot be used.
    Parked,
    /// It is larger than EC2 stores.
    TooLarge,
    /// EC2 is still making it.
    Pending,
}

use Stage::*;

/// Family, hours since its creation, GiB, stage.
type Row = (&'static str, i64, u64, Stage);

/// What is seen of an image of the family `web` of the policy `daily`, or of any of `weekly`.
fn seen(number: u32, &(family, hours, gib, stage): &Row) -> Observed {
    let image = |image: Image| {
        let image = image.made_ago(&format!("{hours}h")).of_gib(gib).tagged("app", family);
        let image = image.with(|image| image.id = id(number).source_image_id);
        if family == "all" { image.tagged("backup", "weekly") } else { image }
    };
    let seen = observed().with(|seen| {
        seen.id = id(number);
        seen.source = seen.source.take().map(image);
        own_snapshots(seen, number);
    });
    match stage {
        Unstaged => seen,
        TooLarge => seen.with(|seen| seen.source = seen.source.take().map(|i| i.of_gib(5_001))),
        Pending => seen.with(|seen| {
            seen.source = seen.source.take().map(|i| i.in_state(ImageState::Pending));
        }),
        Parked => seen.staged().with(|seen| seen.staged_key = Some(unusable())),
        Staged | CopyFails(_) | CopyBrokeOff | CopyLater | Copying => seen.staged(),
        Copied | RestoreFails(_) => until(seen.staged(), "act restore"),
        Restoring => until(seen.staged(), "wait restore_running"),
        RestoreFailed => until(seen.staged(), "wait restore_running").newest(|image| {
            image.state = ImageState::Failed;
            image.created = now() - SignedDuration::from_hours(1);
        }),
        Restored => until(seen.staged(), "act protect"),
        Complete => until(seen.staged(), "done"),
    }
}

/// What is seen once all steps before this decision were taken.
fn until(mut seen: Observed, words: &str) -> Observed {
    loop {
        let decision = seen.decide();
        if decision.in_words().starts_with(words) {
            return seen;
        }
        seen = match decision {
            Decision::Act(effect) => seen.after(&effect),
            Decision::Wait { .. } => seen.later(),
            other => panic!("{other:?} comes before {words}"),
        };
    }
}

/// A fleet that observed these in this order.
fn observed_fleet<'r>(rows: impl IntoIterator<Item = (u32, &'r Row)>) -> Fleet {
    let mut fleet = fleet();
    for (number, row) in rows {
        let seen = seen(number, row);
        let id = &seen.id;
        let judged = judge(&policies(), &vault(), &seen, PACE, now());
        fleet.observed(&seen, &judged, now());
        let mut take = |step, ended: Option<bool>, times: u32| {
            for _ in 0..times {
                fleet.began(id, step);
                fleet.ended(id, ended);
            }
        };
        match row.3 {
            CopyFails(times) => take(Step::Copy, Some(false), times),
            RestoreFails(times) => take(Step::Restore, Some(false), times),
            CopyBrokeOff => take(Step::Copy, None, 1),
            CopyLater => {
                take(Step::Copy, Some(false), 1);
                fleet.failed(id, failure());
            }
            Copying => fleet.began(id, Step::Copy),
            Unstaged | Staged | Copied | RestoreFailed | Restoring | Restored | Complete
            | Parked | TooLarge | Pending => {}
        }
    }
    fleet
}

fn failure() -> Failure {
    Failure {
        code: Code::Failing,
        detail: "s3:UploadPartCopy".into(),
        parked: false,
        attempts: 1,
        since: now(),
        retry_at: at(3_600),
    }
}

/// The plan of a step in words: `1 breaks, 0 older`.
fn planned(fleet: &Fleet, step: Step) -> String {
    let promises = fleet.promises(&policies(), &[source()]);
    let members = fleet.members(step, now());
    let line = plan(&members, &promises, &[], &mut Turns::default(), now());
    let place = |planned: &crate::plan::Planned<'_, RecoveryPointId>| {
        let number = planned.key.source_image_id.as_str().trim_start_matches("ami-0000000");
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

/// What the rows are, the plan of copies, the plan of restores.
const TABLE: &[(&str, &[Row], &str, &str)] = &[
    ("no image, no plan", &[], "", ""),
    ("what is not staged waits for no turn of ours", &[("web", 2, 108, Unstaged)], "", ""),
    ("what is staged waits for its copy", &[("web", 2, 108, Staged)], "0 breaks", ""),
    ("what is copied waits for its restore", &[("web", 2, 108, Copied)], "", "0 breaks"),
    (
        "what is under way or done takes no turn",
        &[
            ("a", 2, 108, Copying),
            ("b", 2, 108, Restoring),
            ("c", 2, 108, Restored),
            ("d", 2, 108, Complete),
        ],
        "",
        "",
    ),
    (
        "after an outage the newest image of each family goes first, and the rest newest first",
        &[
            ("web", 30, 108, Staged),
            ("db", 20, 108, Staged),
            ("web", 10, 108, Staged),
            ("db", 5, 108, Staged),
        ],
        "2 breaks, 3 breaks, 1 older, 0 older",
        "",
    ),
    (
        "a newer image that is complete, being copied or copied leaves the older ones to the end",
        &[
            ("web", 1, 108, Complete),
            ("web", 2, 108, Staged),
            ("db", 1, 108, Copying),
            ("db", 3, 108, Staged),
            ("app", 1, 108, Copied),
            ("app", 4, 108, Staged),
            ("new", 5, 108, Staged),
        ],
        "6 breaks, 1 older, 3 older, 5 older",
        "4 breaks",
    ),
    (
        "the age of the newest complete image decides, not that of the one that waits",
        &[
            ("web", 23, 108, Complete),
            ("web", 1, 108, Staged),
            ("db", 9, 108, Complete),
            ("db", 8, 108, Staged),
        ],
        "1 breaks, 3 breaks",
        "",
    ),
    (
        "priority goes before urgency: weekly has none",
        &[("all", 190, 108, Staged), ("web", 1, 4_000, Staged)],
        "1 breaks, 0 breaks",
        "",
    ),
    (
        "a copy that fails goes behind every healthy one, its family's older ones included",
        &[
            ("web", 2, 108, CopyFails(3)),
            ("web", 9, 108, Staged),
            ("web", 30, 108, Staged),
            ("db", 2, 108, CopyFails(1)),
        ],
        "1 breaks, 2 older, 3 failing 1, 0 failing 3",
        "",
    ),
    (
        "a copy that was broken off by an outage is not failing",
        &[("web", 2, 108, CopyBrokeOff)],
        "0 breaks",
        "",
    ),
    (
        "one that is tried again later waits for no turn, and counts in its family",
        &[("web", 2, 108, CopyLater), ("web", 3, 108, Staged)],
        "1 breaks",
        "",
    ),
    (
        "a restore that fails goes behind, and what was copied after it does not",
        &[("web", 2, 108, RestoreFails(2)), ("web", 9, 108, Copied), ("db", 9, 4_000, Copied)],
        "",
        "1 breaks, 2 breaks, 0 failing 2",
    ),
    (
        "a parked image waits for a person, and lets the one before it go first",
        &[("web", 1, 108, Parked), ("web", 3, 108, Staged)],
        "1 breaks",
        "",
    ),
    (
        "an image that cannot be stored or is being made lets the one before it go first",
        &[
            ("web", 1, 108, TooLarge),
            ("web", 3, 108, Staged),
            ("db", 1, 108, Pending),
            ("db", 3, 108, Staged),
        ],
        "1 breaks, 3 breaks",
        "",
    ),
    (
        "of families over their RPO the smaller image goes first, in both plans",
        &[
            ("web", 30, 4_000, Staged),
            ("db", 28, 108, Staged),
            ("a", 30, 4_000, Copied),
            ("b", 28, 108, Copied),
        ],
        "1 breaks, 0 breaks",
        "3 breaks, 2 breaks",
    ),
    (
        "an archived image waits for no restore",
        &[("all", 2, 108, Complete), ("all", 1, 108, Staged)],
        "1 breaks",
        "",
    ),
];

#[test]
fn each_fleet_has_its_plans() {
    for (what, rows, copies, restores) in TABLE {
        let fleet = observed_fleet((0..).zip(*rows));
        let plans = [planned(&fleet, Step::Copy), planned(&fleet, Step::Restore)];
        assert_eq!(plans, [*copies, *restores], "{what}");
    }
}

#[test]
fn a_backfill_leaves_out_more_older_images_than_it_asks_for() {
    let rows = [
        ("web", 1, 108, Complete),
        ("web", 2, 108, Staged),
        ("web", 3, 108, Copied),
        ("web", 4, 108, Staged),
    ];
    let fleet = observed_fleet((0..).zip(&rows));
    let mut policies = policies();
    policies.0[0].backfill = crate::policy::Backfill::Newest(2);
    let promises = fleet.promises(&policies, &[source()]);
    let members = fleet.members(Step::Copy, now());
    let line = plan(&members, &promises, &[], &mut Turns::default(), now());
    let whys: Vec<Why> = line.iter().map(|planned| planned.why).collect();
    assert_eq!(whys, [Why::Older, Why::Superseded]);
}

#[test]
fn a_turn_that_comes_after_its_hour_is_in_the_plan_again() {
    let fleet = observed_fleet([(0, &("web", 2, 108, CopyLater))]);
    let waits = |seconds| {
        let standing = fleet.members(Step::Copy, at(seconds))[0].standing;
        standing == Standing::Waits { failures: 1 }
    };
    assert_eq!([3_599, 3_600].map(waits), [false, true]);
}

fn any_row() -> impl Strategy<Value = Row> {
    let stages = prop::sample::select(vec![
        Unstaged,
        Staged,
        CopyFails(2),
        Copying,
        Copied,
        RestoreFails(1),
        Restoring,
        Complete,
        Parked,
        TooLarge,
    ]);
    // `all` is of the tier archive, of which nothing is restored.
    let families = prop::sample::select(vec!["web", "db", "all"]);
    let is_archive =
        |family, stage| family == "all" && matches!(stage, Copied | RestoreFails(_) | Restoring);
    // Few times, so that images of a family share one.
    (families, 1_i64..5, 108_u64..900, stages).prop_map(move |(family, time, gib, stage)| {
        let stage = if is_archive(family, stage) { Complete } else { stage };
        (family, time * 9, gib, stage)
    })
}

proptest! {
    // Every case judges dozens of observations.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_in_which_images_are_observed_does_not_matter(
        (rows, looks) in prop::collection::vec(any_row(), 1..12).prop_flat_map(|rows| {
            let numbers: Vec<u32> = (0..).take(rows.len()).collect();
            (Just(rows), Just(numbers).prop_shuffle())
        }),
    ) {
        let one = observed_fleet((0..).zip(&rows));
        let row = |number: u32| (number, &rows[usize::try_from(number).unwrap()]);
        let other = observed_fleet(looks.into_iter().map(row));
        for step in [Step::Copy, Step::Restore] {
            prop_assert_eq!(planned(&one, step), planned(&other, step));
        }
    }
}

#[test]
fn an_image_whose_restore_ended_badly_goes_behind_those_that_were_not_tried_yet() {
    let rows = [("web", 20, 108, RestoreFailed), ("shop", 2, 108, Copied)];
    let fleet = observed_fleet((1..).zip(&rows));
    let members = fleet.members(Step::Restore, now());
    let standings: Vec<_> = members.iter().map(|member| member.standing).collect();
    let waits = |failures| Standing::Waits { failures };
    assert_eq!(standings, [waits(1), waits(0)]);
}

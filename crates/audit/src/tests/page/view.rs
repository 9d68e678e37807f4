//! The fold: headline, order, bounds, and the reason behind every need.

use amiferry_core::code::Code;
use amiferry_core::copy_progress::CopyProgress;
use amiferry_core::names::{SourceId, VaultId};
use jiff::SignedDuration;

use super::super::fixture::{SOURCE, VAULT, left_out, now};
use super::{complete, hours, inventory, open, unreachable_source, view_at, view_of};
use crate::family::RpoState;
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, SourceOfVault, State};
use crate::milestone::Milestone;
use crate::page::view::{Tone, WorkerState};

#[test]
fn the_headline_says_the_worst_that_is_known_and_never_calls_the_unknown_good() {
    let kept = || inventory([complete(1, "shop", 2), complete(2, "mail", 3)]);
    let broken = || inventory([complete(1, "shop", 30), complete(2, "mail", 3)]);
    let unasked = |mut inventory: Inventory| {
        inventory.not_assessed.push(unreachable_source("denied"));
        inventory
    };
    let orphan = || {
        let policy = "gone".to_owned();
        inventory([complete(1, "shop", 2), RecoveryPoint { policy, ..complete(2, "mail", 2) }])
    };
    let waiting = || inventory([open(1, "shop", 2, State::InProgress, Code::NotStaged)]);
    let known = Some(now());
    let long_ago = Some(now() - hours(3));
    for (facts, known_at, tone, headline, detail) in [
        (kept(), known, Tone::Good, "Every RPO is kept", "2 of 2 families within"),
        (waiting(), known, Tone::Busy, "No RPO is broken", "1 without a recovery point yet"),
        (broken(), known, Tone::Bad, "1 of 2 families breaks its RPO", "1 of 2 families within"),
        (unasked(broken()), known, Tone::Bad, "1 of 2 families breaks its RPO", ""),
        (unasked(kept()), known, Tone::Unknown, "Not everything could be assessed", ""),
        (orphan(), known, Tone::Unknown, "Not everything could be assessed", "1 of 2 families"),
        (Inventory::default(), known, Tone::Warn, "Nothing is promised", "No policy"),
        (kept(), None, Tone::Unknown, "Nothing is known yet", "has not succeeded yet"),
        (Inventory::default(), None, Tone::Unknown, "Nothing is known yet", ""),
        (kept(), long_ago, Tone::Unknown, "Out of date: last known 3h 0m ago", "late"),
        (broken(), long_ago, Tone::Unknown, "Out of date: last known 3h 0m ago", ""),
    ] {
        let view = view_at(facts, known_at, None);
        assert_eq!((view.tone, view.headline.as_str()), (tone, headline));
        assert!(view.detail.contains(detail), "{headline}: {}", view.detail);
    }
}

#[test]
fn what_is_lost_comes_before_everything_by_its_name_and_is_neither_parked_nor_under_way() {
    for (state, how) in [
        (State::Lost, "is lost"),
        (State::Tampered, "was tampered with"),
        (State::Unusable, "cannot be used"),
    ] {
        let view = view_of(inventory([
            complete(1, "late", 30),
            RecoveryPoint {
                next_try: Some(now() + hours(1)),
                failed_attempts: Some(3),
                ..open(2, "shop", 4, state, Code::ObjectLost)
            },
            open(3, "late", 4, State::Parked, Code::Denied),
        ]));
        assert_eq!(view.tone, Tone::Bad);
        assert_eq!(view.headline, "1 recovery point no longer matches its record");
        let first = &view.needs[0];
        assert_eq!((first.tone, first.code), (Tone::Bad, Some(Code::ObjectLost)));
        let named = "ami-00000002 \u{201c}web 2\u{201d} of shop in us-west-2";
        assert_eq!(first.what, format!("{named} {how}"));
        let tries = "; 3 attempts have failed; next try at 2026-01-15T13:00:00Z";
        assert!(first.why.ends_with(tries), "{}", first.why);
        assert_eq!(view.lost[0].those.rows[0].0, named);
        assert_eq!((view.parked.len(), view.under_way.total()), (1, 0));
        let html = crate::page::html(&view, crate::page::Updates::Never);
        assert!(html.contains("Lost, tampered with or unusable"), "{html}");
        assert!(!html.contains("none yet"), "a family that had something is not waited for");
    }
}

#[test]
fn a_clock_that_jumped_back_makes_no_facts_old() {
    let view = view_at(inventory([complete(1, "shop", 2)]), Some(now() + hours(5)), None);
    assert_eq!(view.tone, Tone::Good);
}

#[test]
fn families_come_worst_first_and_each_says_its_age_and_margin() {
    let view = view_of(inventory([
        complete(1, "young", 1),
        complete(2, "late", 25),
        complete(3, "old", 23),
        open(4, "never", 48, State::InProgress, Code::NotStaged),
        open(5, "new", 1, State::InProgress, Code::NotStaged),
        RecoveryPoint { policy: "gone".to_owned(), ..complete(6, "orphan", 1) },
    ]));
    let shown: Vec<_> = view
        .families
        .rows
        .iter()
        .map(|row| {
            let bullet = row.bullet.as_ref();
            let bullet = bullet.map(|b| (b.permille, b.is_complete, b.margin.as_str()));
            (row.family.as_str(), row.state, bullet)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("never", RpoState::Unprotected, Some((2_000, false, "1d 0h over"))),
            ("late", RpoState::Breached, Some((1_041, true, "1h 0m over"))),
            ("orphan", RpoState::NotAssessed, None),
            ("old", RpoState::WithinRpo, Some((958, true, "1h 0m left"))),
            ("new", RpoState::Pending, Some((41, false, "23h 0m left"))),
            ("young", RpoState::WithinRpo, Some((41, true, "23h 0m left"))),
        ]
    );
    let counts: Vec<_> = view.states.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [2, 1, 1, 1, 1]);
}

#[test]
fn each_need_names_the_reason_and_what_to_do() {
    let mut facts = inventory([
        complete(1, "stuck", 30),
        RecoveryPoint {
            detail: "arn:aws:kms:key is disabled".to_owned(),
            ..open(2, "stuck", 4, State::Parked, Code::KeyUnusable)
        },
        complete(3, "slow", 26),
        open(4, "slow", 2, State::InProgress, Code::QuotaFull),
        complete(5, "silent", 40),
        open(6, "silent", 50, State::Parked, Code::StoreFailed),
    ]);
    facts.rejected.push(left_out(7, hours(90)));
    // An image before its source, to be shown behind it.
    facts.not_assessed.push(NotAssessed {
        source_image_id: Some("ami-00000008".to_owned()),
        ..unreachable_source("it has no volumeSize")
    });
    facts.not_assessed.push(unreachable_source("sts:AssumeRole is denied"));
    let worker = WorkerState {
        troubles: vec![("receiving from the queue fails".to_owned(), "denied".to_owned())],
        draining: true,
        ..WorkerState::default()
    };
    let view = view_at(facts, Some(now()), Some(&worker));
    let shown: Vec<_> = view
        .needs
        .iter()
        .map(|need| (need.tone, need.what.as_str(), need.why.as_str(), need.code))
        .collect();
    let silent = "its newest image is 1d 16h old, and complete";
    let stuck =
        "ami-00000002: a KMS key that the work needs cannot be used: arn:aws:kms:key is disabled";
    let slow = "ami-00000004: the images in progress fill EC2's store or restore quota";
    let paravirtual = Code::Paravirtual.meaning();
    assert_eq!(
        shown,
        [
            (
                Tone::Bad,
                "shop in us-west-2 is 2d 18h over its RPO",
                &*format!("ami-00000007: {paravirtual}"),
                Some(Code::Paravirtual)
            ),
            (Tone::Bad, "silent in us-west-2 is 16h 0m over its RPO", silent, None),
            (Tone::Bad, "stuck in us-west-2 is 6h 0m over its RPO", stuck, Some(Code::KeyUnusable)),
            (Tone::Bad, "slow in us-west-2 is 2h 0m over its RPO", slow, Some(Code::QuotaFull)),
            (
                Tone::Unknown,
                "333333333333 eu-west-1 does not answer every question",
                "sts:AssumeRole is denied",
                None
            ),
            (
                Tone::Unknown,
                "ami-00000008 of 333333333333 eu-west-1 cannot be observed",
                "it has no volumeSize",
                None
            ),
            (Tone::Warn, "receiving from the queue fails", "denied", None),
            (Tone::Warn, "the worker is stopping", "it was asked to", None),
            (
                Tone::Warn,
                "1 recovery point is parked",
                &*format!(
                    "{}: ami-00000006 \u{201c}web 6\u{201d} of silent",
                    Code::StoreFailed.meaning()
                ),
                Some(Code::StoreFailed)
            ),
            (
                Tone::Warn,
                "1 recovery point is parked",
                &*format!(
                    "{}: arn:aws:kms:key is disabled: ami-00000002 \u{201c}web 2\u{201d} of stuck",
                    Code::KeyUnusable.meaning()
                ),
                Some(Code::KeyUnusable)
            ),
            (
                Tone::Warn,
                "1 image that a policy selects has no copy",
                &*format!("{paravirtual}: ami-00000007 \u{201c}web 7\u{201d}"),
                Some(Code::Paravirtual)
            ),
        ]
    );
    for need in &view.needs {
        assert!(!need.remedy.is_empty(), "{}", need.what);
        if let Some(code) = need.code {
            assert_eq!(need.remedy, code.remedy(), "{}", need.what);
        }
    }
}

#[test]
fn of_several_with_one_failure_each_is_named_with_its_cause_attempts_and_next_try() {
    let stuck = |number: u32, failed: u32, detail: &str| RecoveryPoint {
        failed_attempts: Some(failed),
        next_try: Some(now() + hours(i64::from(failed))),
        detail: detail.to_owned(),
        ..open(number, "stuck", 1, State::Parked, Code::Denied)
    };
    let view = view_of(inventory([stuck(1, 3, "kms:Decrypt"), stuck(2, 1, "s3:GetObject")]));
    let need = view.needs.iter().find(|need| need.code == Some(Code::Denied)).unwrap();
    assert_eq!(need.what, "2 recovery points are parked");
    let each: Vec<_> = need.each.rows.iter().map(|one| (&*one.who, &*one.why)).collect();
    assert_eq!(
        each,
        [
            (
                "ami-00000001 \u{201c}web 1\u{201d} of stuck",
                "; kms:Decrypt; 3 attempts have failed; next try at 2026-01-15T15:00:00Z"
            ),
            (
                "ami-00000002 \u{201c}web 2\u{201d} of stuck",
                "; s3:GetObject; 1 attempt has failed; next try at 2026-01-15T13:00:00Z"
            ),
        ]
    );
    let html = crate::page::html(&view, crate::page::Updates::Never);
    assert!(html.contains("<details class=\"each\" open>"), "few are not folded: {html}");

    let many = |detail: &'static str| {
        (1..=40).map(move |number| RecoveryPoint {
            detail: detail.to_owned(),
            ..open(number, "stuck", 1, State::Parked, Code::Denied)
        })
    };
    let view = view_of(inventory(many("kms:Decrypt")));
    let need = view.needs.iter().find(|need| need.code == Some(Code::Denied)).unwrap();
    assert!(need.why.ends_with(": kms:Decrypt"), "one cause is said once: {}", need.why);
    assert!(need.each.rows.iter().all(|one| one.why.is_empty()), "{need:?}");
    let html = crate::page::html(&view, crate::page::Updates::Never);
    assert!(html.contains("<details class=\"each\"><summary>All 40</summary>"), "{html}");
    for number in 1..=40 {
        let name = format!("ami-{number:08x} \u{201c}web {number}\u{201d} of stuck");
        assert!(html.contains(&name), "{name} is not on the page");
    }
}

#[test]
fn left_out_images_that_the_report_does_not_name_are_counted() {
    let mut facts = inventory([complete(1, "shop", 2)]);
    facts.rejected.push(left_out(2, hours(1)));
    let left_out = [(Code::Paravirtual, 3), (Code::NoPolicy, 40)].into();
    let worker = WorkerState { left_out, ..WorkerState::default() };
    let view = view_at(facts, Some(now()), Some(&worker));
    let counts: Vec<_> = view
        .left_out
        .iter()
        .map(|reason| (reason.code, reason.those.rows.len(), reason.those.total()))
        .collect();
    assert_eq!(counts, [(Code::NoPolicy, 0, 40), (Code::Paravirtual, 1, 4)]);
}

#[test]
fn nothing_needs_a_person_while_everything_passes_by_itself() {
    let view = view_of(inventory([
        complete(1, "shop", 2),
        open(2, "shop", 1, State::InProgress, Code::RestoreRunning),
    ]));
    assert_eq!(view.needs.len(), 0);
    assert_eq!(view.under_way.total(), 1);
}

#[test]
fn the_pipeline_counts_who_reached_each_stage_and_who_is_on_the_way_to_it() {
    let vault_object = Some(super::super::fixture::vault_object());
    let in_vault =
        |point: RecoveryPoint| RecoveryPoint { vault_object: vault_object.clone(), ..point };
    let view = view_of(inventory([
        open(1, "a", 9, State::InProgress, Code::NotStaged),
        open(2, "b", 8, State::InProgress, Code::InTurn),
        in_vault(open(3, "c", 7, State::Parked, Code::EncryptionByDefaultOff)),
        in_vault(open(4, "d", 6, State::InProgress, Code::QuotaFull)),
        RecoveryPoint {
            restored_image_id: Some("ami-0000000f".parse().unwrap()),
            ..in_vault(open(5, "e", 5, State::InProgress, Code::RestoreRunning))
        },
        RecoveryPoint {
            restored_image_id: Some("ami-0000000e".parse().unwrap()),
            ..in_vault(complete(6, "f", 4))
        },
    ]));
    let rows: Vec<_> = view
        .milestones
        .iter()
        .map(|row| (row.milestone, row.reached, row.total, row.ahead, row.parked))
        .collect();
    assert_eq!(
        rows,
        [
            (Milestone::Stored, 5, 6, 1, 0),
            (Milestone::Copied, 4, 6, 1, 0),
            (Milestone::Restored, 2, 6, 2, 1),
            (Milestone::Complete, 1, 6, 1, 0),
        ]
    );
    let oldest_first: Vec<_> = view.under_way.rows.iter().map(|row| row.family.as_str()).collect();
    assert_eq!(oldest_first, ["a", "b", "d", "e"]);
    let done =
        |row: usize| view.under_way.rows[row].milestones.iter().filter(|(_, done)| *done).count();
    assert_eq!([done(0), done(1), done(2), done(3)], [0, 1, 2, 3]);
}

#[test]
fn everything_that_needs_a_person_is_listed_by_name_however_much_it_is() {
    let lost = (1..101)
        .map(|number| open(number, &format!("lost {number}"), 1, State::Lost, Code::ObjectLost));
    let late = (101..141).map(|number| complete(number, &format!("late {number}"), 100));
    let mut facts = inventory(lost.chain(late));
    facts.not_assessed = (141..171)
        .map(|number| NotAssessed {
            source_account: SOURCE.parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: Some(format!("ami-{number:08x}")),
            reason: "access denied".to_owned(),
        })
        .collect();
    let view = view_of(facts);
    let html = crate::page::html(&view, crate::page::Updates::Never);
    for number in (1..101).chain(141..171) {
        let id = format!("ami-{number:08x}");
        assert!(html.contains(&id), "{id} is not on the page");
    }
    for number in 101..141 {
        let name = format!("late {number} in us-west-2 is ");
        assert!(html.contains(&name), "{name:?} is not on the page");
    }
    let what: Vec<&str> = view.needs.iter().map(|need| &*need.what).collect();
    assert!(
        what.contains(&"95 more recovery points are lost, tampered with or unusable"),
        "{what:?}"
    );
    assert!(what.contains(&"25 more things are not assessed"), "{what:?}");
    assert!(view.needs.len() <= 3 * 6, "{what:?}");
    let six =
        inventory((1..7).map(|number| {
            open(number, &format!("lost {number}"), 1, State::Lost, Code::ObjectLost)
        }));
    let alone = view_of(six).needs;
    assert!(alone.iter().all(|need| need.each.rows.is_empty()), "six need no fold: {alone:#?}");
}

#[test]
fn thousands_of_families_are_shown_by_their_worst_and_the_rest_is_counted() {
    let late = complete(1, "the late one", 100);
    let many = (2..3_000).map(|number| complete(number, &format!("family {number}"), 1));
    let stuck = (3_000..3_500)
        .map(|number| open(number, &format!("family {number}"), 1, State::Parked, Code::Denied));
    let waiting = (3_500..4_000).map(|number| {
        open(number, &format!("family {number}"), 1, State::InProgress, Code::NotStaged)
    });
    let view = view_of(inventory([late].into_iter().chain(many).chain(stuck).chain(waiting)));
    assert_eq!(view.families.rows[0].family, "the late one");
    assert_eq!((view.families.rows.len(), view.families.total()), (100, 3_999));
    assert_eq!((view.under_way.rows.len(), view.under_way.total()), (50, 500));
    assert_eq!((view.parked[0].those.rows.len(), view.parked[0].those.total()), (8, 500));
    assert_eq!(view.needs.len(), 2);
    let html = crate::page::html(&view, crate::page::Updates::Every(30));
    assert!(html.len() < 300_000, "{} bytes", html.len());
    for said in ["3899 more families", "450 more recovery points", "492 more of this reason"] {
        assert!(html.contains(said), "{said} is not on the page");
    }
}

#[test]
fn a_family_that_a_policy_names_and_no_source_has_comes_first_and_says_that_it_has_no_image() {
    let mut facts = inventory([complete(1, "late", 99)]);
    facts.places.insert(SourceOfVault {
        source: SourceId { account: SOURCE.parse().unwrap(), region: "us-east-1".parse().unwrap() },
        vault: VaultId { account: VAULT.parse().unwrap(), region: "us-west-2".parse().unwrap() },
    });
    let view = view_of(facts);
    assert_eq!(view.headline, "2 of 2 families break their RPO");
    let rows = view.families.rows.iter();
    let rows: Vec<_> = rows.map(|row| (row.family.as_str(), row.state)).collect();
    assert_eq!(rows, [("all", RpoState::Unprotected), ("late", RpoState::Breached)]);
    let (need, late) = (&view.needs[0], &view.needs[1]);
    assert_eq!(need.what, "all in us-west-2 has no image");
    assert!(need.why.starts_with("policy weekly names this family"), "{}", need.why);
    assert_eq!(late.what, "late in us-west-2 is 3d 3h over its RPO");
}

/// A worker that performs this copy of a recovery point of [`open`]'s number.
fn copying(number: u32, progress: CopyProgress) -> WorkerState {
    let point = open(number, "shop", 1, State::InProgress, Code::InTurn);
    WorkerState { copies: [(point.id(), progress)].into(), ..WorkerState::default() }
}

#[test]
fn a_copy_that_goes_on_says_how_far_it_is_how_fast_and_how_long_yet() {
    let begun = now() - SignedDuration::from_secs(10);
    let mut progress = CopyProgress::new(4_000_000_000, 1_000_000_000, begun);
    let facts = || inventory([open(1, "shop", 1, State::InProgress, Code::InTurn)]);
    let shown = |progress| {
        let view = view_at(facts(), Some(now()), Some(&copying(1, progress)));
        view.under_way.rows[0].copy.clone().unwrap()
    };
    let taken_up = shown(progress);
    assert_eq!((taken_up.permille, taken_up.pace), (250, None));
    assert_eq!(taken_up.amount, "1.0 GB of 4.0 GB copied");
    progress.add(500_000_000);
    let row = shown(progress);
    assert_eq!((row.permille, row.amount.as_str()), (375, "1.5 GB of 4.0 GB copied"));
    assert_eq!(row.pace.as_deref(), Some("50.0 MB/s, 50s left"));
    let elsewhere = view_at(facts(), Some(now()), Some(&copying(2, progress)));
    assert_eq!(elsewhere.under_way.rows[0].copy, None, "the copy of another image");
    assert_eq!(view_of(facts()).under_way.rows[0].copy, None, "AWS alone was asked");
}

#[test]
fn copies_that_go_on_are_shown_however_many_older_images_wait() {
    let points = (1..=200).map(|number| {
        let age = 400 - i64::from(number);
        open(number, "shop", age, State::InProgress, Code::InTurn)
    });
    let worker = copying(200, CopyProgress::new(1_000, 0, now()));
    let view = view_at(inventory(points), Some(now()), Some(&worker));
    let rows = &view.under_way.rows;
    assert_eq!((rows[0].image.as_str(), rows[1].image.as_str()), ("ami-000000c8", "ami-00000001"));
    assert!(rows[0].copy.is_some() && rows[1..].iter().all(|row| row.copy.is_none()));
    assert_eq!(view.under_way.hidden, 150);
}

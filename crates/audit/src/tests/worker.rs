//! What a running worker tells, and what reports make of it: never anything better.

use amiferry_core::answer::{Open, OpenImage, Refusal, SourceAnswer, TargetAnswer};
use amiferry_core::code::Code;
use amiferry_core::ids::{AccountId, Region};

use super::fixture::{VAULT, now};
use super::page::{complete, hours, inventory, open};
use crate::inventory::{RecoveryPoint, State};
use crate::report::Report;
use crate::worker::{SourceWorkerAsked, WorkerAsked, beside_sources, heard, sentences};

fn answer(recovery_points: Vec<Open>) -> TargetAnswer {
    TargetAnswer {
        schema_version: 1,
        as_of: now(),
        target_account: VAULT.parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
        recovery_points,
        unfinished: Vec::new(),
        left_out: 0,
    }
}

fn about(point: &RecoveryPoint, refusal: Option<Refusal>) -> Open {
    Open {
        source_account: point.source_account.clone(),
        source_region: point.source_region.clone(),
        source_image_id: point.source_image_id.clone(),
        next_try: Some(now() + hours(1)),
        refusal,
    }
}

fn refusal(parked: bool) -> Refusal {
    let detail = "ec2:CreateRestoreImageTask on ami-1 failed".to_owned();
    Refusal { code: Code::Denied, detail, parked, failed_attempts: 3 }
}

#[test]
fn what_a_worker_was_refused_is_put_over_what_is_under_way_and_over_nothing_else() {
    let shown = |point: RecoveryPoint, refusal: Option<Refusal>| {
        let mut facts = inventory([point.clone()]);
        facts.hear(&answer(vec![about(&point, refusal)]));
        let point = facts.recovery_points.remove(0);
        (point.state, point.code, point.failed_attempts, point.next_try)
    };
    let next = Some(now() + hours(1));
    let under_way = || open(1, "web", 1, State::InProgress, Code::InTurn);
    let lost = || open(1, "web", 1, State::Lost, Code::ObjectLost);
    for (point, refusal, expected) in [
        (under_way(), Some(refusal(true)), (State::Parked, Code::Denied, Some(3), next)),
        (under_way(), Some(refusal(false)), (State::InProgress, Code::Denied, Some(3), next)),
        (under_way(), None, (State::InProgress, Code::InTurn, None, next)),
        (lost(), Some(refusal(true)), (State::Lost, Code::ObjectLost, Some(3), next)),
        (complete(1, "web", 1), Some(refusal(true)), (State::Complete, Code::Complete, None, None)),
    ] {
        assert_eq!(shown(point, refusal), expected);
    }
    let mut facts = inventory([under_way()]);
    let mut other = answer(vec![about(&under_way(), Some(refusal(true)))]);
    other.target_account = "999999999999".parse().unwrap();
    facts.hear(&other);
    assert_eq!(facts.recovery_points[0].state, State::InProgress, "of another vault");
}

/// What the source worker of a recovery point answers about its image.
fn source_answer(point: &RecoveryPoint, parked: bool) -> SourceAnswer {
    SourceAnswer {
        schema_version: 1,
        as_of: now(),
        source_account: point.source_account.clone(),
        source_region: point.source_region.clone(),
        images: vec![OpenImage {
            source_image_id: point.source_image_id.clone(),
            next_try: now() + hours(1),
            refusal: Refusal { code: Code::StoreFailed, ..refusal(parked) },
        }],
        left_out: 0,
    }
}

#[test]
fn what_a_source_worker_was_refused_is_put_over_what_waits_for_it_in_every_vault() {
    let waiting = || open(1, "web", 1, State::InProgress, Code::NotStaged);
    let elsewhere = RecoveryPoint { target_region: "eu-west-1".parse().unwrap(), ..waiting() };
    let mut facts = inventory([waiting(), elsewhere]);
    facts.hear_source(&source_answer(&waiting(), true));
    for point in &facts.recovery_points {
        assert_eq!((point.state, point.code), (State::Parked, Code::StoreFailed));
        assert_eq!((point.failed_attempts, point.next_try), (Some(3), Some(now() + hours(1))));
    }
    for (point, parked, expected) in [
        (waiting(), false, (State::InProgress, Code::StoreFailed)),
        (
            open(1, "web", 1, State::InProgress, Code::InTurn),
            true,
            (State::InProgress, Code::InTurn),
        ),
        (open(1, "web", 1, State::Lost, Code::ObjectLost), true, (State::Lost, Code::ObjectLost)),
        (complete(1, "web", 1), true, (State::Complete, Code::Complete)),
    ] {
        let mut facts = inventory([point.clone()]);
        facts.hear_source(&source_answer(&point, parked));
        assert_eq!((facts.recovery_points[0].state, facts.recovery_points[0].code), expected);
    }
    let mut other = source_answer(&waiting(), true);
    other.source_account = "999999999999".parse().unwrap();
    let mut facts = inventory([waiting()]);
    facts.hear_source(&other);
    assert_eq!(facts.recovery_points[0].state, State::InProgress, "of another source");
}

#[test]
fn a_report_says_how_many_images_wait_for_a_source_worker_that_was_not_asked() {
    let waiting = |number| open(number, "web", 1, State::InProgress, Code::NotStaged);
    let policies = super::fixture::policies();
    let mut report = Report::new(inventory([waiting(1), waiting(2)]), &policies, now());
    assert_eq!(sentences(&report), None, "no worker was to be asked");
    let on_page = beside_sources(&report).unwrap();
    assert!(on_page.starts_with("2 images are not staged yet"), "{on_page}");
    let staged = open(1, "web", 1, State::InProgress, Code::InTurn);
    assert_eq!(beside_sources(&Report::new(inventory([staged]), &policies, now())), None);
    report.workers = Some(Vec::new());
    let said = sentences(&report).unwrap();
    assert!(said.starts_with("2 images are not staged yet"), "{said}");
    report.source_workers = vec![SourceWorkerAsked::from(&source_answer(&waiting(1), true))];
    assert_eq!(sentences(&report), None);
}

#[test]
fn a_report_says_in_one_line_whether_a_running_worker_was_asked() {
    let vault = |region: &str, is_heard: bool| WorkerAsked {
        target_account: VAULT.parse::<AccountId>().unwrap(),
        target_region: region.parse::<Region>().unwrap(),
        answered_at: is_heard.then(now),
        why: (!is_heard).then(|| "127.0.0.1:9465: connection refused".to_owned()),
    };
    let none = "No target worker answered, so this report lacks the calls that AWS refused it \
                (127.0.0.1:9465: connection refused).";
    for (asked, said) in [
        (vec![], None),
        (vec![vault("us-west-2", true)], Some("The target worker answered")),
        (vec![vault("us-west-2", false)], Some(none)),
        (vec![vault("us-west-2", false), vault("eu-west-1", false)], Some(none)),
        (
            vec![vault("us-west-2", true), vault("eu-west-1", false)],
            Some("The worker of vault 222222222222/eu-west-1 did not answer"),
        ),
    ] {
        match (heard(&asked), said) {
            (Some(heard), Some(said)) => assert!(heard.starts_with(said), "{heard}"),
            (heard, said) => assert_eq!(heard.as_deref(), said),
        }
    }
    let policies = super::fixture::policies();
    let mut report = Report::new(inventory([complete(1, "web", 1)]), &policies, now());
    report.workers = Some(vec![vault("us-west-2", false)]);
    let plain = crate::render::outcome::outcome(&report, crate::render::Look::PLAIN);
    assert!(plain.contains("No target worker answered"), "{plain}");
    let view = crate::page::view::view(crate::page::view::Facts::asked_once(&report));
    let html = crate::page::html(&view, crate::page::Updates::Never);
    assert!(html.contains("No target worker answered"), "{html}");
}

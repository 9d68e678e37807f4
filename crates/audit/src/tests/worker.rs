//! What a running worker tells, and what reports make of it: never anything better.

use amiferry_core::code::Code;
use amiferry_core::ids::{AccountId, Region};

use super::fixture::{SOURCE, VAULT, now};
use super::page::{complete, hours, inventory, open};
use crate::inventory::{RecoveryPoint, State};
use crate::report::Report;
use crate::worker::{Family, Open, Refusal, Told, WorkerAsked, heard};

fn told(recovery_points: Vec<Open>) -> Told {
    Told {
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
fn the_json_of_a_worker_keeps_its_shape() {
    let point = open(1, "web", 1, State::InProgress, Code::InTurn);
    let family = Family {
        source_account: SOURCE.parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        family: "web".to_owned(),
        policy: "weekly".to_owned(),
        since: now() - hours(9),
    };
    let told = Told { unfinished: vec![family], ..told(vec![about(&point, Some(refusal(true)))]) };
    let json = serde_json::to_string_pretty(&told).unwrap();
    assert_eq!(json, FROZEN);
    assert_eq!(Told::from_json(json.as_bytes()), Ok(told));
    let newer = FROZEN.replace("\"left_out\": 0", "\"left_out\": 0, \"new\": [1]");
    assert!(Told::from_json(newer.as_bytes()).is_ok(), "a later version may say more");
    let code = FROZEN.replace("\"denied\"", "\"not_known_yet\"");
    let refused = Told::from_json(code.as_bytes()).unwrap().recovery_points.remove(0).refusal;
    assert_eq!(refused.unwrap().code, Code::Failing);
    for (other, why) in [
        ("<html>", "no target worker"),
        ("{}", "no target worker"),
        (&FROZEN.replace("\"schema_version\": 1", "\"schema_version\": 2"), "schema_version 2"),
        (&FROZEN.replace("ami-00000001", "../../etc"), "no target worker"),
    ] {
        let error = Told::from_json(other.as_bytes()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

const FROZEN: &str = r#"{
  "schema_version": 1,
  "as_of": "2026-01-15T12:00:00Z",
  "target_account": "222222222222",
  "target_region": "us-west-2",
  "recovery_points": [
    {
      "source_account": "111111111111",
      "source_region": "us-east-1",
      "source_image_id": "ami-00000001",
      "next_try": "2026-01-15T13:00:00Z",
      "refusal": {
        "code": "denied",
        "detail": "ec2:CreateRestoreImageTask on ami-1 failed",
        "parked": true,
        "failed_attempts": 3
      }
    }
  ],
  "unfinished": [
    {
      "source_account": "111111111111",
      "source_region": "us-east-1",
      "family": "web",
      "policy": "weekly",
      "since": "2026-01-15T03:00:00Z"
    }
  ],
  "left_out": 0
}"#;

#[test]
fn what_a_worker_was_refused_is_put_over_what_is_under_way_and_over_nothing_else() {
    let shown = |point: RecoveryPoint, refusal: Option<Refusal>| {
        let mut facts = inventory([point.clone()]);
        facts.hear(&told(vec![about(&point, refusal)]));
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
    let mut other = told(vec![about(&under_way(), Some(refusal(true)))]);
    other.target_account = "999999999999".parse().unwrap();
    facts.hear(&other);
    assert_eq!(facts.recovery_points[0].state, State::InProgress, "of another vault");
}

#[test]
fn a_report_says_in_one_line_whether_a_running_worker_was_asked() {
    let vault = |region: &str, is_heard: bool| WorkerAsked {
        target_account: VAULT.parse::<AccountId>().unwrap(),
        target_region: region.parse::<Region>().unwrap(),
        answered_at: is_heard.then(now),
        why: (!is_heard).then(|| "127.0.0.1:9465: connection refused".to_owned()),
    };
    let none = "No running worker was asked: what only it was refused is not here \
                (127.0.0.1:9465: connection refused).";
    for (asked, said) in [
        (vec![], None),
        (vec![vault("us-west-2", true)], Some("The running worker was asked, too")),
        (vec![vault("us-west-2", false)], Some(none)),
        (vec![vault("us-west-2", false), vault("eu-west-1", false)], Some(none)),
        (
            vec![vault("us-west-2", true), vault("eu-west-1", false)],
            Some("The worker of vault 222222222222/eu-west-1 was not asked"),
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
    assert!(plain.contains("No running worker was asked"), "{plain}");
    let view = crate::page::view::view(crate::page::view::Facts::asked_once(&report));
    let html = crate::page::html(&view, crate::page::Updates::Never);
    assert!(html.contains("No running worker was asked"), "{html}");
}

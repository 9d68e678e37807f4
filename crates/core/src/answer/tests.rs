//! The JSON of answers: its shape, and what else answers in the place of a worker.

use jiff::Timestamp;

use super::{Answer, Family, Open, OpenImage, Refusal, SourceAnswer, TargetAnswer};
use crate::code::Code;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn refusal(detail: &str) -> Refusal {
    Refusal { code: Code::Denied, detail: detail.to_owned(), parked: true, failed_attempts: 3 }
}

fn target() -> TargetAnswer {
    TargetAnswer {
        schema_version: 1,
        as_of: at("2026-01-15T12:00:00Z"),
        target_account: "222222222222".parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
        recovery_points: vec![Open {
            source_account: "111111111111".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: "ami-00000001".parse().unwrap(),
            next_try: Some(at("2026-01-15T13:00:00Z")),
            refusal: Some(refusal("ec2:CreateRestoreImageTask on ami-1 failed")),
        }],
        unfinished: vec![Family {
            source_account: "111111111111".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            family: "web".to_owned(),
            policy: "weekly".to_owned(),
            since: at("2026-01-15T03:00:00Z"),
        }],
        left_out: 0,
    }
}

fn source() -> SourceAnswer {
    SourceAnswer {
        schema_version: 1,
        as_of: at("2026-01-15T12:00:00Z"),
        source_account: "111111111111".parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        images: vec![OpenImage {
            source_image_id: "ami-00000001".parse().unwrap(),
            next_try: at("2026-01-15T13:00:00Z"),
            refusal: refusal("ec2:CreateStoreImageTask on ami-1 failed"),
        }],
        left_out: 0,
    }
}

fn pretty(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn the_json_of_each_worker_keeps_its_shape() {
    for (frozen, served, answer) in [
        (TARGET, target().to_json(), Answer::Target(target())),
        (SOURCE, source().to_json(), Answer::Source(source())),
    ] {
        assert_eq!(pretty(&served), pretty(frozen));
        assert_eq!(Answer::from_json(frozen.as_bytes()), Ok(answer));
        let newer = frozen.replace("\"left_out\": 0", "\"left_out\": 0, \"new\": [1]");
        assert!(Answer::from_json(newer.as_bytes()).is_ok(), "a later version may say more");
    }
    let code = SOURCE.replace("\"denied\"", "\"not_known_yet\"");
    let Ok(Answer::Source(answer)) = Answer::from_json(code.as_bytes()) else { panic!("{code}") };
    assert_eq!(answer.images[0].refusal.code, Code::Failing);
}

#[test]
fn what_is_no_answer_of_a_worker_is_named_as_such() {
    for (other, why) in [
        ("<html>", "no worker of amiferry"),
        ("{}", "no worker of amiferry"),
        ("{\"schema_version\": 1}", "no worker of amiferry"),
        (&TARGET.replace("\"schema_version\": 1", "\"schema_version\": 2"), "schema_version 2"),
        (&SOURCE.replace("\"schema_version\": 1", "\"schema_version\": 2"), "schema_version 2"),
        (&TARGET.replace("ami-00000001", "../../etc"), "no worker of amiferry"),
        (&SOURCE.replace("ami-00000001", "../../etc"), "no worker of amiferry"),
    ] {
        let error = Answer::from_json(other.as_bytes()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

const TARGET: &str = r#"{
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

const SOURCE: &str = r#"{
  "schema_version": 1,
  "as_of": "2026-01-15T12:00:00Z",
  "source_account": "111111111111",
  "source_region": "us-east-1",
  "images": [
    {
      "source_image_id": "ami-00000001",
      "next_try": "2026-01-15T13:00:00Z",
      "refusal": {
        "code": "denied",
        "detail": "ec2:CreateStoreImageTask on ami-1 failed",
        "parked": true,
        "failed_attempts": 3
      }
    }
  ],
  "left_out": 0
}"#;

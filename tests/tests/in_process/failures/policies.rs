//! Calls that AWS refuses: by the policy of a bucket or a key, or by those of a worker.

use amiferry_core::code::Code;
use amiferry_simulator::faults::{Effect, FaultPlan, Refusal, Rule};
use amiferry_simulator::kms;
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::bucket::BucketPolicy;
use amiferry_simulator::wire::scope::Service;
use serde_json::{Value, json};

use super::play::play;
use super::{Asked, End, Failure, PARKED, When};
use crate::stage::{Role, Stage};

const NO_DECRYPT: &str = include_str!("../cases/staging-key-no-decrypt.json");
const VIA_SERVICE: &str = include_str!("../cases/staging-key-via-service.json");

/// The statement that a row adds.
const BROKEN: &str = "Broken";

/// The statements of a bucket's policy are those that stood there, and perhaps one that denies.
fn deny(stage: &Stage, bucket: &str, action: Option<&str>) {
    let mut state = stage.world.lock();
    let bucket = state.s3.bucket_mut(bucket).unwrap();
    let old = bucket.policy.as_ref().map(|policy| policy.json.clone());
    let old = old.unwrap_or_else(|| json!({"Version": "2012-10-17", "Statement": []}).to_string());
    let mut policy: Value = serde_json::from_str(&old).unwrap();
    let statements = policy["Statement"].as_array_mut().unwrap();
    statements.retain(|statement| statement["Sid"] != BROKEN);
    if let Some(action) = action {
        let all = json!({"Sid": BROKEN, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"});
        statements.push(all);
    }
    bucket.policy = Some(BucketPolicy::parse(&policy.to_string()).unwrap());
}

fn refuse(stage: &Stage, operation: &str) {
    let rule = Rule::new(Effect::AccessDenied).on(Service::Ec2, operation);
    stage.world.faults().install(FaultPlan::new().fault(rule)).unwrap();
}

fn set_staging_key(stage: &Stage, policy: &str) {
    kms::set_policy(&mut stage.world.lock(), &stage.landscape.staging_key, policy).unwrap();
}

const DENIED: Failure = Failure { code: Code::Denied, ..PARKED };

pub const TABLE: &[Failure] = &[
    Failure {
        what: "the staging bucket's policy denies `s3:PutObject`",
        worker: Role::Source,
        harm: |stage, _| deny(stage, STAGING_BUCKET, Some("s3:PutObject")),
        end: End::Mended("narrow the statement", |stage, _| deny(stage, STAGING_BUCKET, None)),
        ..DENIED
    },
    Failure {
        what: "the source worker may not call `ec2:CreateStoreImageTask`",
        worker: Role::Source,
        harm: |stage, _| refuse(stage, "CreateStoreImageTask"),
        end: End::Mended("allow the action", |stage, _| stage.world.faults().clear()),
        ..DENIED
    },
    Failure {
        what: "the staging bucket's policy denies `s3:GetObject`",
        when: When::Staged,
        asked: Asked::NotAssessed,
        exit: 3,
        harm: |stage, _| deny(stage, STAGING_BUCKET, Some("s3:GetObject")),
        end: End::Mended("narrow the statement", |stage, _| deny(stage, STAGING_BUCKET, None)),
        ..DENIED
    },
    Failure {
        what: "the staging key's policy does not allow `kms:Decrypt` to the vault",
        when: When::Staged,
        asked: Asked::NotAssessed,
        exit: 3,
        harm: |stage, _| set_staging_key(stage, NO_DECRYPT),
        end: End::Mended("allow the action in the key's policy", |stage, _| {
            set_staging_key(stage, VIA_SERVICE);
        }),
        ..DENIED
    },
    Failure {
        what: "the vault bucket's policy denies `s3:PutObject`",
        asked: Asked::Due(Code::InTurn),
        harm: |stage, _| deny(stage, VAULT_BUCKET, Some("s3:PutObject")),
        end: End::Mended("narrow the statement", |stage, _| deny(stage, VAULT_BUCKET, None)),
        ..DENIED
    },
    Failure {
        what: "the target worker may not call `ec2:CreateRestoreImageTask`",
        asked: Asked::Due(Code::InTurn),
        harm: |stage, _| refuse(stage, "CreateRestoreImageTask"),
        end: End::Mended("allow the action", |stage, _| stage.world.faults().clear()),
        ..DENIED
    },
    Failure {
        what: "the target worker may not call `ec2:EnableImageDeregistrationProtection`",
        asked: Asked::Due(Code::InTurn),
        harm: |stage, _| refuse(stage, "EnableImageDeregistrationProtection"),
        end: End::Mended("allow the action", |stage, _| stage.world.faults().clear()),
        ..DENIED
    },
    Failure {
        what: "EC2 refuses a restore for a reason that amiferry does not know",
        code: Code::Failing,
        asked: Asked::Due(Code::InTurn),
        harm: |stage, _| {
            let (status, code) = (400, "SomethingNew".to_owned());
            let refusal = Refusal { status, code, message: "Refused for a test.".to_owned() };
            let rule =
                Rule::new(Effect::Refuse(refusal)).on(Service::Ec2, "CreateRestoreImageTask");
            stage.world.faults().install(FaultPlan::new().fault(rule)).unwrap();
        },
        end: End::Mended("end what the log entry names", |stage, _| stage.world.faults().clear()),
        ..PARKED
    },
];

#[test]
fn calls_that_aws_refuses_are_told_everywhere_and_the_remedy_leads_out() {
    play(TABLE);
}

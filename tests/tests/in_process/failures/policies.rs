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

/// AWS refuses an operation with this answer.
fn answer(
    stage: &Stage,
    service: Service,
    operation: &str,
    (status, code, text): (u16, &str, &str),
) {
    let refusal = Refusal { status, code: code.to_owned(), message: text.to_owned() };
    let rule = Rule::new(Effect::Refuse(refusal)).on(service, operation);
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
            let unknown = (400, "SomethingNew", "Refused for a test.");
            answer(stage, Service::Ec2, "CreateRestoreImageTask", unknown);
        },
        end: End::Mended("end what the log entry names", |stage, _| stage.world.faults().clear()),
        ..PARKED
    },
    Failure {
        what: "EC2 says that the Region is not enabled",
        code: Code::RegionOff,
        asked: Asked::Due(Code::InTurn),
        harm: |stage, _| {
            let off = (403, "OptInRequired", "You are not subscribed to this service.");
            answer(stage, Service::Ec2, "CreateRestoreImageTask", off);
        },
        end: End::Mended("enable the Region", |stage, _| stage.world.faults().clear()),
        ..PARKED
    },
    Failure {
        what: "EC2 says that the account is still being verified",
        code: Code::AccountOff,
        asked: Asked::Due(Code::InTurn),
        harm: |stage, _| {
            let pending = (400, "PendingVerification", "Your account is being verified.");
            answer(stage, Service::Ec2, "CreateRestoreImageTask", pending);
        },
        end: End::Mended("wait until AWS has verified it", |stage, _| {
            stage.world.faults().clear();
        }),
        ..PARKED
    },
    Failure {
        what: "a VPC endpoint refuses copies between Regions",
        code: Code::EndpointOfOneRegion,
        asked: Asked::Due(Code::InTurn),
        harm: |stage, _| {
            let text = "VPC endpoints do not support cross-region requests";
            answer(stage, Service::S3, "UploadPartCopy", (403, "AccessDenied", text));
        },
        end: End::Mended("let the copies leave through a gateway", |stage, _| {
            stage.world.faults().clear();
        }),
        ..PARKED
    },
    Failure {
        what: "S3 says that Object Lock protects what the copy would replace",
        code: Code::ObjectLocked,
        asked: Asked::Due(Code::InTurn),
        harm: |stage, _| {
            let text = "Access Denied because object protected by object lock.";
            answer(stage, Service::S3, "CompleteMultipartUpload", (403, "AccessDenied", text));
        },
        end: End::Mended("wait until the lock ends", |stage, _| stage.world.faults().clear()),
        ..PARKED
    },
];

#[test]
fn calls_that_aws_refuses_are_told_everywhere_and_the_remedy_leads_out() {
    play(TABLE);
}

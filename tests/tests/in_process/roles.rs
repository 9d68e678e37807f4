//! Workers and audits with the policies of `deploy/iam`: they suffice, and no action is too much.

use std::collections::BTreeSet;
use std::time::Duration;

use amiferry_audit::inventory::State as PointState;
use amiferry_simulator::ec2::ImageSpec;
use amiferry_simulator::landscape::READ_ROLE;

use crate::least::{Granted, assert_all_needed, granted, take_away};
use crate::stage::images::But as _;
use crate::stage::{Options, Role, Stage, inventory, minutes, run_test, spec, truth};

const BLOCKS: &str = "AWS's sample policy for EBS blocks lists it; the simulation asks for less";
const HEAD: &str =
    "HeadObject shows a lock only to who may read it; the simulation shows it to all";
const LATE: &str = "a message is hidden for longer only while no look succeeds";

/// Actions in a statement that the simulated AWS does not ask for in these plays: the role, the
/// action and why it is needed.
const LISTED: &[(&str, &str, &str)] = &[
    ("amiferry-source-worker", "sqs:changemessagevisibility", LATE),
    ("amiferry-vault-audit", "s3:getobjectretention", HEAD),
    ("amiferry-vault-worker", "kms:describekey", BLOCKS),
    ("amiferry-vault-worker", "kms:encrypt", BLOCKS),
    ("amiferry-vault-worker", "kms:reencrypt*", BLOCKS),
    ("amiferry-vault-worker", "s3:getobjectretention", HEAD),
    ("amiferry-vault-worker", "sqs:changemessagevisibility", LATE),
];

/// An AWS that is faster than the real one, because these plays are many.
fn hurried() -> Options {
    let mut options = Options::with(|settings| {
        settings.ec2.store.start_up = Duration::from_secs(10);
        settings.ec2.store.megabytes_per_second = 1_000;
        settings.ec2.restore.start_up = Duration::from_secs(10);
        settings.ec2.restore.megabytes_per_second = 1_000;
    });
    options.logged = false;
    options.configure = |config| {
        let bus = "arn:aws:events:us-west-2:222222222222:event-bus/default";
        config.vaults[0].event_bus_arn = Some(bus.parse().unwrap());
    };
    options
}

/// An image whose owner requires IMDSv2 after its store.
fn late_demand(stage: &Stage) -> ImageSpec {
    let mut spec = spec("orders-db", "orders-db-1", &[8]).encrypted(&stage.landscape.workload_key);
    spec.metadata.imds_support = None;
    spec
}

/// What a play with these roles came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// The checks at the start that failed.
    unmet: Vec<&'static str>,
    /// Whether all is complete in time, and the auditor says so.
    complete: bool,
    /// The calls that AWS answered with 403, or 400 as KMS and SQS do, and who made them.
    refused: BTreeSet<(&'static str, String, u16)>,
}

/// Starts both workers, one of which dies in the middle of a copy, and audits what they did.
async fn play(stage: &mut Stage) -> Outcome {
    let mut outcome = Outcome::default();
    for (role, name) in [(Role::Source, "source"), (Role::Target, "target")] {
        if stage.start_check(role).await.is_err() {
            outcome.unmet.push(name);
        }
        // A running worker asks more, once an hour.
        stage.examine(role, false).await;
    }
    let demanding = stage.image(late_demand(stage));
    stage.image(spec("analytics", "analytics-1", &[30]));
    stage.start_both();
    let copies = |stage: &Stage| !stage.wire.calls("UploadPartCopy").is_empty();
    for _ in 0..120 {
        if copies(stage) {
            break;
        }
        stage.pass(Duration::from_secs(5)).await;
    }
    // An audit looks at what is staged while the copy is not complete.
    let early = inventory::partial_report(stage).await.unwrap();
    stage.demand_imds_v2(&demanding);
    stage.kill(Role::Target);
    stage.pass(minutes(3)).await;
    stage.start(Role::Target);
    let recorded = |stage: &Stage| stage.expected().keys().all(|id| truth::is_recorded(stage, id));
    for _ in 0..15 {
        if recorded(stage) {
            break;
        }
        stage.pass(minutes(4)).await;
    }
    stage.pass(minutes(35)).await;
    let report = inventory::partial_report(stage).await.unwrap();
    let complete =
        report.recovery_points.iter().filter(|point| point.state == PointState::Complete).count();
    let assessed = early.not_assessed.is_empty() && report.not_assessed.is_empty();
    outcome.complete = complete == 2 && assessed;
    // One that becomes complete while the worker runs is told.
    stage.image(spec("web", "web-1", &[8]));
    stage.pass(minutes(6)).await;
    let calls = stage.wire.all().into_iter();
    let refused = calls.filter_map(|call| Some((call.who, call.operation, call.status?)));
    outcome.refused = refused.filter(|(.., status)| matches!(status, 400 | 403)).collect();
    outcome
}

/// What the play comes to with the policies as they are, but for one action.
fn without(one: Option<&Granted>) -> Outcome {
    run_test(hurried(), async |stage| {
        stage.act_in_roles();
        if let Some(one) = one {
            take_away(stage, one);
        }
        play(stage).await
    })
}

#[test]
fn the_policies_of_the_roles_suffice() {
    let Outcome { unmet, complete, refused } = without(None);
    assert!(unmet.is_empty() && complete, "{unmet:?}");
    // A policy that lets only S3 and EC2 use a key denies direct calls, which is no refusal.
    let direct: Vec<_> = refused.iter().filter(|(_, operation, _)| !is_of_kms(operation)).collect();
    assert!(direct.is_empty(), "{direct:?}");
}

fn is_of_kms(operation: &str) -> bool {
    let probes = ["Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "CreateGrant"];
    probes.iter().any(|probe| operation.starts_with(probe))
}

#[test]
fn every_action_of_the_roles_is_needed() {
    let all = run_test(hurried(), async |stage| {
        stage.act_in_roles();
        granted(stage, |_| true)
    });
    assert!(all.iter().any(|one| one.role == READ_ROLE));
    let listed: Vec<_> = LISTED.iter().map(|(role, action, _)| (*role, *action)).collect();
    assert_all_needed(&all, &listed, without);
}

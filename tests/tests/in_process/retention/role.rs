//! The role of a prune: no action of its policy is too much.

use amiferry_aws::EventBus;
use amiferry_core::ports::Notifications as _;
use amiferry_prune::report::Left;
use amiferry_simulator::landscape::PRUNE_ROLE;

use super::leftovers::leave;
use super::*;
use crate::least::{Granted, assert_all_needed, granted, take_away};
use crate::stage::bus::BUS;

/// Of the older of the two recovery points that stay, the AMI goes.
fn rules(config: &mut Config) {
    last_two(config);
    for policy in &mut config.policies.0 {
        policy.keep_ami = Some(Keep { last: 1, ..Keep::default() });
    }
}

/// Recovery points go, an AMI alone, and what is left over, an upload among it; who was refused what,
/// and what was said.
fn play(without: Option<&Granted>) -> Vec<String> {
    let options = Options { configure: rules, logged: false, ..Options::default() };
    run_test(options, async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        leave(stage, &ids[3]);
        begin_a_copy(stage).await;
        stage.landscape.prune_role(&stage.world).unwrap();
        if let Some(one) = without {
            take_away(stage, one);
        }
        days(stage, LOCKS).await;
        let pruner = pruner(stage);
        let mut told = Vec::new();
        match pruner.contents().await {
            Ok(contents) => {
                let pruned = pruner.run(&contents, APPLY, &|_| {}).await;
                told.extend(pruned.rows.iter().map(|row| format!("{:?}", row.outcome)));
                let left = pruner.leftovers(&contents, APPLY, &|_| {}).await;
                let left = left.map(|left| left.rows);
                let outcome = |row: &Left| format!("{:?}", row.outcome);
                told.extend(left.iter().flatten().map(outcome));
                told.extend(left.err().map(|fault| fault.to_string()));
                let bus = EventBus::new(&session(stage, "prune"), BUS.parse().unwrap());
                told.push(format!("{:?}", bus.put(&[pruned.notification()]).await.is_ok()));
            }
            Err(fault) => told.push(fault.to_string()),
        }
        let calls = stage.wire.all().into_iter().filter(|call| call.who == "prune");
        let refused = calls.filter(|call| matches!(call.status, Some(400 | 403)));
        told.extend(refused.map(|call| call.operation));
        told
    })
}

/// A copy that never ends: its worker dies, and its image goes with all that was staged.
async fn begin_a_copy(stage: &mut Stage) {
    let id = stage.bystander(spec("orders-db", "orders-db-unfinished", &[200]));
    stage.start_both();
    let begun = |stage: &Stage| {
        stage.wire.calls("UploadPartCopy").iter().any(|call| call.text.contains(id.as_str()))
    };
    stage.until("a part is copied", hours(5), begun).await;
    stage.kill_all();
    stage.deregister(&id, true);
}

#[test]
fn every_action_of_the_role_is_needed() {
    let all = run_test(options(), async |stage| {
        stage.landscape.prune_role(&stage.world).unwrap();
        granted(stage, |role| role == PRUNE_ROLE)
    });
    assert_all_needed(&all, &[], play);
}

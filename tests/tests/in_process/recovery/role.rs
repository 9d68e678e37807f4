//! The role of a restore operator: no action of its policy is too much.

use amiferry_aws::EventBus;
use amiferry_core::policy::StorageClass;
use amiferry_core::ports::Notifications as _;
use amiferry_simulator::landscape::RESTORE_ROLE;

use super::*;
use crate::least::{Granted, assert_all_needed, granted, take_away};
use crate::stage::bus::BUS;

/// Actions that the simulated AWS does not ask for in this play.
const LISTED: &[(&str, &str)] = &[
    // AWS's sample policy for EBS blocks lists them.
    (RESTORE_ROLE, "kms:describekey"),
    (RESTORE_ROLE, "kms:encrypt"),
    (RESTORE_ROLE, "kms:reencrypt*"),
    // HeadObject shows a lock only to who may read it; the simulation shows it to all.
    (RESTORE_ROLE, "s3:getobjectretention"),
];

/// What is archived has to be retrieved first.
fn archived(config: &mut Config) {
    for policy in &mut config.policies.0 {
        if policy.name.as_str() == "archive" {
            policy.storage_class = StorageClass::FlexibleRetrieval;
        }
    }
}

/// One image is restored, another is shared; who was refused what, and what was said.
fn play(without: Option<&Granted>) -> Vec<String> {
    let options = Options { configure: archived, logged: false, ..Options::default() };
    run_test(options, async |stage| {
        stage.image(spec("analytics", "analytics-1", &[8]));
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        stage.landscape.restore_role(&stage.world).unwrap();
        if let Some(one) = without {
            take_away(stage, one);
        }
        let other: AccountId = "999999999999".parse().unwrap();
        let recovery = Recovery { share_with: [other].into(), ..Recovery::default() };
        let recoverer = recoverer(stage);
        let mut told = Vec::new();
        match recoverer.records().await {
            Ok(records) => {
                let chosen = recoverer.choose(&records, &everything(), &recovery).await;
                let recovered = recoverer.run(&records, chosen, &recovery, &|_| {}).await;
                told.extend(recovered.map.iter().map(|row| format!("{:?}", row.state)));
                told.extend(recovered.not_restored.iter().map(|row| format!("{:?}", row.code)));
                let bus = EventBus::new(&operator(stage), BUS.parse().unwrap());
                told.push(format!("{:?}", bus.put(&[recovered.notification()]).await.is_ok()));
            }
            Err(fault) => told.push(fault.to_string()),
        }
        let calls = stage.wire.all().into_iter().filter(|call| call.who == "restore");
        let refused = calls.filter(|call| matches!(call.status, Some(400 | 403)));
        told.extend(refused.map(|call| call.operation));
        told
    })
}

#[test]
fn every_action_of_the_role_is_needed() {
    let all = run_test(Options::default(), async |stage| {
        stage.landscape.restore_role(&stage.world).unwrap();
        granted(stage, |role| role == RESTORE_ROLE)
    });
    assert_all_needed(&all, LISTED, play);
}

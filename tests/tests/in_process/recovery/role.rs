//! The role of a restore operator: no action of its policy is too much.

use super::*;
use crate::least::{Granted, assert_all_needed, granted, take_away};

const LISTED: &[(&str, &str)] = &[];

/// One image is restored, another is shared; who was refused what, and what was said.
fn play(without: Option<&Granted>) -> Vec<String> {
    run_test(Options { logged: false, ..Options::default() }, async |stage| {
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
        granted(stage, |role| role == amiferry_simulator::landscape::RESTORE_ROLE)
    });
    assert_all_needed(&all, LISTED, play);
}

//! The role of a prune: no action of its policy is too much.

use super::leftovers::leave;
use super::*;
use crate::least::{Granted, assert_all_needed, granted, take_away};

/// The simulated AWS has no launch templates of others, parameters or recipes: EC2 looks there in the
/// caller's name when it is asked for references.
const LISTED: &[(&str, &str)] = &[];

/// Two recovery points go, and what is left over; who was refused what, and what was said.
fn play(without: Option<&Granted>) -> Vec<String> {
    run_test(Options { logged: false, ..options() }, async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        leave(stage, &ids[3]);
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
                let leftovers = pruner.leftovers(&contents, APPLY, &|_| {}).await;
                told.push(match leftovers {
                    Ok(left) => {
                        format!("{:?}", left.rows.iter().map(|row| row.outcome).collect::<Vec<_>>())
                    }
                    Err(fault) => fault.to_string(),
                });
            }
            Err(fault) => told.push(fault.to_string()),
        }
        let calls = stage.wire.all().into_iter().filter(|call| call.who == "prune");
        let refused = calls.filter(|call| matches!(call.status, Some(400 | 403)));
        told.extend(refused.map(|call| call.operation));
        told
    })
}

#[test]
fn every_action_of_the_role_is_needed() {
    let all = run_test(options(), async |stage| {
        stage.landscape.prune_role(&stage.world).unwrap();
        granted(stage, |role| role == amiferry_simulator::landscape::PRUNE_ROLE)
    });
    assert_all_needed(&all, LISTED, play);
}

//! `amiferry check` sees what keeps events from a worker, and what it prints leads out.

use amiferry_core::check::{Finding, Hop, Level};
use amiferry_core::ids::Arn;
use amiferry_simulator::landscape::{SOURCE_QUEUE, TARGET_QUEUE};
use amiferry_simulator::sqs;
use serde_json::{Value, json};

use crate::stage::{Options, Role, Stage, run_test};

const ROLES: [Role; 2] = [Role::Source, Role::Target];

fn queue(stage: &Stage, role: Role) -> Arn {
    let ((account, region), name) = match role {
        Role::Source => (&stage.landscape.source, SOURCE_QUEUE),
        Role::Target => (&stage.landscape.vault, TARGET_QUEUE),
    };
    format!("arn:aws:sqs:{region}:{account}:{name}").parse().unwrap()
}

fn set_policy(stage: &Stage, role: Role, statements: &[Value]) {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let policy = if statements.is_empty() { "" } else { policy.as_str() };
    sqs::set_policy(&mut stage.world.lock(), &queue(stage, role), policy).unwrap();
}

/// What is not well, of what `amiferry check` finds at a hop.
async fn not_well(stage: &Stage, role: Role, hop: Hop) -> Vec<Finding> {
    let all = stage.examine(role, false).await.all;
    let at_hop: Vec<Finding> = all.into_iter().filter(|one| one.hop == hop).collect();
    assert!(!at_hop.is_empty(), "nothing is said of {hop:?}");
    at_hop.into_iter().filter(|one| one.level != Level::Ok).collect()
}

#[test]
fn a_queue_whose_policy_lets_no_rule_send_is_warned_of_until_the_statement_is_pasted() {
    for role in ROLES {
        run_test(Options::default(), async |stage| {
            assert_eq!(not_well(stage, role, Hop::Queue).await, []);
            set_policy(stage, role, &[]);
            let found = not_well(stage, role, Hop::Queue).await;
            let [warned] = &found[..] else { panic!("{found:#?}") };
            assert_eq!(warned.level, Level::Warn, "{warned:#?}");
            assert!(warned.cause.contains("events.amazonaws.com"), "{warned:#?}");
            stage.start_check(role).await.unwrap();
            let [paste] = &warned.statements[..] else { panic!("{warned:#?}") };
            assert_eq!(paste.into, format!("the policy of queue {}", queue(stage, role)));
            set_policy(stage, role, std::slice::from_ref(&paste.statement));
            assert_eq!(not_well(stage, role, Hop::Queue).await, []);
        });
    }
}

#[test]
fn a_denial_of_the_worker_s_own_actions_is_a_failure_that_names_the_statement_and_stops_no_start() {
    let sends = |queue: &Arn| {
        json!({
            "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage", "Resource": queue.as_str(),
        })
    };
    for role in ROLES {
        run_test(Options::default(), async |stage| {
            stage.act_in_roles();
            let sends = sends(&queue(stage, role));
            let deny = |condition: Value| {
                json!({
                    "Sid": "Shut", "Effect": "Deny", "Principal": "*", "Resource": "*",
                    "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"], "Condition": condition,
                })
            };
            set_policy(stage, role, &[sends.clone(), deny(json!({}))]);
            let found = not_well(stage, role, Hop::Queue).await;
            let [failed] = &found[..] else { panic!("{found:#?}") };
            assert_eq!(failed.level, Level::Fail, "{failed:#?}");
            assert!(
                failed.cause.contains("statement Shut denies sqs:ReceiveMessage"),
                "{failed:#?}"
            );
            let remedy = failed.remedy.as_deref().unwrap();
            let principal = failed.principal.as_deref().unwrap();
            assert!(remedy.contains(principal) && remedy.contains("aws:PrincipalArn"), "{remedy}");
            stage.start_check(role).await.unwrap();
            // Narrowed as the remedy says.
            let roles = stage.landscape.roles(&stage.world).unwrap();
            let own = if role == Role::Source { roles.source_worker } else { roles.vault_worker };
            let spared = json!({ "ArnNotEquals": { "aws:PrincipalArn": own } });
            set_policy(stage, role, &[sends, deny(spared)]);
            assert_eq!(not_well(stage, role, Hop::Queue).await, []);
        });
    }
}

#[test]
fn conditions_that_are_not_understood_are_neither_well_nor_wrong() {
    run_test(Options::default(), async |stage| {
        let conditional = |effect: &str, principal: Value, action: &str| {
            json!({
                "Sid": "Odd", "Effect": effect, "Principal": principal, "Action": action,
                "Resource": "*", "Condition": { "StringEquals": { "aws:SourceOrgID": "o-1" } },
            })
        };
        let by_events = json!({ "Service": "events.amazonaws.com" });
        let sends = conditional("Allow", by_events, "sqs:SendMessage");
        let shut = conditional("Deny", json!("*"), "sqs:ReceiveMessage");
        set_policy(stage, Role::Target, &[sends, shut]);
        let found = not_well(stage, Role::Target, Hop::Queue).await;
        let levels: Vec<Level> = found.iter().map(|one| one.level).collect();
        assert_eq!(levels, [Level::Unknown; 2], "{found:#?}");
        assert!(found.iter().all(|one| one.cause.contains("statement Odd")), "{found:#?}");
    });
}

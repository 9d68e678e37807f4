//! `amiferry check` sees what keeps events from a worker, and what it prints leads out.

use std::time::Duration;

use amiferry_core::check::{Finding, Hop, Level};
use amiferry_core::ids::{AccountId, Arn, Region};
use amiferry_simulator::faults::{FaultPlan, Outage};
use amiferry_simulator::iam::Policy;
use amiferry_simulator::landscape::{Landscape, SOURCE_QUEUE, STAGING_BUCKET, TARGET_QUEUE};
use amiferry_simulator::wire::scope::Service;
use amiferry_simulator::{events, sqs};
use serde_json::{Value, json};

use crate::stage::{Options, Role, Stage, run_test};

const ROLES: [Role; 2] = [Role::Source, Role::Target];

fn place(stage: &Stage, role: Role) -> (AccountId, Region) {
    let Landscape { source, vault, .. } = &stage.landscape;
    if role == Role::Source { source.clone() } else { vault.clone() }
}

fn queue(stage: &Stage, role: Role) -> Arn {
    let (account, region) = place(stage, role);
    let name = if role == Role::Source { SOURCE_QUEUE } else { TARGET_QUEUE };
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

/// A rule of the landscape: whose it is, its name, and where it sends.
type RuleOf = (Role, &'static str, fn(&Stage) -> Arn);

const RULES: [RuleOf; 4] = [
    (Role::Source, "amiferry-images", |stage| queue(stage, Role::Source)),
    (Role::Source, "amiferry-staged", bus),
    (Role::Target, "amiferry-staged", |stage| queue(stage, Role::Target)),
    (Role::Target, "amiferry-restored", |stage| queue(stage, Role::Target)),
];

fn bus(stage: &Stage) -> Arn {
    let (account, region) = &stage.landscape.vault;
    format!("arn:aws:events:{region}:{account}:event-bus/default").parse().unwrap()
}

/// What stands between two texts.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// Does what the remedy prints.
fn obey(stage: &Stage, role: Role, remedy: &str) {
    let at = place(stage, role);
    let (account, region) = &at;
    assert!(!remedy.contains("--region") || remedy.contains(&format!("--region {region} ")));
    let mut state = stage.world.lock();
    if let Some(name) = between(remedy, "--name ", ".").filter(|_| remedy.contains("enable-rule")) {
        assert!(events::enable_rule(&mut state, &at, name, true), "{remedy}");
        return;
    }
    if remedy.starts_with("aws s3api put-bucket-notification-configuration") {
        let given = between(remedy, "--notification-configuration '", "'").unwrap();
        assert_eq!(given, r#"{"EventBridgeConfiguration":{}}"#);
        state.s3.bucket_mut(STAGING_BUCKET).unwrap().notifications.event_bridge = true;
        return;
    }
    let name = between(remedy, "--name ", " ").unwrap();
    let pattern = between(remedy, "--event-pattern '", "'").unwrap();
    let target = between(remedy, ",Arn=", "'").unwrap();
    let target = target.split(',').next().unwrap().parse().unwrap();
    events::put_rule(&mut state, account, region, name, pattern, &[target]).unwrap();
}

/// What is broken about a rule.
#[derive(Debug, Clone, Copy)]
enum Broken {
    Deleted,
    Disabled,
    OfAnotherSource,
}

#[test]
fn a_rule_that_is_gone_disabled_or_takes_other_events_is_named_and_what_is_printed_mends_it() {
    for ((role, name, target), broken) in RULES.into_iter().flat_map(|rule| {
        [Broken::Deleted, Broken::Disabled, Broken::OfAnotherSource].map(|broken| (rule, broken))
    }) {
        run_test(Options::default(), async |stage| {
            assert_eq!(not_well(stage, role, Hop::EventRules).await, []);
            let ((account, region), target) = (place(stage, role), target(stage));
            let mut state = stage.world.lock();
            let words = match broken {
                Broken::Deleted => {
                    assert!(events::delete_rule(&mut state, &account, &region, name));
                    "no rule"
                }
                Broken::Disabled => {
                    assert!(events::enable_rule(&mut state, &place(stage, role), name, false));
                    "disabled"
                }
                Broken::OfAnotherSource => {
                    let pattern = r#"{"source":["aws.health"]}"#;
                    let to = std::slice::from_ref(&target);
                    events::put_rule(&mut state, &account, &region, name, pattern, to).unwrap();
                    "the pattern does not take it"
                }
            };
            drop(state);
            let found = not_well(stage, role, Hop::EventRules).await;
            let [warned] = &found[..] else { panic!("{name}, {broken:?}: {found:#?}") };
            assert_eq!(warned.level, Level::Warn, "{warned:#?}");
            assert!(warned.cause.contains(words) && warned.cause.contains("sweep"), "{warned:#?}");
            assert!(warned.need.ends_with(target.as_str()), "{warned:#?}");
            stage.start_check(role).await.unwrap();
            obey(stage, role, warned.remedy.as_deref().unwrap());
            assert_eq!(not_well(stage, role, Hop::EventRules).await, [], "{name}, {broken:?}");
        });
    }
}

#[test]
fn a_staging_bucket_that_tells_eventbridge_nothing_is_warned_of() {
    run_test(Options::default(), async |stage| {
        let mut state = stage.world.lock();
        state.s3.bucket_mut(STAGING_BUCKET).unwrap().notifications.event_bridge = false;
        drop(state);
        let found = not_well(stage, Role::Source, Hop::EventRules).await;
        let [warned] = &found[..] else { panic!("{found:#?}") };
        assert_eq!(warned.level, Level::Warn, "{warned:#?}");
        stage.start_check(Role::Source).await.unwrap();
        obey(stage, Role::Source, warned.remedy.as_deref().unwrap());
        assert_eq!(not_well(stage, Role::Source, Hop::EventRules).await, []);
    });
}

#[test]
fn a_rule_that_the_queue_s_policy_keeps_out_is_named_and_its_statement_lets_it_in() {
    run_test(Options::default(), async |stage| {
        let (account, region) = place(stage, Role::Source);
        let queue = queue(stage, Role::Source);
        let mut state = stage.world.lock();
        assert!(events::delete_rule(&mut state, &account, &region, "amiferry-images"));
        let pattern = r#"{"source":["aws.ec2"]}"#;
        let to = std::slice::from_ref(&queue);
        events::put_rule(&mut state, &account, &region, "ours", pattern, to).unwrap();
        drop(state);
        let found = not_well(stage, Role::Source, Hop::EventRules).await;
        let [warned] = &found[..] else { panic!("{found:#?}") };
        assert!(warned.cause.contains("kept out by the queue's policy: ours"), "{warned:#?}");
        set_policy(stage, Role::Source, std::slice::from_ref(&warned.statements[0].statement));
        assert_eq!(not_well(stage, Role::Source, Hop::EventRules).await, []);
    });
}

/// Takes an action away from every role.
fn forbid(stage: &Stage, forbidden: &str) {
    let mut state = stage.world.lock();
    let roles = state.iam.values_mut().flat_map(|account| account.roles.values_mut());
    for role in roles {
        let is_other = |action: &String| !action.eq_ignore_ascii_case(forbidden);
        let statements = &mut role.permissions.statements;
        statements.iter_mut().for_each(|one| one.actions.entries.retain(is_other));
        statements.retain(|one| !one.actions.entries.is_empty());
    }
}

/// Adds a statement to the policy of the role that the finding names.
fn paste(stage: &Stage, into: &str, statement: &Value) {
    let arn = into.strip_prefix("a policy of ").unwrap();
    let (account, name) = (arn.split(':').nth(4).unwrap(), arn.rsplit('/').next().unwrap());
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    let policy = Policy::parse_identity(&document.to_string()).unwrap();
    let mut state = stage.world.lock();
    let account = state.iam.get_mut(&account.parse().unwrap()).unwrap();
    account.roles.get_mut(name).unwrap().permissions.statements.extend(policy.statements);
}

#[test]
fn a_worker_that_may_not_ask_is_told_the_statement_and_it_suffices() {
    for (role, action) in [
        (Role::Source, "events:ListRuleNamesByTarget"),
        (Role::Source, "events:DescribeRule"),
        (Role::Source, "events:TestEventPattern"),
        (Role::Source, "s3:GetBucketNotification"),
        (Role::Target, "events:ListRuleNamesByTarget"),
        (Role::Target, "events:DescribeRule"),
        (Role::Target, "events:TestEventPattern"),
    ] {
        run_test(Options::default(), async |stage| {
            stage.act_in_roles();
            forbid(stage, action);
            stage.start_check(role).await.unwrap();
            let denied = not_well(stage, role, Hop::EventRules).await;
            assert!(!denied.is_empty(), "{action}");
            for one in &denied {
                assert_eq!(one.level, Level::Unknown, "{one:#?}");
                let own = one.statements.iter().find(|one| one.into.starts_with("a policy of "));
                let own = own.unwrap_or_else(|| panic!("{one:#?}"));
                assert_eq!(own.statement["Action"], action, "{one:#?}");
                paste(stage, &own.into, &own.statement);
            }
            assert_eq!(not_well(stage, role, Hop::EventRules).await, [], "{action}");
        });
    }
}

#[test]
fn a_silent_eventbridge_costs_a_check_half_a_minute_and_leaves_the_rules_unknown() {
    for role in ROLES {
        run_test(Options::default(), async |stage| {
            let silent = Outage::of_service(Service::Events, place(stage, role).1);
            stage.world.faults().install(FaultPlan::new().outage(silent)).unwrap();
            let begun = stage.world.now();
            let found = not_well(stage, role, Hop::EventRules).await;
            let took = stage.world.now().duration_since(begun);
            assert!(took.unsigned_abs() < Duration::from_secs(45), "{took}");
            assert_eq!(found.len(), 2, "{found:#?}");
            assert!(found.iter().all(|one| one.level == Level::Unknown), "{found:#?}");
        });
    }
}

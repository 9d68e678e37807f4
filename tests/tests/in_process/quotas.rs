//! `amiferry check` compares the configured rates of calls with what AWS lists, and what it says leads out.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::check::{Finding, Hop, Level};
use amiferry_core::pacing::CallRate;
use amiferry_core::span::Span;
use amiferry_service::config::Config;
use amiferry_simulator::faults::{Effect, FaultPlan, Outage, Rule};
use amiferry_simulator::iam::Policy;
use amiferry_simulator::landscape::Pace;
use amiferry_simulator::quotas::Raised;
use amiferry_simulator::wire::scope::Service;
use serde_json::{Value, json};

use crate::stage::{Options, Role, Stage, run_test};

const ACTION: &str = "servicequotas:ListServiceQuotas";

const ROLES: [(Role, Hop, &str, &str); 2] = [
    (Role::Source, Hop::Store, "CreateStoreImageTask", "[[source]]"),
    (Role::Target, Hop::Restore, "CreateRestoreImageTask", "[[vault]]"),
];

/// The finding about the rate of calls.
async fn judged(stage: &Stage, role: Role) -> Finding {
    let (_, hop, api, _) = ROLES.into_iter().find(|(one, ..)| *one == role).unwrap();
    let all = stage.examine(role, false).await.all;
    let about = |one: &&Finding| one.hop == hop && one.need.contains(&format!("quota on {api}"));
    let about: Vec<&Finding> = all.iter().filter(about).collect();
    assert_eq!(about.len(), 1, "{all:#?}");
    about[0].clone()
}

/// AWS changes the bucket of a role's call.
fn raise(stage: &Stage, role: Role, capacity: f64, refill: f64) {
    let (_, _, api, _) = ROLES.into_iter().find(|(one, ..)| *one == role).unwrap();
    let place = if role == Role::Source { &stage.landscape.source } else { &stage.landscape.vault };
    let (account, region) = place.clone();
    let raised = Raised { account, region, operation: api.to_owned(), capacity, refill };
    stage.world.lock().settings.servicequotas.raised = vec![raised];
}

/// Writes the line that a finding names into the configuration.
fn write_line(stage: &mut Stage, finding: &Finding, table: &str) {
    let told = finding.remedy.as_deref().unwrap();
    let (before, _) = told.split_once(&format!(" in {table}")).unwrap();
    let start = before.find("restore_calls").or_else(|| before.find("store_calls")).unwrap();
    let text = stage.landscape.config(None, Pace::Real);
    let text = text.replacen(table, &format!("{table}\n{}", &before[start..]), 1);
    stage.config = Config::parse(&text, "the pasted line", &BTreeMap::new()).unwrap();
}

#[test]
fn rates_as_aws_lists_them_are_well_and_what_aws_allows_more_can_be_written_down() {
    for (role, _, _, table) in ROLES {
        run_test(Options::default(), async |stage| {
            let finding = judged(stage, role).await;
            assert_eq!((finding.level, &finding.remedy), (Level::Ok, &None), "{finding:#?}");
            assert!(finding.cause.contains("50 calls at once and one more every 10s"));
            raise(stage, role, 100.0, 0.5);
            let finding = judged(stage, role).await;
            assert_eq!(finding.level, Level::Ok, "{finding:#?}");
            assert!(finding.remedy.as_deref().unwrap().contains("AWS allows more"));
            write_line(stage, &finding, table);
            let finding = judged(stage, role).await;
            assert_eq!((finding.level, &finding.remedy), (Level::Ok, &None), "{finding:#?}");
            assert!(finding.need.contains("100 calls at once and one more every 2s"));
        });
    }
}

#[test]
fn a_rate_beyond_that_of_aws_is_warned_of_until_the_line_is_written_or_the_quota_raised() {
    let beyond = CallRate { burst: 80, refill: Span::from_secs(5) };
    for (role, _, _, table) in ROLES {
        run_test(Options::default(), async |stage| {
            let set = |stage: &mut Stage| {
                stage.config.sources[0].store_calls = beyond;
                stage.config.vaults[0].restore_calls = beyond;
            };
            set(stage);
            let warned = judged(stage, role).await;
            assert_eq!(warned.level, Level::Warn, "{warned:#?}");
            stage.start_check(role).await.unwrap();
            raise(stage, role, 80.0, 0.2);
            let raised = judged(stage, role).await;
            assert_eq!(raised.level, Level::Ok, "{raised:#?}");
            // By its words a running worker knows that it is mended.
            assert_eq!(raised.need, warned.need);
            stage.world.lock().settings.servicequotas.raised.clear();
            write_line(stage, &warned, table);
            let mended = judged(stage, role).await;
            assert_eq!((mended.level, &mended.remedy), (Level::Ok, &None), "{mended:#?}");
        });
    }
}

#[test]
fn a_raised_quota_is_found_on_whatever_page_it_is() {
    let options = Options::with(|settings| settings.servicequotas.longest_page = 3);
    run_test(options, async |stage| {
        raise(stage, Role::Target, 70.0, 0.25);
        let finding = judged(stage, Role::Target).await;
        assert!(finding.cause.contains("70 calls at once and one more every 4s"), "{finding:#?}");
        assert!(stage.wire.calls("ListServiceQuotas").len() > 5);
    });
}

#[test]
fn quotas_that_aws_does_not_list_are_not_confirmed_and_no_doubt() {
    let options = Options::with(|settings| settings.servicequotas.buckets_listed = false);
    run_test(options, async |stage| {
        for (role, _, api, _) in ROLES {
            let finding = judged(stage, role).await;
            assert_eq!(finding.level, Level::Ok, "{finding:#?}");
            let note = finding.remedy.as_deref().unwrap();
            assert!(note.contains("not confirmed by AWS") && note.contains(api), "{note}");
        }
    });
}

#[test]
fn values_without_a_meaning_confirm_nothing_and_warn_of_nothing() {
    run_test(Options::default(), async |stage| {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -50.0, 0.0, 1e300] {
            raise(stage, Role::Source, value, value);
            let finding = judged(stage, Role::Source).await;
            assert_eq!(finding.level, Level::Ok, "{value}: {finding:#?}");
            assert!(finding.remedy.as_deref().unwrap().contains("not confirmed by AWS"), "{value}");
        }
    });
}

/// Takes the action away from every role.
fn forbid(stage: &Stage) {
    let mut state = stage.world.lock();
    let roles = state.iam.values_mut().flat_map(|account| account.roles.values_mut());
    for role in roles {
        let is_other = |action: &String| !action.eq_ignore_ascii_case(ACTION);
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
fn a_worker_that_may_not_ask_is_told_the_smallest_statement_and_it_suffices() {
    for (role, ..) in ROLES {
        run_test(Options::default(), async |stage| {
            stage.act_in_roles();
            forbid(stage);
            stage.start_check(role).await.unwrap();
            assert_eq!(stage.wire.calls("ListServiceQuotas").len(), 0, "a start does not ask");
            let denied = judged(stage, role).await;
            assert_eq!(denied.level, Level::Unknown, "{denied:#?}");
            assert_eq!(denied.statements.len(), 1, "{denied:#?}");
            let smallest = json!({ "Effect": "Allow", "Action": ACTION, "Resource": "*" });
            assert_eq!(denied.statements[0].statement, smallest);
            let remedy = denied.remedy.as_deref().unwrap();
            assert!(remedy.contains("allow arn:") && remedy.contains(ACTION), "{remedy}");
            paste(stage, &denied.statements[0].into, &denied.statements[0].statement);
            let mended = judged(stage, role).await;
            assert_eq!((mended.level, &mended.remedy), (Level::Ok, &None), "{mended:#?}");
            assert_eq!(mended.need, denied.need);
        });
    }
}

#[test]
fn a_service_quotas_that_fails_costs_a_check_one_finding_and_half_a_minute() {
    let refusals = [Effect::Throttle, Effect::InternalError, Effect::EmptyBody];
    let refuse = |effect| FaultPlan::new().fault(Rule::new(effect).of(Service::ServiceQuotas));
    for (role, ..) in ROLES {
        run_test(Options::default(), async |stage| {
            let well = stage.examine(role, false).await.all;
            let place =
                if role == Role::Source { &stage.landscape.source } else { &stage.landscape.vault };
            let silent = Outage::of_service(Service::ServiceQuotas, place.1.clone());
            let plans = refusals.clone().map(refuse);
            for plan in plans.into_iter().chain([FaultPlan::new().outage(silent)]) {
                stage.world.faults().install(plan).unwrap();
                let begun = stage.world.now();
                let found = stage.examine(role, false).await.all;
                let took = stage.world.now().duration_since(begun);
                assert!(took.unsigned_abs() < Duration::from_secs(45), "{took}");
                stage.world.faults().clear();
                let changed: Vec<&Finding> =
                    found.iter().filter(|finding| !well.contains(finding)).collect();
                assert_eq!(changed.len(), 1, "{changed:#?}");
                assert_eq!(changed[0].level, Level::Unknown, "{changed:#?}");
                assert_eq!(found.len(), well.len());
            }
        });
    }
}

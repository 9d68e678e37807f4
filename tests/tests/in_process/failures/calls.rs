//! What comes of each call that AWS may refuse to the workers, one call at a time: who says so, and
//! that all goes on once it is allowed again.

use std::thread;

use amiferry_core::refusal::permissions::{ApiCall, CALLS};
use amiferry_service::config::Config;
use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use amiferry_simulator::wire::scope::Service;

use crate::retry::retry_all;
use crate::stage::story::{lines, text};
use crate::stage::{Options, Role, Stage, hours, inventory, minutes, run_test, spec, truth};

/// Calls that only commands of people make.
const OF_COMMANDS: [&str; 1] = ["sqs:SendMessage"];

/// How many plays run at once.
const AT_ONCE: usize = 4;

/// What a refused call leads to.
pub struct Refused {
    pub call: &'static ApiCall,
    /// What the checks at the start of the workers say.
    pub at_start: String,
    /// What becomes of an image.
    pub running: String,
}

/// Plays every call of the table of actions that a worker makes.
pub fn refused() -> Vec<Refused> {
    let calls: Vec<&'static ApiCall> =
        CALLS.iter().filter(|call| !OF_COMMANDS.contains(&call.operation)).collect();
    let share = calls.len().div_ceil(AT_ONCE);
    thread::scope(|scope| {
        let plays: Vec<_> = calls
            .chunks(share)
            .map(|calls| scope.spawn(|| calls.iter().map(|call| play(call)).collect::<Vec<_>>()))
            .collect();
        plays.into_iter().flat_map(|play| play.join().unwrap()).collect()
    })
}

fn play(call: &'static ApiCall) -> Refused {
    let configure = |config: &mut Config| {
        let bus = "arn:aws:events:us-west-2:222222222222:event-bus/default";
        config.vaults[0].event_bus_arn = Some(bus.parse().unwrap());
    };
    let options = Options { configure, kept: true, logged: false, ..Options::default() };
    run_test(options, async |stage| Box::pin(one(stage, call)).await)
}

async fn one(stage: &mut Stage, call: &'static ApiCall) -> Refused {
    let (service, operation) = call.operation.split_once(':').unwrap();
    let service = match service {
        "ec2" => Service::Ec2,
        "events" => Service::Events,
        "kms" => Service::Kms,
        "s3" => Service::S3,
        "servicequotas" => Service::ServiceQuotas,
        "sqs" => Service::Sqs,
        "sts" => Service::Sts,
        other => panic!("no service {other}"),
    };
    let rule = Rule::new(Effect::AccessDenied).on(service, operation);
    stage.world.faults().install(FaultPlan::new().fault(rule)).unwrap();
    let mut named = String::new();
    let mut at_start = Vec::new();
    for role in [Role::Source, Role::Target] {
        if let Err(unmet) = stage.start_check(role).await {
            named.push_str(&unmet.fix);
            at_start.push(format!("the {} worker does not start", role.as_str()));
        }
    }
    let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
    stage.start_both();
    stage.pass(hours(3)).await;
    for line in lines(stage) {
        named.push_str(text(&line, "amiferry.remedy"));
    }
    let mut met = Vec::new();
    for role in [Role::Source, Role::Target] {
        for code in stage.parked(role).keys() {
            met.push(format!("the {} worker parks it as `{code}`", role.as_str()));
        }
    }
    let is_complete = truth::is_recorded(stage, &id);
    let report = inventory::partial_report(stage).await.unwrap();
    match is_complete {
        true => met.push("the image is complete".to_owned()),
        false if met.is_empty() && !report.not_assessed.is_empty() => {
            met.push("the source is not assessed".to_owned());
        }
        false => {}
    }
    let action = call.needs.first().map_or(call.operation, |need| need.action);
    assert!(!met.is_empty(), "{}: nothing is told of an image that is stuck", call.operation);
    assert!(
        is_complete || named.contains(action),
        "{}: {action} is not in {named}",
        call.operation
    );
    stage.world.faults().clear();
    retry_all(stage).await;
    stage.until(call.operation, hours(1), |stage| truth::is_recorded(stage, &id)).await;
    stage.pass(minutes(1)).await;
    Refused { call, at_start: at_start.join(", "), running: met.join(", ") }
}

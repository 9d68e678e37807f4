//! An event bus of the vault account, and a queue that gets what amiferry tells it.

use amiferry_core::ids::Arn;
use amiferry_service::config::Config;
use amiferry_simulator::events;
use amiferry_simulator::sqs::{self, QueueSpec};
use serde_json::Value;

use super::Stage;

/// The bus.
pub const BUS: &str = "arn:aws:events:us-west-2:222222222222:event-bus/default";

/// Has the vault tell the bus.
pub fn tell(config: &mut Config) {
    config.vaults[0].event_bus_arn = Some(BUS.parse().unwrap());
}

/// A queue of the vault account that gets every notification, as an owner would set it up.
pub fn listen(stage: &Stage) -> Arn {
    let now = stage.world.now();
    let (account, region) = stage.landscape.vault.clone();
    let mut state = stage.world.lock();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":
        "events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}"#;
    let spec = QueueSpec { policy: Some(policy.to_owned()), ..QueueSpec::named("on-call") };
    let queue = sqs::create_queue(&mut state, now, &account, &region, &spec).unwrap();
    let targets = std::slice::from_ref(&queue);
    let pattern = r#"{"source":["amiferry"]}"#;
    events::put_rule(&mut state, &account, &region, "on-call", pattern, targets).unwrap();
    queue
}

/// The events that arrived in the queue since the last time.
pub fn arrived(stage: &Stage, queue: &Arn) -> Vec<Value> {
    let now = stage.world.now();
    let mut state = stage.world.lock();
    let bodies = sqs::bodies(&state, queue);
    sqs::purge(&mut state, now, queue);
    bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

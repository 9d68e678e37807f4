//! In some runs an event bus is told of the fleet: what it takes is true, and once all is at rest the
//! last of it is what the worker shows.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_audit::inventory::State;
use amiferry_core::ids::{Arn, ImageId};
use amiferry_simulator::faults::{Entry, How, Outage};
use amiferry_simulator::landscape::VAULT_REGION;
use amiferry_simulator::wire::scope::Service;

use crate::mischief::{Mischief, window};
use crate::plan::Plan;
use crate::stage::truth::{self, Wrong};
use crate::stage::{Role, Stage, bus, minutes};

/// A worker compares the fleet with what the bus took once a minute.
const TOLD: Duration = minutes(3);

/// Whether a run has a bus, and when that does not answer.
pub fn draw(dice: &mut fastrand::Rng, chaos: Duration) -> (bool, Vec<Mischief>) {
    let is_told = dice.u8(..4) == 0;
    let outages = if is_told { dice.usize(..=2) } else { 0 };
    let outages = (0..outages).map(|_| {
        let (begin, end) = window(dice, chaos);
        let how = if dice.bool() { How::Timeout } else { How::Unavailable };
        let outage = Outage::of_service(Service::Events, VAULT_REGION.parse().unwrap());
        Mischief::Aws(Box::new(Entry::Outage(Outage { how, ..outage }.between(begin, end))))
    });
    (is_told, outages.collect())
}

/// Who listens to the bus.
pub struct Listener {
    queue: Arn,
    /// The last that was told of each image of the source.
    heard: BTreeMap<ImageId, String>,
}

impl Listener {
    /// Listens from now on, if the run has a bus.
    pub fn of(stage: &Stage, plan: &Plan) -> Option<Self> {
        plan.told.then(|| Self { queue: bus::listen(stage), heard: BTreeMap::new() })
    }

    /// Takes what has arrived: an image that is told to be complete is complete.
    pub fn hear(&mut self, stage: &Stage) -> Vec<Wrong> {
        let (account, _) = &stage.landscape.source;
        let mut wrongs = Vec::new();
        for event in bus::arrived(stage, &self.queue) {
            let detail = &event["detail"];
            let id = detail["source_image_id"].as_str().map(str::parse::<ImageId>);
            let Some(Ok(id)) = id.filter(|_| detail["source"]["account"] == account.as_str())
            else {
                continue;
            };
            let state = detail["state"].as_str().unwrap_or_default().to_owned();
            if state == State::Complete.as_str() {
                wrongs.extend(truth::missing(stage, &id).into_iter().map(|missing| {
                    wrong(format!("the bus was told that {id} is complete, and {missing}"))
                }));
            }
            self.heard.insert(id, state);
        }
        wrongs
    }

    /// Waits until everything must have been told, and compares it with what the worker shows. Nothing
    /// is compared where a worker died, which does not tell again what is well, where two tell, or where
    /// events are lost or late on their way to the listener.
    pub async fn agrees(&mut self, stage: &mut Stage, plan: &Plan) -> Vec<Wrong> {
        stage.pass(TOLD).await;
        let mut wrongs = self.hear(stage);
        let tells = plan.workers.iter().filter(|(role, _)| *role == Role::Target).count();
        let may_differ = plan.mischief.iter().any(|mischief| match mischief {
            Mischief::Crash { .. } => true,
            Mischief::Aws(entry) => matches!(**entry, Entry::EventFault(_)),
            _ => false,
        });
        if tells != 1 || may_differ {
            return wrongs;
        }
        let (account, _) = stage.landscape.source.clone();
        for report in stage.shown_by_all() {
            for point in report.recovery_points.iter().filter(|p| p.source_account == account) {
                let heard = self.heard.get(&point.source_image_id).map(String::as_str);
                let shown = point.state.as_str();
                let is_told = point.state == State::Complete || point.state.is_lost();
                if is_told && heard != Some(shown) {
                    let id = &point.source_image_id;
                    wrongs
                        .push(wrong(format!("{id} is {shown}, and the bus heard last {heard:?}")));
                }
            }
        }
        wrongs
    }
}

fn wrong(what: String) -> Wrong {
    Wrong { invariant: "told", what }
}

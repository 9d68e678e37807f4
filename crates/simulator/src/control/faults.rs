//! `/_amiferry/faults`: what goes wrong, and how often it has.

use serde_json::{Value, json};

use super::{Refusal, refuse};
use crate::World;
use crate::faults::{Entry, FaultPlan};

pub(super) fn read(world: &World) -> Value {
    let counts: Vec<Value> = world
        .faults()
        .counts()
        .into_iter()
        .map(|(count, times)| {
            let (kind, service, what) = (count.kind, count.service, count.what);
            json!({ "kind": kind, "service": service, "what": what, "times": times })
        })
        .collect();
    json!({
        "installed": world.faults().installed(),
        "kinds": world.faults().kinds(),
        "met": counts,
    })
}

pub(super) fn add(world: &World, entry: Entry) -> Result<Value, Refusal> {
    let ids = world.faults().install(FaultPlan::new().with(entry));
    ids.map(|ids| json!({ "id": ids.first() })).map_err(|why| refuse(400, why))
}

pub(super) fn clear(world: &World) -> Value {
    let removed = world.faults().installed().len();
    world.faults().clear();
    json!({ "removed": removed })
}

pub(super) fn remove(world: &World, id: &str) -> Result<Value, Refusal> {
    let known = id.parse().is_ok_and(|id| world.faults().remove(id));
    if known {
        return Ok(json!({ "removed": 1 }));
    }
    Err(refuse(404, format!("there is no fault {id}; GET faults lists them with their ids")))
}

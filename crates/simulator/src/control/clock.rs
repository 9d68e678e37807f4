//! `/_amiferry/clock`: what time it is, and setting it forward.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, refuse};
use crate::{World, span};

/// A year: the world is locked until everything on the way has happened.
const FARTHEST: Duration = Duration::from_secs(366 * 24 * 3_600);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    advance: String,
}

pub(super) fn read(world: &World) -> Value {
    let clock = world.clock();
    json!({
        "now": clock.now(),
        "started": clock.epoch(),
        "speed": clock.speed(),
        "set_forward": format!("{:#}", clock.set_forward()),
        "next_event": world.lock().agenda.next_at(),
    })
}

/// What becomes due on the way has happened when this returns.
pub(super) fn advance(world: &World, request: &Advance) -> Result<Value, Refusal> {
    let by = span::parse(&request.advance).map_err(|why| refuse(400, why))?;
    if by > FARTHEST {
        return Err(refuse(
            400,
            "advance: at most 8784h at a time, for all on the way happens now",
        ));
    }
    world.clock().advance(by);
    drop(world.lock());
    Ok(read(world))
}

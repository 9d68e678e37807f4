//! What the loop promises, under paused time: `messages`, `hiding`, `effects`, `parties`, `parked`,
//! `sweeps`, `ending` and `logs`; and its parts by themselves: `due`.

mod due;
mod effects;
mod ending;
mod fakes;
mod hiding;
mod logs;
mod messages;
mod parked;
mod parties;
mod queue;
mod sweeps;

use std::time::Duration;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

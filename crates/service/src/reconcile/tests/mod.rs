//! What the loop promises, under paused time: `messages`, `hiding`, `effects`, `ending` and `logs`.

mod effects;
mod ending;
mod fakes;
mod hiding;
mod logs;
mod messages;

use std::time::Duration;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

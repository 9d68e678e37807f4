//! What the loop promises, under paused time: `messages`, `hiding`, `effects` and `ending`.

mod effects;
mod ending;
mod fakes;
mod hiding;
mod messages;

use std::time::Duration;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

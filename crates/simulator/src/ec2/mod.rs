//! Simulated EC2: images, snapshots, store and restore tasks of one account and Region.

pub mod wire;

use jiff::Timestamp;

use crate::world::State;

/// EC2's rates, quotas and switches.
#[derive(Debug, Clone, Default)]
pub struct Settings {}

/// EC2 of one account and Region.
#[derive(Debug, Default)]
pub struct Site {}

/// What a `.bin` object holds: the image as it was when it was stored.
#[derive(Debug, Clone)]
pub struct StoredImage {}

/// What happens in EC2 by itself.
#[derive(Debug)]
pub enum Due {}

/// Lets one due thing happen.
pub fn happen(_state: &mut State, _at: Timestamp, due: Due) {
    match due {}
}

//! The plan run forward: when each waiting image will be stored, copied, restored and recorded, and
//! when a family will break its RPO.
//!
//! The order is that of [`plan`](crate::plan::plan), asked again whenever a quota gets room; [`lane`] is
//! one quota with its create calls, [`allowance`] the daily budget of a source, [`run`](fn@run) plays them all, [`breach`] compares the result with
//! what is promised, [`rate`] says how long a task takes, and [`what_if`] reads images that a person
//! thinks of. A forecast assumes that nothing else comes, fails or changes.

mod allowance;
pub mod breach;
mod lane;
mod line;
pub mod rate;
mod run;
pub mod what_if;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

pub use self::rate::{Rate, Rates};
pub use self::run::run;
pub use self::what_if::WhatIf;
use crate::pacing::CallRate;
use crate::plan::Budget;

/// A step that waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Into the staging bucket, under the store quota of the source.
    Store,
    /// Into the vault, under the worker's own limit.
    Copy,
    /// As an AMI, under the restore quota of the vault.
    Restore,
}

impl Stage {
    /// All of them, in the order in which an image takes them.
    pub const ALL: [Self; 3] = [Self::Store, Self::Copy, Self::Restore];
}

/// How far an image is, as far as a forecast cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Its recovery point is complete.
    Complete,
    /// It waits for a step.
    Waits(Stage),
    /// It takes a step, since a time if that is known.
    Runs(Stage, Option<Timestamp>),
    /// Only the record is missing.
    Record,
    /// It waits for a person, or nothing can be said: it gets no forecast.
    Unplanned,
}

/// One image. Where two are equal in everything that the plan looks at, the first one goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Its family: a position in the promises.
    pub family: usize,
    /// When its data are from.
    pub created: Timestamp,
    /// Its volumes in GB.
    pub size_gb: u64,
    /// Whether it is also restored as an AMI.
    pub ready: bool,
    /// How far it is.
    pub progress: Progress,
    /// How often its step failed in a row.
    pub failures: u32,
}

/// One EC2 quota with its create calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Gigabytes that may be in progress.
    pub limit_gb: u64,
    /// EC2's limit on create calls.
    pub calls: CallRate,
}

/// What one source may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCapacity {
    /// Its store quota.
    pub stores: Quota,
    /// Its turns in the vault for each turn of a source of weight 1.
    pub weight: u32,
    /// What may be copied of it within a day.
    pub budget: Budget,
    /// When images were copied of it within the last day, with their GB.
    pub copied: Vec<(Timestamp, u64)>,
}

/// What limits the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Each source, by its position in the promises.
    pub sources: Vec<SourceCapacity>,
    /// How many objects are copied at once.
    pub copies: u64,
    /// The restore quota of the vault.
    pub restores: Quota,
}

/// One planned step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When it begins, or began.
    pub starts: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
}

/// The forecast of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Which wave it belongs to: 1 for what goes now, and one more for each task that must end before.
    pub wave: u32,
    /// Its store, unless that is over.
    pub store: Option<Step>,
    /// Its copy, unless that is over.
    pub copy: Option<Step>,
    /// Its restore, unless that is over or not wanted.
    pub restore: Option<Step>,
    /// When its recovery point is complete.
    pub finishes: Timestamp,
}

impl Planned {
    /// When the first of its steps begins, or began; `None` where only the record is missing.
    pub fn starts(&self) -> Option<Timestamp> {
        [self.store, self.copy, self.restore].into_iter().flatten().map(|step| step.starts).min()
    }
}

//! Scenarios: a file that says how a world is set, what is in it, what goes wrong and when.
//!
//! ```toml
//! seed = 7            # of every chance in the world
//! speed = 60          # of `amiferry sim serve`: a minute is an hour
//! base = "brisk"      # "aws" for rates as AWS documents them
//!
//! [settings.ec2]      # any of `ec2::Settings`; what is not given stays as in the base
//! store_quota_gb = 300
//!
//! [[image]]           # is there from the start
//! name = "web-1"
//! gib = [30, 10]
//!
//! [[fault]]
//! service = "s3"
//! operation = "CompleteMultipartUpload"
//! when = { nth = 1 }
//! effect = "response-lost"
//!
//! [[action]]
//! at = "30m"
//! do = { disable-key = "arn:aws:kms:us-west-2:222222222222:alias/amiferry-vault" }
//! ```
//!
//! Everything is optional and nothing unknown is accepted. `docs/faults.md` explains every key.

mod action;
mod file;
mod image;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use action::Action;
pub(crate) use action::{Planned, happen};
pub use file::ScenarioError;
pub use image::ImageEntry;

use crate::faults::FaultPlan;
use crate::{Settings, World, agenda};

/// A scenario that can be played in any world.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The seed that it was written for.
    pub seed: Option<u64>,
    /// How many times as fast as real time it is meant to run.
    pub speed: Option<u32>,
    /// Rates, quotas and switches, seed included.
    pub settings: Settings,
    /// What goes wrong with calls and events.
    pub plan: FaultPlan,
    images: Vec<ImageEntry>,
    actions: Vec<Planned>,
}

impl Scenario {
    /// Reads a scenario; `name` stands before what is wrong with it.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str, name: &str) -> Result<Self, ScenarioError> {
        file::parse(text, name)
    }

    /// Puts the images into a world, installs the faults and plans the actions; times count from
    /// the start of the world. Playing it twice does everything twice.
    ///
    /// # Errors
    /// Faults that cannot be installed: none, as they were checked when the file was read.
    pub fn begin(&self, world: &World) -> Result<(), String> {
        world.faults().install(self.plan.clone())?;
        let start = world.clock().epoch();
        let now = world.now();
        let mut state = world.lock();
        for image in &self.images {
            image.appear(&mut state, now, false);
        }
        for planned in &self.actions {
            let at = after(start, planned.at).max(now);
            state.agenda.plan(at, agenda::Due::Scenario(planned.clone()));
        }
        Ok(())
    }
}

fn after(at: Timestamp, span: std::time::Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

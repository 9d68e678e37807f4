//! Simulated EC2: images, snapshots, store and restore tasks of one account and Region.
//!
//! [`image`] and [`snapshot`] are the resources, [`site`] holds those of one account and
//! Region. Each verb has its rules in a file of its own: [`store`] and [`restore`] (the two that
//! no other emulator has), [`copy`], [`create`], [`lifecycle`], [`tags`], [`encryption`].
//! [`finish`] ends running work, [`scenario`] puts images into the world without a call, and
//! [`wire`] translates from and to the query protocol.

pub mod claim;
pub mod copy;
pub mod create;
pub mod encryption;
mod errors;
mod finish;
pub mod image;
pub mod lifecycle;
mod names;
pub mod restore;
pub mod scenario;
pub mod settings;
pub mod site;
pub mod snapshot;
mod snapshot_events;
pub mod store;
mod stored;
pub mod tags;
#[cfg(test)]
mod tests;
pub(crate) mod throttle;
mod time;
mod trail;
pub mod wire;

use amiferry_core::ids::{AccountId, ImageId, Region, SnapshotId};
use jiff::Timestamp;

pub use image::{Image, ImageState};
pub use scenario::{
    ImageSpec, VolumeSpec, add_image, add_instance, image, images, set_default_encryption,
    snapshots, store_tasks,
};
pub use settings::Settings;
pub use site::Site;
pub use snapshot::{Snapshot, SnapshotState};
pub use store::{StoreState, StoreTask};
pub use stored::StoredImage;

use crate::world::State;

/// An account and Region.
pub type Place = (AccountId, Region);

/// What happens in EC2 by itself.
#[derive(Debug)]
pub enum Due {
    /// A store task comes to its end.
    StoreEnds {
        /// Where it runs.
        place: Place,
        /// Its number in that place.
        task: u64,
    },
    /// A pending image comes to its end.
    ImageEnds {
        /// Where it is made.
        place: Place,
        image: ImageId,
        /// Why it fails, if that was clear from the start.
        failure: Option<String>,
        /// The claim of its creator, to be checked again; `None` if only EC2's own rules apply.
        claim: Option<Box<claim::Claim>>,
    },
    /// A snapshot of its own comes to its end.
    SnapshotEnds {
        /// Where it is made.
        place: Place,
        snapshot: SnapshotId,
    },
}

/// Lets one due thing happen.
pub fn happen(state: &mut State, at: Timestamp, due: Due) {
    match due {
        Due::StoreEnds { place, task } => store::end(state, at, &place, task),
        Due::ImageEnds { place, image, failure, claim } => {
            let failure = failure.or_else(|| claim.as_ref()?.check_at_end(state, at, &place).err());
            let making = match claim.as_ref().map(|claim| &claim.work) {
                Some(claim::Work::Copy { .. }) => finish::Making::Copy,
                Some(_) => finish::Making::Restore,
                None => finish::Making::Snapshots,
            };
            finish::image(state, at, &place, &image, making, failure);
        }
        Due::SnapshotEnds { place, snapshot } => finish::snapshot(state, at, &place, &snapshot),
    }
}

/// The ARN of an image; its account field is empty in AWS too.
pub fn image_arn(region: &Region, id: &str) -> String {
    format!("arn:aws:ec2:{region}::image/{id}")
}

/// The ARN of a snapshot; its account field is empty in AWS too.
pub fn snapshot_arn(region: &Region, id: &str) -> String {
    format!("arn:aws:ec2:{region}::snapshot/{id}")
}

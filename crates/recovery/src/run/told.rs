//! What is told while a restore runs.

use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_core::model::Speed;
use amiferry_core::names::RecoveryPointId;
use jiff::Timestamp;

use super::Run;

/// Something that happened, or how far all of it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A copy to the destination began, or goes on where another run left it.
    Copying { id: RecoveryPointId, bytes: u64 },
    /// A restore began.
    Began { id: RecoveryPointId, image: ImageId, size_gb: u64 },
    /// S3 began to retrieve an archived object, or was at it; it takes until then at most.
    Retrieving { id: RecoveryPointId, from: String, speed: Speed, ready_by: Timestamp },
    /// An image is there, protected and, in the vault, recorded.
    There { id: RecoveryPointId, image: ImageId },
    /// An image is given up.
    GivenUp { id: RecoveryPointId, code: Code, reason: String },
    /// How far all of it is: told after each look, every ten seconds while something restores.
    Progress {
        done: usize,
        of: usize,
        /// Gigabytes that restore where the images are made, for this command and for others.
        in_progress_gb: u64,
        /// What this command has begun, in the order of its source images.
        running: Vec<Running>,
        expected_end: Timestamp,
    },
}

/// One that is in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub id: RecoveryPointId,
    pub doing: Doing,
    /// How much of it is done; `None` while AWS does not show that.
    pub percent: Option<u8>,
}

/// What is done for one that is in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// S3 retrieves its object from an archive.
    Retrieving,
    /// Its object is copied to the destination.
    Copying,
    /// EC2 restores it as this image.
    Restoring(ImageId),
}

impl Run<'_> {
    pub(super) fn tell_progress(&mut self) {
        let now = self.now();
        (self.tell)(&Event::Progress {
            done: self.of - self.tasks.len(),
            of: self.of,
            in_progress_gb: self.turns.in_progress_gb(),
            running: self.in_progress(),
            expected_end: self.turns.expected_end(&self.recoverer.observer.policies, now),
        });
    }

    fn in_progress(&self) -> Vec<Running> {
        let copies = self.copies_now();
        let percent = |id: &RecoveryPointId| {
            let permille = copies.get(id)?.permille();
            u8::try_from(permille / 10).ok()
        };
        let of = |id: &RecoveryPointId, doing, percent| Running { id: id.clone(), doing, percent };
        let retrieving = self.turns.retrieving.keys().map(|id| of(id, Doing::Retrieving, None));
        let copying = self.copying.ids().map(|id| of(id, Doing::Copying, percent(id)));
        let restoring = self
            .running
            .iter()
            .map(|(id, (image, percent))| of(id, Doing::Restoring(image.clone()), *percent));
        let mut running: Vec<Running> = retrieving.chain(copying).chain(restoring).collect();
        running.sort_by(|one, other| one.id.cmp(&other.id));
        running
    }
}

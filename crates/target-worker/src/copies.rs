//! The copies that this worker performs now, and how far each is. Losing this is harmless: a
//! resumed copy starts with the parts that S3 lists.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use amiferry_core::copy_progress::CopyProgress;
use amiferry_core::names::RecoveryPointId;

/// The running copies, by their recovery point.
#[derive(Debug, Default)]
pub struct Copies(Mutex<BTreeMap<RecoveryPointId, CopyProgress>>);

/// A running copy; dropping this ends it, whatever the result.
#[derive(Debug)]
pub struct Copying<'a> {
    copies: &'a Copies,
    id: &'a RecoveryPointId,
}

impl Copies {
    /// A copy begins or resumes.
    pub fn begin<'a>(&'a self, id: &'a RecoveryPointId, progress: CopyProgress) -> Copying<'a> {
        self.running().insert(id.clone(), progress);
        Copying { copies: self, id }
    }

    /// The copies that run now.
    pub fn now(&self) -> BTreeMap<RecoveryPointId, CopyProgress> {
        self.running().clone()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<RecoveryPointId, CopyProgress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Copying<'_> {
    /// A part of this many bytes was copied.
    pub fn add(&self, bytes: u64) {
        if let Some(progress) = self.copies.running().get_mut(self.id) {
            progress.add(bytes);
        }
    }
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.copies.running().remove(self.id);
    }
}

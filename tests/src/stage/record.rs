//! What is recorded of an image, to be compared with what was.

use amiferry_core::ids::ImageId;
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3::lock::Retention;

use super::Stage;
use super::truth::vault_key;

/// What a recorded recovery point consists of in the vault bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The version of the manifest.
    manifest: String,
    /// The version of the object, and until when it is locked.
    object: Option<(String, Option<Retention>)>,
}

impl Recorded {
    /// Whether it is what was recorded before. A lock may have become longer: of two workers one can see
    /// that the image has moved to a policy that demands it, after the other has written the record.
    pub fn keeps(&self, before: &Self) -> bool {
        let lock = |recorded: &Self| recorded.object.as_ref().and_then(|(_, lock)| *lock);
        let is_kept = match (lock(before), lock(self)) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(old), Some(new)) => new.mode == old.mode && new.until >= old.until,
        };
        let version =
            |recorded: &Self| recorded.object.as_ref().map(|(version, _)| version.clone());
        self.manifest == before.manifest && version(self) == version(before) && is_kept
    }
}

/// What a recovery point consists of in the vault bucket; `None` without a manifest.
pub fn record(stage: &Stage, id: &ImageId) -> Option<Recorded> {
    let state = stage.world.lock();
    let bucket = state.s3.bucket(VAULT_BUCKET)?;
    let key = vault_key(stage, id, "manifest.json");
    let manifest = bucket.has(&key).then(|| bucket.versions(&key).last())??;
    let object = bucket.versions(&vault_key(stage, id, "image.bin")).last();
    let object = object
        .map(|version| (version.id.clone(), version.object().and_then(|object| object.retention)));
    Some(Recorded { manifest: manifest.id.clone(), object })
}

//! Decides to write the manifest when all else is done; afterwards compares it with what AWS shows.

use super::{Effect, ManifestFact, View};
use crate::code::Code;
use crate::decide::Decision;
use crate::manifest::{Manifest, RestoredRecord, VaultObject};

impl View<'_> {
    /// The manifest: written when all else is done; afterwards it must agree with AWS.
    pub(super) fn manifest(
        &self,
        object: &VaultObject,
        restored: Option<RestoredRecord>,
    ) -> Decision<Effect> {
        let ManifestFact::Present(manifest) = &self.observed.manifest else {
            return Decision::Act(Effect::Record(Box::new(Manifest {
                recovery_point: self.observed.id.clone(),
                family: self.terms.family.clone(),
                policy: self.terms.policy.clone(),
                tier: self.terms.tier,
                source: self.terms.source.clone(),
                vault_object: object.clone(),
                restored,
                completed_at: self.later.now,
            })));
        };
        let recorded = &manifest.vault_object;
        let same_object = recorded.at == object.at
            && recorded.size == object.size
            && recorded.checksum == object.checksum;
        let same_image = manifest.restored.as_ref().map(|r| &r.image_id)
            == restored.as_ref().map(|r| &r.image_id);
        let same_point = manifest.recovery_point == self.observed.id
            && manifest.source.created_at == self.terms.source.created_at;
        for (same, what) in [
            (same_point, "another recovery point"),
            (same_object, "another vault object"),
            (same_image, "another restored image"),
        ] {
            if !same {
                return self.later.park(Code::ManifestMismatch, format!("it names {what}"));
            }
        }
        Decision::Done(Code::Complete)
    }
}

//! Which recovery points a message names. A message has no authority: it must match the configured
//! accounts, Regions, buckets and keys, and it only says where to look.

use amiferry_core::decide::vault::observation::Part;
use amiferry_core::event::{
    self, EventKind, Hint, ImageHint, ObjectHint, Parsed, Reject, RejectCode,
};
use amiferry_core::fault::Fault;
use amiferry_core::ids::ImageId;
use amiferry_core::model::Image;
use amiferry_core::names::{self, RecoveryPointId, tag};
use amiferry_service::reconcile::Interpreted;

use crate::role::TargetRole;

/// The parts of an observation that may have changed, by what a message names.
fn told_of(hint: &Hint) -> &'static [Part] {
    match hint {
        Hint::Object(_) => &[Part::Staged],
        Hint::Image(_) => &[Part::Source, Part::Restored, Part::Details],
    }
}

/// What an image of the vault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnImage {
    /// It was restored for this recovery point.
    RestoredFor(RecoveryPointId),
    /// Any other image.
    Other,
}

impl TargetRole {
    pub(crate) fn interpreted(&self, body: &str) -> Interpreted<RecoveryPointId> {
        let parsed = match event::parse(body) {
            Ok(parsed) => parsed,
            Err(reject) => return Interpreted::refused(reject),
        };
        let mut keys = Vec::new();
        let mut rejected = parsed.rejected;
        for hint in &parsed.hints {
            let pinned = match hint {
                Hint::Object(hint) => self.pin_object(hint),
                Hint::Image(hint) => self.pin_image(hint),
            };
            match pinned {
                Ok(key) => {
                    match &key {
                        Some(key) if parsed.kind == EventKind::Operator => self.urge(key),
                        Some(key) => self.memory().observations.forget(key, told_of(hint)),
                        None => {}
                    }
                    keys.extend(key);
                }
                // AWS Backup may copy to other accounts and Regions: legitimate, and not ours.
                Err(_) if parsed.kind == EventKind::BackupCopyJob => {}
                Err(reject) => rejected.push(reject),
            }
        }
        Interpreted { kind: Some(parsed.kind), keys, rejected }
    }

    /// A person asks for the next step: something was repaired, so nothing that was seen before
    /// counts, and no pause after failures holds it for long.
    fn urge(&self, key: &RecoveryPointId) {
        let is_known = self.fleet().row(key).is_some();
        let mut memory = self.memory();
        memory.observations.drop(key);
        if let Some(facts) = &mut memory.vault {
            facts.doubt();
        }
        if is_known {
            memory.urged.insert(key.clone());
        }
    }

    /// The images of the vault itself that a message names. A running worker looks at those that it is
    /// restoring, and at no other.
    pub fn own_images(&self, parsed: &Parsed) -> Vec<ImageId> {
        let images = parsed.hints.iter().filter_map(|hint| match hint {
            Hint::Image(hint) if self.is_own(hint) => Some(hint.image.clone()),
            Hint::Image(_) | Hint::Object(_) => None,
        });
        images.collect()
    }

    /// What an image of the vault is; `None` where EC2 does not show it there.
    ///
    /// # Errors
    /// EC2 does not answer, or its answer about this image cannot be read.
    pub async fn own_image(&self, image: &ImageId) -> Result<Option<OwnImage>, Fault> {
        let asked = std::slice::from_ref(image);
        let shown = self.observer.vault.images.describe(asked).await?;
        let mut shown = shown.by_id(asked, |image| image.id.clone(), "ec2:DescribeImages");
        let Some(shown) = shown.remove(image).transpose()? else { return Ok(None) };
        Ok(Some(self.restored_for(&shown).map_or(OwnImage::Other, OwnImage::RestoredFor)))
    }

    /// The recovery point that an image was restored for, as its name says, or else its tags.
    fn restored_for(&self, shown: &Image) -> Option<RecoveryPointId> {
        let by_tags = || {
            let source_image: ImageId = shown.tags.get(tag::SOURCE_IMAGE)?.parse().ok()?;
            let points =
                self.observer.sources.iter().map(|source| {
                    self.observer.recovery_point(&source.scope, source_image.clone())
                });
            points.into_iter().find(|point| names::is_tagged_for(point, &shown.tags))
        };
        names::restored_owner(&self.observer.vault_id(), &shown.name).or_else(by_tags)
    }

    /// The recovery points that this image would have here, one for each source.
    pub fn points_of(&self, image: &ImageId) -> Vec<RecoveryPointId> {
        let sources = self.observer.sources.iter();
        sources.map(|source| self.observer.recovery_point(&source.scope, image.clone())).collect()
    }

    fn is_own(&self, hint: &ImageHint) -> bool {
        let vault = &self.observer.vault;
        hint.account.as_ref() == Some(&vault.account) && hint.region.as_ref() == Some(&vault.region)
    }

    /// An object hint may come from any configured source, and from no other bucket.
    fn pin_object(&self, hint: &ObjectHint) -> Result<Option<RecoveryPointId>, Reject> {
        let source = self
            .observer
            .sources
            .iter()
            .find(|source| source.scope.staging_bucket == hint.bucket)
            .ok_or_else(|| {
                let detail = format!("{} is no configured staging bucket", hint.bucket);
                Reject::new(RejectCode::ForeignBucket, &detail)
            })?;
        let image = source.scope.pin_object(hint)?;
        Ok(image.map(|image| self.observer.recovery_point(&source.scope, image)))
    }

    /// An image hint names either a restored image that the worker waits for, or a source image.
    ///
    /// Any other image of the vault starts no work, so events of the vault's images, restored ones
    /// included, can never start a copy.
    fn pin_image(&self, hint: &ImageHint) -> Result<Option<RecoveryPointId>, Reject> {
        if self.is_own(hint) {
            return Ok(self.memory().restoring.get(&hint.image).map(|image| image.id.clone()));
        }
        let mut refused = None;
        for source in &self.observer.sources {
            match source.scope.pin_image(hint) {
                Ok(image) => {
                    return Ok(
                        image.map(|image| self.observer.recovery_point(&source.scope, image))
                    );
                }
                Err(reject) => refused = Some(reject),
            }
        }
        refused.map_or(Ok(None), Err)
    }
}

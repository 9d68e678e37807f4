//! Decides to write the manifest when all else is done; afterwards compares it with what AWS shows.

use super::restored::tag_value;
use super::{Effect, ManifestFact, View, terms};
use crate::code::Code;
use crate::decide::Decision;
use crate::manifest::{ALLOWED_SKEW, Manifest, Record, RestoredRecord, VaultObject};
use crate::model::ImageState;
use crate::names::{RecordKind, tag};
use crate::planted::{Bug, has};
use crate::policy::Tier;

impl View<'_> {
    /// The manifest: written when all else is done; afterwards it must agree with AWS.
    pub(super) fn manifest(
        &self,
        object: &VaultObject,
        restored: Option<RestoredRecord>,
    ) -> Decision<Effect> {
        let ManifestFact::Present(manifest) = &self.observed.manifest else {
            let (created, now) = (self.terms.source.created_at, self.later.now);
            if created.duration_since(now) > ALLOWED_SKEW {
                let detail = format!("created at {created}, and it is {now}");
                return self.later.park(Code::CreatedInFuture, detail);
            }
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
        let same_point = manifest.recovery_point == self.observed.id;
        // What replaces a recorded object was compared with what is staged.
        let is_stored_again = recorded.at != object.at;
        let is_restored_again =
            !same_image && self.has_lost(manifest) && !has(Bug::ReplacementUnrecorded);
        let contradiction =
            terms::contradiction(self.observed).or_else(|| self.relabelled(manifest));
        if same_point
            && contradiction.is_none()
            && (same_object || is_stored_again)
            && (same_image || is_restored_again)
            && (is_stored_again || is_restored_again)
        {
            let kind = if is_stored_again { RecordKind::Stored } else { RecordKind::Restored };
            return Decision::Act(Effect::RecordAgain(Box::new(Record::after(
                manifest,
                self.observed.newest_record,
                kind,
                (object.clone(), restored),
                self.later.now,
            ))));
        }
        for (same, what) in [
            (same_point, "another recovery point"),
            (same_object, "another vault object"),
            (same_image, "another restored image"),
        ] {
            if !same {
                return self.later.park(Code::ManifestMismatch, format!("it names {what}"));
            }
        }
        if let Some(what) = contradiction {
            return self.later.park(Code::ManifestMismatch, format!("it names {what}"));
        }
        Decision::Done(Code::Complete)
    }

    /// What the manifest says otherwise than the tags that the restore gave the image.
    fn relabelled(&self, manifest: &Manifest) -> Option<String> {
        let image = self.observed.restored.last().filter(|_| manifest.tier == Tier::Ready)?;
        let created = manifest.source.created_at.to_string();
        let told = [
            (tag::POLICY, &manifest.policy),
            (tag::FAMILY, &manifest.family),
            (tag::SOURCE_CREATED, &created),
            (tag::SOURCE_NAME, &manifest.source.name),
        ];
        told.into_iter().find_map(|(key, value)| {
            let value = tag_value(value);
            let tag = image.tags.get(key);
            let shown = tag.map_or("no such tag", String::as_str);
            (tag != Some(&value)).then(|| format!("{key} {value}, and {} has {shown}", image.id))
        })
    }

    /// Whether the recorded image is gone, and the newest one can be restored from the same source.
    /// While it is there, another one under our name is none of ours.
    fn has_lost(&self, manifest: &Manifest) -> bool {
        let id = &self.observed.id;
        // EC2 shows what an image was made of only for some.
        let lineage = self.observed.restored.last().and_then(|image| image.source_image.as_ref());
        if lineage.is_some_and(|made_of| {
            *made_of != (id.source_region.clone(), id.source_image_id.clone())
        }) {
            return false;
        }
        let is_gone =
            |state: &ImageState| matches!(state, ImageState::Failed | ImageState::Deregistered);
        manifest.restored.as_ref().is_some_and(|recorded| {
            let mut restored = self.observed.restored.iter();
            restored.all(|image| image.id != recorded.image_id || is_gone(&image.state))
        })
    }
}

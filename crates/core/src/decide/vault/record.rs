//! Decides to write the manifest when all else is done; afterwards compares it with what AWS shows.

use super::restored::tag_value;
use super::{Effect, ManifestFact, Observed, View, terms};
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
        // What a person had restored stays recorded, also where the tier promises no image. No
        // manifest of such a tier names one by itself.
        let is_believed = manifest.tier == Tier::Ready
            || manifest.restored.is_none()
            || self.observed.newest_record.is_some();
        let restored = restored.or_else(|| manifest.restored.clone().filter(|_| is_believed));
        let recorded = &manifest.vault_object;
        let same_object = recorded.at == object.at
            && recorded.size == object.size
            && recorded.checksum == object.checksum;
        let same_image = is_believed
            && manifest.restored.as_ref().map(|r| &r.image_id)
                == restored.as_ref().map(|r| &r.image_id);
        let same_point = manifest.recovery_point == self.observed.id;
        // What replaces a recorded object was compared with what is staged.
        let is_stored_again = recorded.at != object.at;
        let is_restored_again = !same_image
            && is_believed
            && self.is_of_its_source()
            && (is_first(manifest) || has_lost(self.observed, manifest))
            && !has(Bug::ReplacementUnrecorded);
        let may_launch = |record: &Option<RestoredRecord>| {
            record.as_ref().map(|record| record.shared_with.clone()).unwrap_or_default()
        };
        let is_newly_shared =
            same_image && same_object && may_launch(&restored) != may_launch(&manifest.restored);
        let contradiction =
            terms::contradiction(self.observed).or_else(|| self.relabelled(manifest));
        if same_point
            && contradiction.is_none()
            && (same_object || is_stored_again)
            && (same_image || is_restored_again)
            && (is_stored_again || is_restored_again || is_newly_shared)
        {
            let kind = match (is_stored_again, is_restored_again) {
                (true, _) => RecordKind::Stored,
                (false, true) => RecordKind::Restored,
                (false, false) => RecordKind::Shared,
            };
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
        let image = self.observed.restored.last().filter(|_| self.terms.tier == Tier::Ready)?;
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

    /// Whether the newest image can be restored from the source of this recovery point. EC2 shows
    /// what an image was made of only for some.
    fn is_of_its_source(&self) -> bool {
        let id = &self.observed.id;
        let lineage = self.observed.restored.last().and_then(|image| image.source_image.as_ref());
        lineage.is_none_or(|(region, image)| {
            (region, image) == (&id.source_region, &id.source_image_id)
        })
    }
}

/// Whether the manifest names no image, and its tier promises none: a person had it restored.
fn is_first(manifest: &Manifest) -> bool {
    manifest.tier == Tier::Archive && manifest.restored.is_none()
}

/// Whether the recorded image is gone. While it is there, another one under our name is none of
/// ours.
fn has_lost(observed: &Observed, manifest: &Manifest) -> bool {
    let is_gone =
        |state: &ImageState| matches!(state, ImageState::Failed | ImageState::Deregistered);
    manifest.restored.as_ref().is_some_and(|recorded| {
        let mut restored = observed.restored.iter();
        restored.all(|image| image.id != recorded.image_id || is_gone(&image.state))
    })
}

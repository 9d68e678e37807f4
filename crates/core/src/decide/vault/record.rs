//! Decides to write the manifest when all else is done; afterwards compares it with what AWS shows.

use super::restored::tag_value;
use super::{Effect, ManifestFact, View, terms};
use crate::code::Code;
use crate::decide::Decision;
use crate::manifest::{ALLOWED_SKEW, Manifest, RestoredRecord, VaultObject};
use crate::names::tag;
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
        for (same, what) in [
            (same_point, "another recovery point"),
            (same_object, "another vault object"),
            (same_image, "another restored image"),
        ] {
            if !same {
                return self.later.park(Code::ManifestMismatch, format!("it names {what}"));
            }
        }
        if let Some(what) =
            terms::contradiction(self.observed).or_else(|| self.relabelled(manifest))
        {
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
}

//! Compares the restored image with its source, checks its protection, or decides to restore it.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{DefaultEncryption, Effect, ManifestFact, Next, RestoreOrder, View, failures};
use crate::code::Code;
use crate::decide::{Decision, shown};
use crate::fault::FaultClass;
use crate::ids::{AccountId, Arn};
use crate::manifest::RestoredRecord;
use crate::model::{
    DeregistrationProtection, Image, ImageState, KeyVerdict, Snapshot, SnapshotState, Tags,
};
use crate::names::{self, VaultKeys, tag};
use crate::planted::{Bug, has};
use crate::shape::{Difference, Shape, not_demanded, passed_on, sort_out};

/// How many tags a resource holds (EC2 user guide, *Tag restrictions*). AWS's own do not count there;
/// whether they do in a `.bin` that brings them along is not documented, so they do here.
const MOST_TAGS: usize = 50;

/// How much the clocks of S3 and EC2 may differ.
const CLOCKS_OF_AWS: SignedDuration = SignedDuration::from_mins(1);

impl View<'_> {
    /// The restored image: available, encrypted, not shared, equal to its source, protected.
    pub(super) fn restored(&self) -> Next<RestoredRecord> {
        let Some(image) = self.observed.restored.last() else { return self.restore(1) };
        if !self.is_ours(image) {
            let detail = format!("{} is named {}", image.id, image.name);
            return self.park(Code::NameTaken, detail);
        }
        match &image.state {
            ImageState::Available => {}
            ImageState::Pending if has(Bug::UnfinishedRestoreCounts) => {
                return Next::Checked(record_of(image));
            }
            ImageState::Pending => {
                let detail = format!("{} {} %", image.id, self.progress());
                return self.follow(image, detail);
            }
            ImageState::Failed if has(Bug::FailedRestoreAwaited) => {
                return self.wait(Code::RestoreRunning, "it failed");
            }
            ImageState::Failed | ImageState::Deregistered => return self.restore_again(image),
            ImageState::Disabled => {
                let detail = format!("{} is disabled: enable it", image.id);
                return self.park(Code::RestoreFailed, detail);
            }
            ImageState::Other(state) => {
                return self.follow(image, format!("{} is {state}", image.id));
            }
        }
        if let Some(undone) = self.snapshots_undone(image) {
            return undone;
        }
        // Launch permissions expose the data now; a difference matters only at a recovery.
        let Some(others) = &self.observed.launch_permissions else {
            return self.wait(Code::Settling, "EC2 does not know the new image everywhere yet");
        };
        let allowed = self.may_launch(image);
        let is_allowed = |other: &str| allowed.iter().any(|account| account.as_str() == other);
        let others: Vec<String> =
            others.iter().filter(|other| !is_allowed(other)).cloned().collect();
        if let Some(others) = shared_with(image, &others).filter(|_| !has(Bug::SharingIgnored)) {
            return self.park(Code::Shared, format!("{} with {others}", image.id));
        }
        let uefi_data = self.observed.uefi_data.restored;
        let (source, restored) =
            (&self.terms.source.shape, Shape { uefi_data, ..Shape::of(image) });
        let accepts = |difference: &Difference| self.accepts(difference);
        if source.differs_only_by_imds_v2(&restored, accepts) {
            return Next::Decided(Decision::Act(Effect::DemandImdsV2(image.id.clone())));
        }
        let (accepted, differences) = sort_out(source.differences(&restored), accepts);
        // Two workers can record an image as it was and harden the restored one as it is now: that is
        // stricter than the record, and no loss.
        let is_recorded = matches!(self.observed.manifest, ManifestFact::Present(_));
        let is_stricter = is_recorded && source.is_laxer_only_in_imds(&restored, accepts);
        if !differences.is_empty() && !is_stricter {
            let list: Vec<String> = differences
                .iter()
                .map(|d| format!("{}: {} became {}", d.attribute, d.source, d.restored))
                .collect();
            return self.park(Code::MetadataMismatch, list.join("; "));
        }
        match &image.deregistration_protection {
            DeregistrationProtection::Disabled if !has(Bug::ProtectionForgotten) => {
                Next::Decided(Decision::Act(Effect::Protect(image.id.clone())))
            }
            DeregistrationProtection::Other(setting) => {
                let detail = format!("{} has deregistration protection {setting}", image.id);
                self.wait(Code::Settling, detail)
            }
            DeregistrationProtection::Disabled
            | DeregistrationProtection::Enabled
            | DeregistrationProtection::EnabledWithCooldown => {
                let keys = self.observed.snapshots.iter().filter_map(|one| one.key.clone());
                Next::Checked(RestoredRecord {
                    keys: keys.collect(),
                    accepted_differences: accepted,
                    shared_with: allowed,
                    ..record_of(image)
                })
            }
        }
    }

    /// The accounts that may launch this image: those that its record names, and those that a
    /// person wants to.
    fn may_launch(&self, image: &Image) -> BTreeSet<AccountId> {
        let record = self.record().filter(|record| record.image_id == image.id);
        let recorded = record.iter().flat_map(|record| &record.shared_with);
        let wanted = self.observed.recovery.iter().flat_map(|recovery| &recovery.share_with);
        recorded.chain(wanted).cloned().collect()
    }

    /// What was recorded, if it is.
    fn record(&self) -> Option<&RestoredRecord> {
        match &self.observed.manifest {
            ManifestFact::Present(manifest) => manifest.restored.as_ref(),
            ManifestFact::Absent | ManifestFact::Unreadable(_) | ManifestFact::Pruned(_) => None,
        }
    }

    /// Whether the policy accepts a difference, or did when the image was recorded.
    fn accepts(&self, found: &Difference) -> bool {
        let accepted = &self.terms.accept_differences;
        not_demanded(found).is_some()
            || accepted.iter().any(|attribute| attribute.as_str() == found.attribute)
            || self.record().is_some_and(|record| record.accepted_differences.contains(found))
    }

    fn follow<T>(&self, image: &Image, detail: String) -> Next<T> {
        let since = Some(image.created);
        Next::Decided(self.later.follow(since, Code::RestoreRunning, detail))
    }

    fn restore(&self, generation: u32) -> Next<RestoredRecord> {
        if self.observed.settling {
            return self.wait(Code::Settling, "a restore was just started");
        }
        if let Some(parked) = self.unready_encryption() {
            return parked;
        }
        let ours = self.tags();
        let mut image_tags = passed_on(&self.terms.source.shape.tags);
        let of_aws = |key: &String| key.starts_with(tag::AWS_PREFIX);
        let of_aws = self
            .observed
            .image()
            .map_or(0, |image| image.tags.keys().filter(|key| of_aws(key)).count());
        let (carried, own) = (image_tags.len(), ours.len());
        image_tags.extend(ours.clone());
        if image_tags.len() + of_aws > MOST_TAGS {
            let detail = format!(
                "{carried} of the source, {of_aws} of AWS and {own} of amiferry, {MOST_TAGS} allowed"
            );
            return self.park(Code::TooManyTags, detail);
        }
        // Last, because to retrieve it costs hours and money.
        if let Some(archived) = self.observed.object.as_ref().and_then(|it| it.archived.as_ref()) {
            return self.park(Code::ObjectArchived, archived.to_string());
        }
        Next::Decided(Decision::Act(Effect::Restore(Box::new(RestoreOrder {
            name: self.new_name(generation),
            image_tags,
            snapshot_tags: ours,
            size_gb: self.terms.source.size_gib,
        }))))
    }

    /// The name of the next restore: derived from its source, or, where a person wants that, the
    /// source image's own. That is never one of ours: the source chose it.
    fn new_name(&self, generation: u32) -> String {
        let original = &self.terms.source.name;
        let is_wanted =
            self.observed.recovery.as_ref().is_some_and(|recovery| recovery.original_name);
        let is_used = self.observed.restored.iter().any(|image| image.name == *original);
        match is_wanted && !is_used && !original.is_empty() && !names::is_reserved(original) {
            true => original.clone(),
            false => names::restored_name(&self.observed.id, generation),
        }
    }

    /// Why a restored snapshot would not be encrypted as it must be.
    fn unready_encryption<T>(&self) -> Option<Next<T>> {
        match &self.vault.default_encryption {
            DefaultEncryption::Off if !self.terms.accept_plaintext => {
                (!has(Bug::PlaintextRestored)).then(|| {
                    self.park(Code::EncryptionByDefaultOff, "refused to restore plaintext")
                })
            }
            DefaultEncryption::NotTold(fault) if !self.terms.accept_plaintext => {
                let code = match fault.class {
                    FaultClass::Denied => Code::Denied,
                    _ => Code::Failing,
                };
                Some(self.park(code, fault.to_string()))
            }
            DefaultEncryption::With(_, KeyVerdict::Unusable(why)) => {
                Some(self.park(Code::KeyUnusable, why.clone()))
            }
            DefaultEncryption::Off
            | DefaultEncryption::NotTold(_)
            | DefaultEncryption::With(..) => None,
        }
    }

    /// Restores again under the next name, after a pause that grows with each failure in a row. It
    /// counts from the start of the last restore, so a long one that failed is repeated sooner.
    fn restore_again(&self, last: &Image) -> Next<RestoredRecord> {
        let vault = self.observed.id.vault();
        let derived = self
            .observed
            .restored
            .iter()
            .filter_map(|image| names::restored_as(&vault, &image.name));
        let generation = derived.map(|(_, generation)| generation).max().unwrap_or_default();
        let next = self.restore(generation.saturating_add(1));
        let mut failed = failures::failed(self.observed);
        if failed.is_empty() && last.state == ImageState::Available {
            // EC2 shows it as available although one of its snapshots failed.
            failed.push(last);
        }
        let retry_at = failures::retry_at(&failed, self.observed.urged, self.later.pace);
        match (next, retry_at) {
            (Next::Decided(Decision::Act(_)), Some(until)) if self.later.now < until => {
                let (times, reason) = (failed.len(), failures::reason(last));
                let images = failures::listed(&failed);
                let detail = format!("failed {times} times: {reason}; left over: {images}");
                let until = until.max(self.later.pace.poll.after(self.later.now));
                Next::Decided(Decision::Park {
                    until,
                    code: Code::RestoreFailed,
                    detail: shown(detail),
                })
            }
            (next, _) => next,
        }
    }

    fn snapshots_undone(&self, image: &Image) -> Option<Next<RestoredRecord>> {
        let snapshots = &self.observed.snapshots;
        if image.snapshots().any(|id| !snapshots.iter().any(|s| s.id == *id)) {
            return Some(self.wait(Code::Settling, "EC2 does not show all its snapshots yet"));
        }
        for snapshot in snapshots {
            match &snapshot.state {
                SnapshotState::Completed => {}
                SnapshotState::Pending => {
                    let detail = format!("{} {} %", snapshot.id, snapshot.progress);
                    return Some(self.follow(image, detail));
                }
                SnapshotState::Other(state) => {
                    return Some(self.follow(image, format!("{} is {state}", snapshot.id)));
                }
                SnapshotState::Error if self.observed.manifest == ManifestFact::Absent => {
                    return Some(self.restore_again(image));
                }
                SnapshotState::Error => {
                    let detail = format!("snapshot {} failed", snapshot.id);
                    return Some(self.park(Code::RestoreFailed, detail));
                }
                SnapshotState::Recycled => {
                    let detail = format!(
                        "snapshot {} is in the recycle bin: recover it, or deregister {} to have \
                         it restored again",
                        snapshot.id, image.id
                    );
                    return Some(self.park(Code::RestoreFailed, detail));
                }
            }
            // Accepting plaintext does not include keys of other accounts, which could withdraw
            // them.
            let plaintext_accepted = self.terms.accept_plaintext && !snapshot.encrypted;
            if !plaintext_accepted && !self.has_vault_key(snapshot) {
                let key = snapshot.key.as_deref().unwrap_or("no key");
                let detail = format!("{} has {key}", snapshot.id);
                return Some(self.park(Code::SnapshotsUnencrypted, detail));
            }
            if let DefaultEncryption::With(key, KeyVerdict::Unusable(why)) =
                &self.vault.default_encryption
                && snapshot.key.as_deref() == Some(key.as_str())
            {
                return Some(self.park(Code::KeyUnusable, why.clone()));
            }
            let key = snapshot.key.as_ref();
            if let Some(why) = key.and_then(|key| self.observed.unusable_keys.get(key)) {
                return Some(self.park(Code::KeyUnusable, why.clone()));
            }
        }
        None
    }

    /// Whether a key of the vault encrypts the snapshot: one of its account, or one of another
    /// account that the vault's own settings name.
    fn has_vault_key(&self, snapshot: &Snapshot) -> bool {
        let key = snapshot.key.as_deref().and_then(|key| key.parse::<Arn>().ok());
        let Some(key) = key.filter(|_| snapshot.encrypted) else { return false };
        let recorded = || self.record().is_some_and(|record| record.keys.contains(key.as_str()));
        key.account().is_some_and(|account| account == self.vault.account)
            || recorded()
            || self.vault.default_encryption.key() == Some(&key)
            || self.vault.key == key
    }

    fn progress(&self) -> u64 {
        let count = u64::try_from(self.observed.snapshots.len()).unwrap_or(u64::MAX).max(1);
        self.observed.snapshots.iter().map(|s| u64::from(s.progress)).sum::<u64>() / count
    }

    /// An image under our name is ours only if the vault owns it and it carries the tags that the
    /// restore call gave it: its source, the manifest that its object belongs to, and the version of
    /// that object, which S3 chose and no one could know before. What is recorded is ours whatever
    /// became of the object.
    fn is_ours(&self, image: &Image) -> bool {
        let ours = self.tags();
        let telling = [
            tag::MANAGED,
            tag::SOURCE_ACCOUNT,
            tag::SOURCE_REGION,
            tag::SOURCE_IMAGE,
            tag::MANIFEST,
        ];
        let agrees = |key: &str| image.tags.get(key) == ours.get(key);
        let is_recorded = self.record().is_some_and(|record| record.image_id == image.id);
        let is_of_version = agrees(tag::OBJECT_VERSION);
        let is_restore = telling.into_iter().all(agrees)
            && (is_recorded || (is_of_version && !self.was_made_beforehand(image)));
        image.owner == self.vault.account && (is_restore || has(Bug::SquatterAdopted))
    }

    /// Whether an image that is not recorded cannot be a restore of the object: it is older than the
    /// object, or EC2 shows that it was made of another image. Its tags anyone in the vault can write;
    /// these two no one can.
    fn was_made_beforehand(&self, image: &Image) -> bool {
        let id = &self.observed.id;
        let written = self.observed.object.as_ref().and_then(|object| object.last_modified);
        let is_older = image.state == ImageState::Available
            && written.is_some_and(|written| written.duration_since(image.created) > CLOCKS_OF_AWS);
        let made_of = image.source_image.as_ref();
        let is_of_another = made_of.is_some_and(|(region, source)| {
            (region, source) != (&id.source_region, &id.source_image_id)
        });
        is_older || (is_of_another && self.observed.manifest == ManifestFact::Absent)
    }

    fn tags(&self) -> Tags {
        let id = &self.observed.id;
        let tags = [
            (tag::MANAGED, "true".to_owned()),
            (tag::SOURCE_ACCOUNT, id.source_account.to_string()),
            (tag::SOURCE_REGION, id.source_region.to_string()),
            (tag::SOURCE_IMAGE, id.source_image_id.to_string()),
            (tag::SOURCE_CREATED, self.terms.source.created_at.to_string()),
            (tag::SOURCE_NAME, self.terms.source.name.clone()),
            (tag::POLICY, self.terms.policy.clone()),
            (tag::FAMILY, self.terms.family.clone()),
            (tag::MANIFEST, self.manifest_location()),
        ];
        let object = self.observed.object.as_ref();
        let version = object.and_then(|object| object.at.version.clone());
        let version = version.map(|version| (tag::OBJECT_VERSION, version));
        let tags = tags.into_iter().chain(version);
        tags.map(|(key, value)| (key.to_owned(), tag_value(&value))).collect()
    }

    fn manifest_location(&self) -> String {
        let bucket = &self.vault.bucket;
        VaultKeys::of(&self.vault.prefix, &self.observed.id)
            .map(|keys| format!("s3://{bucket}/{}", keys.manifest))
            .unwrap_or_default()
    }
}

/// A text as the value of a tag, which holds at most 256 characters (EC2 user guide, *Tag
/// restrictions*).
pub(super) fn tag_value(text: &str) -> String {
    text.chars().take(256).collect()
}

fn record_of(image: &Image) -> RestoredRecord {
    RestoredRecord {
        image_id: image.id.clone(),
        name: image.name.clone(),
        snapshots: image.snapshots().cloned().collect(),
        keys: Default::default(),
        accepted_differences: Vec::new(),
        shared_with: Default::default(),
    }
}

/// Which other accounts than the vault may launch an image with these launch permissions.
fn shared_with(image: &Image, others: &[String]) -> Option<String> {
    // `all` is the only group there is (EC2 API, *LaunchPermission*).
    if image.public || others.iter().any(|other| other == "all") {
        return Some("everyone".to_owned());
    }
    (!others.is_empty()).then(|| others.join(", "))
}

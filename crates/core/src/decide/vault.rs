//! Decides the target worker's next step for one recovery point, and so also whether it is
//! complete: the audit asks the same function.

use jiff::Timestamp;

use super::eligibility;
use super::order::Urgency;
use super::{Decision, Later, Pace};
use crate::code::Code;
use crate::ids::{AccountId, Arn, BucketName, ImageId};
use crate::manifest::{Manifest, RestoredRecord, SCHEMA_VERSION, SourceRecord, VaultObject};
use crate::model::{
    Checksum, DeregistrationProtection, Image, ImageState, KeyVerdict, Retention, RetentionMode,
    Snapshot, SnapshotState, StoredObject, Tags,
};
use crate::names::{self, RecoveryPointId, VaultKeys, tag};
use crate::policy::{Policies, Policy, Tier};
use crate::shape::{Shape, passed_on};
use crate::span::Span;

/// The vault that the recovery point belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    /// The vault account.
    pub account: AccountId,
    /// The vault bucket.
    pub bucket: BucketName,
    /// Where manifests lie: the prefix of all keys.
    pub prefix: String,
    /// The key of the vault bucket.
    pub key: Arn,
    /// Whether that key can be used.
    pub key_verdict: KeyVerdict,
    /// The key of EBS encryption by default and whether it can be used; `None` when it is off.
    pub default_encryption: Option<(Arn, KeyVerdict)>,
    /// The Object Lock mode that copies get.
    pub lock_mode: RetentionMode,
}

/// What AWS says about one recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Which one.
    pub id: RecoveryPointId,
    /// The source image, unless EC2 does not show it (any more).
    pub source: Option<Image>,
    /// The staged object.
    pub staged: Option<StoredObject>,
    /// Whether the key of the staged object can be used; `None` where it has none.
    pub staged_key: Option<KeyVerdict>,
    /// The object in the vault.
    pub object: Option<StoredObject>,
    /// The images under the names of its restores, the newest generation last.
    pub restored: Vec<Image>,
    /// The snapshots of the newest of them.
    pub snapshots: Vec<Snapshot>,
    /// Who else may launch the newest of them; asked only once it is available.
    pub launch_permissions: Vec<String>,
    /// The manifest.
    pub manifest: ManifestFact,
    /// Whether we started a restore so recently that EC2 may not show it yet.
    pub settling: bool,
}

/// What lies under the manifest's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestFact {
    /// Nothing.
    Absent,
    /// Something that is no manifest of ours.
    Unreadable(String),
    /// A manifest.
    Present(Box<Manifest>),
}

/// The target worker's effects, one at a time, each safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Copy the staged object into the vault. The fence is `If-None-Match: *` at completion.
    Copy(Box<CopyOrder>),
    /// Restore the image. The fence is its name.
    Restore(Box<RestoreOrder>),
    /// Turn deregistration protection on.
    Protect(ImageId),
    /// Write the manifest. The fence is `If-None-Match: *`.
    Record(Box<Manifest>),
}

/// A copy to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOrder {
    /// The staged object, pinned by version and entity tag.
    pub staged: StoredObject,
    /// Its checksum, which the copy must have.
    pub checksum: Checksum,
    /// The retention to give it; `None` leaves it to the bucket's default.
    pub retention: Option<Retention>,
    /// Who goes first.
    pub urgency: Urgency,
}

/// A restore to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOrder {
    /// The deterministic name.
    pub name: String,
    /// Tags of the image.
    pub image_tags: Tags,
    /// Tags of its snapshots.
    pub snapshot_tags: Tags,
    /// The sum of its volumes, as the quota counts it.
    pub size_gb: u64,
    /// Who goes first under the quota.
    pub urgency: Urgency,
}

/// How long a copy may take between the decision that fixes its retention and its last byte.
const LONGEST_COPY: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);

/// What is promised about this recovery point and by which source it is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The policy's name.
    pub policy: String,
    /// The family.
    pub family: String,
    /// What it must hold.
    pub tier: Tier,
    /// The source image.
    pub source: SourceRecord,
    /// How long the copy is locked.
    pub retention: Option<Span>,
    /// Whether a plaintext restore is accepted.
    pub accept_plaintext: bool,
    /// The policy's priority.
    pub priority: i32,
    /// When the family breaks its RPO unless this image is complete.
    pub deadline: Timestamp,
}

/// What applies to a recovery point: the policy as it is now, or what the manifest recorded when
/// the source is gone. A recorded tier stands: a later policy does not undo a complete one.
///
/// # Errors
/// Why the image is left out.
pub fn terms(policies: &Policies, observed: &Observed) -> Result<Terms, eligibility::LeftOut> {
    let manifest = match &observed.manifest {
        ManifestFact::Present(manifest) => Some(manifest.as_ref()),
        ManifestFact::Absent | ManifestFact::Unreadable(_) => None,
    };
    let governed = match &observed.source {
        Some(image) => {
            let policy = eligibility::governing(policies, &observed.id.source_account, image)
                .and_then(|policy| into_region(policy, &observed.id));
            policy.map(|policy| (image, policy))
        }
        None => Err(eligibility::LeftOut {
            code: Code::ImageGone,
            detail: format!("{} is not shown by EC2", observed.id.source_image_id),
        }),
    };
    match (governed, manifest) {
        (Ok((image, policy)), manifest) => Ok(Terms {
            policy: policy.name.to_string(),
            family: policy.family.of(image),
            tier: manifest.map_or(policy.tier, |manifest| manifest.tier),
            source: SourceRecord {
                name: image.name.clone(),
                created_at: image.created,
                size_gib: image.size_gib(),
                shape: shape_when_copied(image, manifest),
            },
            retention: policy.retention,
            accept_plaintext: policy.accept_plaintext,
            priority: policy.priority,
            deadline: policy.rpo.after(image.created),
        }),
        (Err(_), Some(manifest)) => {
            let policy = policies.named(&manifest.policy);
            Ok(Terms {
                policy: manifest.policy.clone(),
                family: manifest.family.clone(),
                tier: manifest.tier,
                source: manifest.source.clone(),
                retention: None,
                accept_plaintext: policy.is_some_and(|policy| policy.accept_plaintext),
                priority: policy.map_or(0, |policy| policy.priority),
                deadline: policy
                    .map_or(Timestamp::MAX, |policy| policy.rpo.after(manifest.source.created_at)),
            })
        }
        (Err(left_out), None) => Err(left_out),
    }
}

/// The source's shape as the copy has to have it. What an owner may change on a living image, its
/// tags and its IMDS version, counts as it was recorded: a later change undoes no recovery point.
fn shape_when_copied(image: &Image, manifest: Option<&Manifest>) -> Shape {
    let mut shape = Shape::of(image);
    if let Some(Manifest { source, .. }) = manifest {
        shape.tags.clone_from(&source.shape.tags);
        shape.imds_support.clone_from(&source.shape.imds_support);
    }
    shape
}

fn into_region<'p>(
    policy: &'p Policy,
    id: &RecoveryPointId,
) -> Result<&'p Policy, eligibility::LeftOut> {
    if policy.target_regions.contains(&id.target_region) {
        return Ok(policy);
    }
    Err(eligibility::LeftOut {
        code: Code::NoPolicy,
        detail: format!("policy {} has no copies in {}", policy.name, id.target_region),
    })
}

/// The next step for a recovery point; [`Decision::Done`] says that it is complete.
pub fn next_step(
    policies: &Policies,
    vault: &Vault,
    observed: &Observed,
    pace: Pace,
    now: Timestamp,
) -> Decision<Effect> {
    let later = Later { now, pace };
    if let ManifestFact::Unreadable(why) = &observed.manifest {
        return later.park(Code::ManifestMismatch, why.clone());
    }
    let terms = match terms(policies, observed) {
        Ok(terms) => terms,
        Err(eligibility::LeftOut { code: Code::ImagePending, detail }) => {
            return later.wait(Code::ImagePending, detail);
        }
        Err(eligibility::LeftOut { code, detail }) => {
            return Decision::Ineligible { code, detail };
        }
    };
    let view = View { vault, observed, terms: &terms, later };
    match view.object() {
        Next::Decided(decision) => decision,
        Next::Checked(object) => match terms.tier {
            Tier::Archive => view.manifest(&object, None),
            Tier::Ready => match view.restored() {
                Next::Decided(decision) => decision,
                Next::Checked(restored) => view.manifest(&object, Some(restored)),
            },
        },
    }
}

/// A stage of the way is either the next thing to do, or behind us.
enum Next<T> {
    Decided(Decision<Effect>),
    Checked(T),
}

struct View<'a> {
    vault: &'a Vault,
    observed: &'a Observed,
    terms: &'a Terms,
    later: Later,
}

impl View<'_> {
    fn park<T>(&self, code: Code, detail: impl Into<String>) -> Next<T> {
        Next::Decided(self.later.park(code, detail))
    }

    fn wait<T>(&self, code: Code, detail: impl Into<String>) -> Next<T> {
        Next::Decided(self.later.wait(code, detail))
    }

    fn urgency(&self) -> Urgency {
        Urgency {
            priority: self.terms.priority,
            deadline: self.terms.deadline,
            image: self.observed.id.source_image_id.clone(),
        }
    }

    /// The vault object: copied, equal to the staged one, and protected.
    fn object(&self) -> Next<VaultObject> {
        let Some(object) = &self.observed.object else { return self.copy() };
        let Some(checksum) = &object.checksum else {
            return self.park(Code::VaultObjectMismatch, "it has no full-object checksum");
        };
        // What a manifest recorded outlives the staged object: the source may expire, replace or
        // store that one again, with other bytes. Before there is a manifest nothing else says
        // what the vault object must be.
        let (code, whose, size, expected) = match (&self.observed.manifest, self.staged()) {
            (ManifestFact::Present(manifest), _) => {
                let recorded = &manifest.vault_object;
                (Code::ManifestMismatch, "recorded", recorded.size, &recorded.checksum)
            }
            (_, Some(staged)) => {
                let Some(checksum) = &staged.checksum else {
                    return self.park(Code::StagedObjectUnverifiable, staged.at.key.to_string());
                };
                (Code::VaultObjectMismatch, "staged", staged.size, checksum)
            }
            (_, None) => {
                return self.wait(Code::NotStaged, "nothing to compare the vault object with");
            }
        };
        if object.size != size || checksum != expected {
            let detail = format!(
                "{} bytes with checksum {} in the vault, {size} with {} {whose}",
                object.size,
                checksum.value(),
                expected.value()
            );
            return self.park(code, detail);
        }
        // Keys are changed for new copies; a recorded one keeps the key it was recorded with.
        let key = match &self.observed.manifest {
            ManifestFact::Present(manifest) => manifest.vault_object.key.as_deref(),
            ManifestFact::Absent | ManifestFact::Unreadable(_) => Some(self.vault.key.as_str()),
        };
        if object.key.is_none() || object.key.as_deref() != key {
            let key = object.key.as_deref().unwrap_or("no KMS key");
            return self.park(Code::VaultObjectUnprotected, format!("encrypted with {key}"));
        }
        if let Err(why) = self.retained(object) {
            return self.park(Code::VaultObjectUnprotected, why);
        }
        if let KeyVerdict::Unusable(why) = &self.vault.key_verdict {
            return self.park(Code::KeyUnusable, why.clone());
        }
        Next::Checked(VaultObject {
            at: object.at.clone(),
            size: object.size,
            checksum: checksum.clone(),
            key: object.key.clone(),
            retention: object.retention.clone(),
        })
    }

    /// The staged object, once it holds something.
    fn staged(&self) -> Option<&StoredObject> {
        self.observed.staged.as_ref().filter(|staged| staged.size > 0)
    }

    fn copy(&self) -> Next<VaultObject> {
        if let ManifestFact::Present(_) = &self.observed.manifest {
            return self.park(Code::ManifestMismatch, "the manifest's object is not there");
        }
        let Some(staged) = self.staged() else {
            return self.wait(Code::NotStaged, "no staged object");
        };
        let Some(checksum) = &staged.checksum else {
            return self.park(Code::StagedObjectUnverifiable, staged.at.key.to_string());
        };
        let keys = [Some(&self.vault.key_verdict), self.observed.staged_key.as_ref()];
        for verdict in keys.into_iter().flatten() {
            if let KeyVerdict::Unusable(why) = verdict {
                return self.park(Code::KeyUnusable, why.clone());
            }
        }
        Next::Decided(Decision::Act(Effect::Copy(Box::new(CopyOrder {
            staged: staged.clone(),
            checksum: checksum.clone(),
            retention: self.terms.retention.map(|span| Retention {
                mode: self.vault.lock_mode,
                until: span.after(self.later.now),
            }),
            urgency: self.urgency(),
        }))))
    }

    /// Whether the object is locked as the policy demands. Retention counts from the decision to
    /// copy, so it is compared with the time of writing less the longest copy, and not with now.
    ///
    /// Once a manifest recorded what was reached, that must still be there, and a policy that
    /// has become longer since speaks of new copies only.
    fn retained(&self, object: &StoredObject) -> Result<(), String> {
        if let ManifestFact::Present(manifest) = &self.observed.manifest {
            let Some(recorded) = &manifest.vault_object.retention else { return Ok(()) };
            let kept = object.retention.as_ref().is_some_and(|retention| {
                retention.until >= recorded.until
                    && (retention.mode == recorded.mode
                        || retention.mode == RetentionMode::Compliance)
            });
            return if kept {
                Ok(())
            } else {
                Err(format!("less retention than recorded, {}", recorded.until))
            };
        }
        let Some(span) = self.terms.retention else { return Ok(()) };
        let Some(retention) = &object.retention else {
            return Err("no Object Lock retention is visible".to_owned());
        };
        let strict = self.vault.lock_mode == RetentionMode::Compliance;
        if strict && retention.mode != RetentionMode::Compliance {
            return Err("locked in governance mode, compliance is configured".to_owned());
        }
        let written = object.last_modified.unwrap_or(self.later.now);
        let demanded = span.after(written);
        if retention.until.saturating_add(LONGEST_COPY).unwrap_or(Timestamp::MAX) < demanded {
            return Err(format!("locked only until {}", retention.until));
        }
        Ok(())
    }

    /// The restored image: available, encrypted, equal to its source, protected, not shared.
    fn restored(&self) -> Next<RestoredRecord> {
        let Some(image) = self.observed.restored.last() else { return self.restore(1) };
        if !self.is_ours(image) {
            let detail = format!("{} is named {}", image.id, image.name);
            return self.park(Code::NameTaken, detail);
        }
        match &image.state {
            ImageState::Available => {}
            ImageState::Pending => {
                return self
                    .wait(Code::RestoreRunning, format!("{} {} %", image.id, self.progress()));
            }
            ImageState::Failed | ImageState::Deregistered => return self.restore_again(image),
            ImageState::Disabled => {
                return self.park(Code::RestoreFailed, format!("{} is disabled", image.id));
            }
            ImageState::Other(state) => {
                return self.wait(Code::RestoreRunning, format!("{} is {state}", image.id));
            }
        }
        if let Some(undone) = self.snapshots_undone(image) {
            return undone;
        }
        let differences = self.terms.source.shape.differences(&Shape::of(image));
        if !differences.is_empty() {
            let list: Vec<String> = differences
                .iter()
                .map(|d| format!("{}: {} became {}", d.attribute, d.source, d.restored))
                .collect();
            return self.park(Code::MetadataMismatch, list.join("; "));
        }
        if image.public || !self.observed.launch_permissions.is_empty() {
            let with = self.observed.launch_permissions.join(", ");
            return self.park(Code::Shared, format!("{} with {with}", image.id));
        }
        if image.deregistration_protection == DeregistrationProtection::Disabled {
            return Next::Decided(Decision::Act(Effect::Protect(image.id.clone())));
        }
        Next::Checked(RestoredRecord {
            image_id: image.id.clone(),
            name: image.name.clone(),
            snapshots: image.snapshots().cloned().collect(),
        })
    }

    fn restore(&self, generation: u32) -> Next<RestoredRecord> {
        if self.observed.settling {
            return self.wait(Code::Settling, "a restore was just started");
        }
        match &self.vault.default_encryption {
            None if !self.terms.accept_plaintext => {
                return self.park(Code::EncryptionByDefaultOff, "refused to restore plaintext");
            }
            Some((_, KeyVerdict::Unusable(why))) => {
                return self.park(Code::KeyUnusable, why.clone());
            }
            Some(_) | None => {}
        }
        let ours = self.tags();
        let mut image_tags = passed_on(&self.terms.source.shape.tags);
        image_tags.extend(ours.clone());
        Next::Decided(Decision::Act(Effect::Restore(Box::new(RestoreOrder {
            name: names::restored_name(&self.observed.id, generation),
            image_tags,
            snapshot_tags: ours,
            size_gb: self.terms.source.size_gib,
            urgency: self.urgency(),
        }))))
    }

    fn restore_again(&self, failed: &Image) -> Next<RestoredRecord> {
        let generation = names::generation(&self.observed.id, &failed.name);
        if generation < names::RESTORE_GENERATIONS {
            return self.restore(generation + 1);
        }
        let reason = failed.state_reason.as_deref().unwrap_or("EC2 gives no reason");
        self.park(Code::RestoreFailed, format!("{generation} times; {reason}"))
    }

    fn snapshots_undone(&self, image: &Image) -> Option<Next<RestoredRecord>> {
        let snapshots = &self.observed.snapshots;
        if image.snapshots().any(|id| !snapshots.iter().any(|s| s.id == *id)) {
            return Some(self.wait(Code::Settling, "EC2 does not show all its snapshots yet"));
        }
        for snapshot in snapshots {
            match snapshot.state {
                SnapshotState::Completed => {}
                SnapshotState::Pending => {
                    let detail = format!("{} {} %", snapshot.id, snapshot.progress);
                    return Some(self.wait(Code::RestoreRunning, detail));
                }
                SnapshotState::Error | SnapshotState::Recycled => {
                    let detail = format!("snapshot {} failed", snapshot.id);
                    return Some(self.park(Code::RestoreFailed, detail));
                }
            }
            // Accepting plaintext accepts no key of others, who could take it away.
            let plaintext_accepted = self.terms.accept_plaintext && !snapshot.encrypted;
            if !plaintext_accepted && !self.has_vault_key(snapshot) {
                let key = snapshot.key.as_deref().unwrap_or("no key");
                let detail = format!("{} has {key}", snapshot.id);
                return Some(self.park(Code::SnapshotsUnencrypted, detail));
            }
            if let Some((key, KeyVerdict::Unusable(why))) = &self.vault.default_encryption
                && snapshot.key.as_deref() == Some(key.as_str())
            {
                return Some(self.park(Code::KeyUnusable, why.clone()));
            }
        }
        None
    }

    fn has_vault_key(&self, snapshot: &Snapshot) -> bool {
        let key = snapshot.key.as_deref().and_then(|key| key.parse::<Arn>().ok());
        snapshot.encrypted
            && key.and_then(|key| key.account()).is_some_and(|a| a == self.vault.account)
    }

    fn progress(&self) -> u64 {
        let count = u64::try_from(self.observed.snapshots.len()).unwrap_or(u64::MAX).max(1);
        self.observed.snapshots.iter().map(|s| u64::from(s.progress)).sum::<u64>() / count
    }

    /// An image under our name is ours only if the vault owns it and it carries the tags that
    /// the restore call gave it.
    fn is_ours(&self, image: &Image) -> bool {
        image.owner == self.vault.account
            && [tag::MANAGED, tag::SOURCE_ACCOUNT, tag::SOURCE_REGION, tag::SOURCE_IMAGE]
                .iter()
                .all(|key| image.tags.get(*key) == self.tags().get(*key))
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
        // Tag values hold at most 256 characters (EC2 user guide, *Tag restrictions*).
        tags.into_iter().map(|(k, v)| (k.to_owned(), v.chars().take(256).collect())).collect()
    }

    fn manifest_location(&self) -> String {
        let bucket = &self.vault.bucket;
        VaultKeys::of(&self.vault.prefix, &self.observed.id)
            .map(|keys| format!("s3://{bucket}/{}", keys.manifest))
            .unwrap_or_default()
    }

    /// The manifest: written when all else is done, and from then on in agreement with AWS.
    fn manifest(&self, object: &VaultObject, restored: Option<RestoredRecord>) -> Decision<Effect> {
        let ManifestFact::Present(manifest) = &self.observed.manifest else {
            return Decision::Act(Effect::Record(Box::new(Manifest {
                schema_version: SCHEMA_VERSION,
                recovery_point: self.observed.id.clone(),
                target_account: self.vault.account.clone(),
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
            && manifest.target_account == self.vault.account
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

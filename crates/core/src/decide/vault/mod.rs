//! Decides the target worker's next step for one recovery point, and so also whether it is
//! complete; the audit calls the same function.
//!
//! [`Terms`] are what is promised. Three stages follow: the object in the vault, the restored
//! image, the manifest. Each is either done or yields the next step. [`observation`] says what of an
//! earlier observation a look need not ask for again.

mod asked;
mod failures;
mod keys;
mod loss;
mod needs;
mod note;
mod object;
pub mod observation;
mod record;
mod renewal;
mod restored;
mod terms;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::asked::{Asked, Unanswered};
pub use self::failures::{Doubt, FailedRestores};
pub use self::loss::{Loss, LossKind};
pub use self::needs::{lacks_uefi_data, needs_records, needs_restored, needs_staged};
pub use self::note::{NoteFact, needs_note, rewritten};
pub use self::terms::{
    Promised, Terms, UNKNOWN, finding, is_taken_out, promised, promised_of, promised_unread, terms,
};
use super::eligibility::LeftOut;
use super::{Decision, Later, Pace};
use crate::code::{Code, Kind};
use crate::fault::Fault;
use crate::ids::{AccountId, Arn, BucketName, ImageId};
use crate::manifest::{Manifest, Note, Record, RestoredRecord};
use crate::model::{
    Checksum, Image, KeyVerdict, ObjectVersion, Retention, RetentionMode, Snapshot, StoredObject,
    Tags,
};
use crate::names::{RecordKind, RecoveryPointId};
use crate::planted::{Bug, has};
use crate::policy::{Policies, StorageClass, Tier};
use crate::ports::SmallObject;

/// The user metadata of a vault object that holds the checksum of the staged version it was copied
/// from. EC2's own metadata is opaque and copied unchanged.
pub const COPIED_CHECKSUM: &str = "amiferry-copied-crc64nvme";

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
    /// What EC2 encrypts restored snapshots with.
    pub default_encryption: DefaultEncryption,
    /// The Object Lock mode that copies get.
    pub lock_mode: RetentionMode,
}

/// EBS encryption by default in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultEncryption {
    /// It is off.
    Off,
    /// It is on, with this key, which can be used or not.
    With(Arn, KeyVerdict),
    /// EC2 does not tell. Only restores need to know.
    NotTold(Box<Fault>),
}

/// What AWS says about one recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Which one.
    pub id: RecoveryPointId,
    /// The source image, unless EC2 does not show it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<Image>,
    /// Whether the source answered. If it did not, `source` means nothing, and the recovery point is
    /// judged by its record, or else by the note of its image.
    pub source_asked: bool,
    /// What was noted of the source image, asked for only where EC2 does not show it: see
    /// [`needs_note`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub note: NoteFact,
    /// The staged object.
    #[serde(default, skip_serializing_if = "is_default")]
    pub staged: Option<StoredObject>,
    /// Whether the key of the staged object can be used; `None` where it has none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub staged_key: Option<KeyVerdict>,
    /// The object in the vault.
    #[serde(default, skip_serializing_if = "is_default")]
    pub object: Option<StoredObject>,
    /// The images under the names of its restores, the newest generation last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restored: Vec<Image>,
    /// The snapshots of the newest of them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub snapshots: Vec<Snapshot>,
    /// Who else may launch the newest of them; asked only once it is available, and `None` while
    /// that is unknown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub launch_permissions: Option<Vec<String>>,
    /// Whether the two images have UEFI data; asked only before the record of images that boot with
    /// UEFI.
    #[serde(default, skip_serializing_if = "is_default")]
    pub uefi_data: UefiData,
    /// The keys of the vault's object and of the restored image's snapshots that cannot be used, other
    /// than the two that the vault names, each with the reason.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unusable_keys: BTreeMap<String, String>,
    /// How many versions the last walk saw under the key of the vault's note, with a delete marker
    /// that hides it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notes: u16,
    /// What the manifest says, with its further records put over it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub manifest: ManifestFact,
    /// How many versions the last walk saw under the manifest's key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub manifests: u16,
    /// How many records the last walk saw by which all of it or its restored image was given up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub endings: u16,
    /// The restored images that records gave up, as far as those were asked for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub given_up: Vec<RestoredRecord>,
    /// The newest of those records, as far as they were asked for: see [`needs_records`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub newest_record: Option<(u32, RecordKind)>,
    /// The manifest by itself, where the records beside it cannot be believed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub doubted: Option<Box<Manifest>>,
    /// Whether this worker started a restore so recently that EC2 may not show it yet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub settling: bool,
    /// Until when the copy is left to another worker.
    #[serde(default, skip_serializing_if = "is_default")]
    pub claimed_until: Option<Timestamp>,
    /// Whether a person asks for the next restore now: no pause after failures holds it for long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub urged: bool,
    /// Whether it must stay as the newest of its family, as far as a whole walk knows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub newest: bool,
    /// What a person wants of it in a recovery, beyond what is promised.
    #[serde(default, skip_serializing_if = "is_default")]
    pub recovery: Option<Recovery>,
}

/// What was not observed takes no room where thousands of observations are kept.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a person wants of a recorded recovery point: an image, whatever its tier.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recovery {
    /// The accounts that are to launch the image, too. They are recorded before the image is shared.
    pub share_with: BTreeSet<AccountId>,
    /// Whether a new image gets the name of its source image instead of the derived one.
    pub original_name: bool,
}

impl Observed {
    /// An observation before anything was asked or found.
    pub fn nothing(id: RecoveryPointId) -> Self {
        Self {
            id,
            source: None,
            source_asked: false,
            note: NoteFact::Absent,
            staged: None,
            staged_key: None,
            object: None,
            restored: Vec::new(),
            snapshots: Vec::new(),
            launch_permissions: None,
            uefi_data: UefiData::default(),
            unusable_keys: BTreeMap::new(),
            notes: 0,
            manifest: ManifestFact::Absent,
            manifests: 0,
            endings: 0,
            given_up: Vec::new(),
            newest_record: None,
            doubted: None,
            settling: false,
            claimed_until: None,
            urged: false,
            newest: false,
            recovery: None,
        }
    }

    /// An observation of a source image of which nothing has been made yet.
    pub fn source_only(id: RecoveryPointId, image: Image) -> Self {
        Self { source: Some(image), source_asked: true, ..Self::nothing(id) }
    }

    /// Whether the object in the vault is the recorded version.
    pub fn is_recorded_object(&self) -> bool {
        match &self.manifest {
            ManifestFact::Present(manifest) => {
                self.object.as_ref().is_some_and(|object| object.at == manifest.vault_object.at)
            }
            ManifestFact::Absent | ManifestFact::Unreadable(_) | ManifestFact::Pruned(_) => false,
        }
    }

    /// What is recorded of it, where a record gives it up or cannot be believed while its object is there:
    /// who may write such records may be a thief.
    pub fn disputed(&self) -> Option<&Manifest> {
        let object = self.object.as_ref()?;
        let manifest = match &self.manifest {
            ManifestFact::Pruned(manifest) => {
                Some(manifest).filter(|manifest| manifest.vault_object.at == object.at)
            }
            ManifestFact::Unreadable(_) => self.doubted.as_ref(),
            ManifestFact::Absent | ManifestFact::Present(_) => None,
        };
        manifest.map(AsRef::as_ref).filter(|manifest| manifest.recovery_point == self.id)
    }

    /// The name of the source image, as EC2 shows it or else as it was recorded or noted; empty
    /// where none of them says it.
    pub fn image_name(&self) -> &str {
        match (&self.source, &self.manifest) {
            (Some(image), _) => &image.name,
            (None, ManifestFact::Present(manifest) | ManifestFact::Pruned(manifest)) => {
                &manifest.source.name
            }
            (None, ManifestFact::Absent | ManifestFact::Unreadable(_)) => {
                self.note_in_use().map_or("", |note| &note.source.name)
            }
        }
    }
}

/// Whether images have UEFI data; `None` where that was not asked or not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UefiData {
    /// The source image.
    pub source: Option<bool>,
    /// The newest restored image; asked only if the source has some.
    pub restored: Option<bool>,
}

/// What lies under the manifest's key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestFact {
    /// Nothing.
    #[default]
    Absent,
    /// Something that is no manifest of ours.
    Unreadable(String),
    /// A manifest.
    Present(Box<Manifest>),
    /// The manifest of a recovery point that the retention rules gave up: a record says so.
    Pruned(Box<Manifest>),
}

impl ManifestFact {
    /// What was read under the manifest's key, of which a walk saw so many versions. A manifest is
    /// believed only where it is the only version, and its times are possible.
    pub fn read(found: Option<&SmallObject>, versions: u16, now: Timestamp) -> Self {
        let Some(found) = found else {
            return match versions {
                0 => Self::Absent,
                _ => Self::Unreadable("a delete marker hides it, or it was deleted".to_owned()),
            };
        };
        if versions > 1 {
            return Self::Unreadable(format!("it was written {versions} times"));
        }
        match Manifest::from_json(&found.bytes) {
            Err(error) => Self::Unreadable(error.to_string()),
            Ok(manifest) => match manifest.impossible(found.written, now) {
                Some(why) => Self::Unreadable(format!("its times are impossible: {why}")),
                None => Self::Present(Box::new(manifest)),
            },
        }
    }
}

/// The target worker's effects, one at a time, each safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Copy the staged object into the vault. The fence is `If-None-Match: *` at completion.
    Copy(Box<CopyOrder>),
    /// Lengthen the lock of the object in the vault.
    Lock(ObjectVersion, Retention),
    /// Restore the image. The fence is its name.
    Restore(Box<RestoreOrder>),
    /// Turn deregistration protection on.
    Protect(ImageId),
    /// Make instances of the restored image require IMDSv2, because its source now does.
    DemandImdsV2(ImageId),
    /// Write the manifest. The fence is `If-None-Match: *`.
    Record(Box<Manifest>),
    /// Write a further record. The fence is its number, with `If-None-Match: *`.
    RecordAgain(Box<Record>),
}

impl Effect {
    /// What it is about to do, in words.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Copy(_) => "to be copied",
            Self::Restore(_) => "to be restored",
            Self::Lock(..) | Self::Protect(_) | Self::DemandImdsV2(_) => "to be protected",
            Self::Record(_) | Self::RecordAgain(_) => "to be recorded",
        }
    }
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
    /// The storage class to give it.
    pub class: StorageClass,
    /// What to note of the source image beside the copy, under the same key and retention.
    pub note: Option<Note>,
}

impl CopyOrder {
    /// The user metadata of the copy: that of the staged object, and the staged version's checksum.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata = self.staged.metadata.clone();
        metadata.insert(COPIED_CHECKSUM.to_owned(), self.checksum.value.clone());
        metadata
    }
}

/// A restore to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOrder {
    /// The deterministic name.
    pub name: String,
    pub image_tags: Tags,
    pub snapshot_tags: Tags,
    /// The sum of its volumes, as the quota counts it.
    pub size_gb: u64,
}

/// Everything that follows from one observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What the recovery point must satisfy; `None` while its image is left out or pending.
    pub terms: Option<Terms>,
    /// What is promised, also about an image that a policy selects and EC2 cannot store.
    pub promised: Option<Promised>,
    /// Why the image is left out for good; not while it is pending.
    pub left_out: Option<LeftOut>,
    /// The next step; [`Decision::Done`] says that the recovery point is complete.
    pub decision: Decision<Effect>,
    /// What of it was lost; never without a record, unless the vault was tampered with.
    pub loss: Option<Loss>,
    /// What its image says now that its record does not.
    pub finding: Option<String>,
}

/// Judges the observation of a recovery point: what is promised, and what is next.
pub fn judge(
    policies: &Policies,
    vault: &Vault,
    observed: &Observed,
    pace: Pace,
    now: Timestamp,
) -> Judged {
    let later = Later { now, pace };
    let must_stay = renewal::of_disputed(policies, observed, now);
    if let Some(left_out) = terms::pruned(observed) {
        let judged = Judged::left_out(left_out, later);
        let decision = must_stay.map_or(judged.decision, Decision::Act);
        return Judged { decision, ..judged };
    }
    let (terms, promised, left_out) = match terms(policies, observed, now) {
        Ok(terms) => {
            let promised = terms.promised();
            (Some(terms), Some(promised), None)
        }
        // Whatever the vault holds is a recovery point, also when its record does not say which.
        Err(left)
            if (matches!(observed.manifest, ManifestFact::Unreadable(_))
                || rewritten(observed).is_some())
                && promised(policies, observed, left.code).is_none() =>
        {
            (None, Some(Promised::unknown(observed, now)), None)
        }
        // Only an answer can say that it is gone.
        Err(_) if !observed.source_asked => (None, None, None),
        Err(left) => {
            let promised = promised(policies, observed, left.code);
            (None, promised, Some(left))
        }
    };
    let rewritten = rewritten(observed);
    let decision = match (&observed.manifest, &terms, &left_out) {
        (ManifestFact::Unreadable(why), ..) => later.park(Code::ManifestUnreadable, why.clone()),
        _ if rewritten.is_some() => later.park(Code::NoteRewritten, rewritten.unwrap_or_default()),
        (ManifestFact::Present(_), Some(_), _) if has(Bug::RecordBelieved) => {
            Decision::Done(Code::Complete)
        }
        (_, Some(terms), _) => next(View { vault, observed, terms, later }),
        (_, None, Some(left_out)) => later.left_out(left_out.clone()),
        (_, None, None) => later.park(Code::Failing, "its source cannot be asked"),
    };
    // A reason that passes by itself does not leave the image out: it is promised.
    let passes = |left: &LeftOut| left.code.kind() == Kind::Waiting && promised.is_some();
    let left_out = left_out.filter(|left| !passes(left));
    let tier = match &observed.manifest {
        ManifestFact::Present(manifest) => Some(manifest.tier),
        ManifestFact::Absent | ManifestFact::Unreadable(_) | ManifestFact::Pruned(_) => {
            terms.as_ref().map(|terms| terms.tier)
        }
    };
    let loss = loss::loss(observed, tier, &decision);
    let done = terms.as_ref().filter(|_| matches!(decision, Decision::Done(_)));
    let finding =
        finding(policies, observed, now).or_else(|| renewal::neglected(done?, observed, now));
    // It is complete, or in dispute, all the while.
    let renewal = done.and_then(|terms| renewal::renewal(terms, observed, now)).or(must_stay);
    let decision = renewal.map_or(decision, Decision::Act);
    Judged { terms, promised, left_out, decision, loss, finding }
}

/// The next step for a recovery point; [`Decision::Done`] says that it is complete.
pub fn next_step(
    policies: &Policies,
    vault: &Vault,
    observed: &Observed,
    pace: Pace,
    now: Timestamp,
) -> Decision<Effect> {
    judge(policies, vault, observed, pace, now).decision
}

fn next(view: View<'_>) -> Decision<Effect> {
    let terms = view.terms;
    match view.object() {
        Next::Decided(decision) => decision,
        Next::Checked(object) => match terms.tier {
            Tier::Archive if !has(Bug::TierIgnored) => view.manifest(&object, None),
            Tier::Archive | Tier::Ready => match view.restored() {
                Next::Decided(decision) => decision,
                Next::Checked(restored) => view.manifest(&object, Some(restored)),
            },
        },
    }
}

/// A stage is either done or yields the next step.
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
}

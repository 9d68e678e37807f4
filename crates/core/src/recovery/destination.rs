//! Restoring into another Region or account: what the vault records is judged against what the
//! destination shows.
//!
//! The vault's manifest stays what it is. For the judgement it loses its image, so the image that is
//! made in the destination is judged as the first one that a person has restored; what the judgement
//! would then record is not written anywhere, and a later run finds the image by its name and its tags.

use crate::code::Code;
use crate::decide::vault::{CopyOrder, Effect, ManifestFact, Observed, Recovery};
use crate::ids::AccountId;
use crate::manifest::Manifest;
use crate::model::{StoredObject, Tags};
use crate::names::{RecoveryPointId, VaultId};
use crate::policy::{StorageClass, Tier};

use super::next::Next;

/// What lies under the key of a copy in the destination's bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copied {
    /// Nothing.
    No,
    /// The object that the vault records.
    Yes,
    /// Something else, or a copy that cannot be read; with what is wrong.
    Unfit(String),
    /// No copy, and the vault's object is gone too.
    Lost,
}

impl Copied {
    /// What was found under the key, compared with the vault's record.
    pub fn of(manifest: &Manifest, found: Option<&StoredObject>) -> Self {
        let Some(found) = found else { return Self::No };
        let recorded = &manifest.vault_object;
        let place = format!("s3://{}/{}", found.at.bucket, found.at.key);
        match (&found.checksum, &found.archived) {
            (Some(checksum), None)
                if found.size == recorded.size && *checksum == recorded.checksum =>
            {
                Self::Yes
            }
            (Some(checksum), Some(archived))
                if found.size == recorded.size && *checksum == recorded.checksum =>
            {
                Self::Unfit(format!("{place} is archived: {archived}"))
            }
            (checksum, _) => {
                let checksum = checksum
                    .as_ref()
                    .map_or("no checksum".to_owned(), |checksum| format!("checksum {checksum}"));
                Self::Unfit(format!(
                    "{place} has {} bytes with {checksum}, the vault's object {} with {}",
                    found.size, recorded.size, recorded.checksum
                ))
            }
        }
    }
}

/// The recovery point as the restores of a destination have it.
pub fn id_in(destination: &VaultId, id: &RecoveryPointId) -> RecoveryPointId {
    RecoveryPointId {
        target_account: destination.account.clone(),
        target_region: destination.region.clone(),
        ..id.clone()
    }
}

/// What is known before the destination's images are asked for.
///
/// `object` is what S3 shows of the vault's object: asked for only where there is no copy. Otherwise,
/// and where it is gone, its record stands for it, because an image that is there needs it no more.
pub fn observed(
    destination: &VaultId,
    manifest: &Manifest,
    object: Option<StoredObject>,
    recovery: &Recovery,
) -> Observed {
    let id = id_in(destination, &manifest.recovery_point);
    let object = Some(object.unwrap_or_else(|| recorded(manifest)));
    let manifest = Manifest {
        recovery_point: id.clone(),
        tier: Tier::Archive,
        restored: None,
        ..manifest.clone()
    };
    Observed {
        object,
        manifest: ManifestFact::Present(Box::new(manifest)),
        recovery: Some(recovery.clone()),
        ..Observed::nothing(id)
    }
}

/// The vault's object as it was recorded.
fn recorded(manifest: &Manifest) -> StoredObject {
    let object = &manifest.vault_object;
    StoredObject {
        at: object.at.clone(),
        etag: String::new(),
        size: object.size,
        checksum: Some(object.checksum.clone()),
        metadata: Tags::default(),
        content_type: None,
        key: object.key.clone(),
        retention: object.retention.clone(),
        last_modified: None,
        class: object.class.clone(),
        archived: None,
    }
}

/// Takes the accounts that may launch an image of the destination for wanted ones: its owner shares
/// it as he likes, and nothing records with whom. Everyone is no account.
pub fn shared_by_its_owner(observed: &mut Observed) {
    let may_launch = observed.launch_permissions.iter().flatten();
    let accounts: Vec<AccountId> = may_launch.filter_map(|other| other.parse().ok()).collect();
    if let Some(recovery) = &mut observed.recovery {
        recovery.share_with.extend(accounts);
    }
}

/// The next step in the destination, from the one that would follow in the vault.
pub fn next(step: Next, observed: &Observed, copied: &Copied) -> Next {
    match (step, copied) {
        // All of the image is as it must be, and nothing is recorded of it.
        (Next::Act(Effect::RecordAgain(record)), _) => match record.restored {
            Some(restored) => Next::There(Box::new(restored)),
            None => Next::Impossible(Code::ManifestMismatch, "it records no image".to_owned()),
        },
        (Next::Restore(_) | Next::Retrieve(..) | Next::Retrieving(..), Copied::Unfit(why)) => {
            Next::Impossible(Code::VaultObjectMismatch, why.clone())
        }
        (Next::Restore(_), Copied::Lost) => {
            Next::Impossible(Code::ObjectLost, "nothing is under its key".to_owned())
        }
        (Next::Restore(order), Copied::No) => {
            observed.object.as_ref().map_or(Next::Restore(order), copy)
        }
        (step, _) => step,
    }
}

/// A copy without a lock: the vault keeps the recovery point, and this object is only read once.
fn copy(object: &StoredObject) -> Next {
    match &object.checksum {
        Some(checksum) => Next::Copy(Box::new(CopyOrder {
            staged: object.clone(),
            checksum: checksum.clone(),
            retention: None,
            class: StorageClass::default(),
            note: None,
        })),
        None => Next::Impossible(Code::VaultObjectMismatch, "it has no checksum".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::fixture::{
        PACE, With, image, manifest, now, observed as seen_by_worker, policies, restored_image,
        vault,
    };
    use crate::decide::vault::{DefaultEncryption, Vault, judge};
    use crate::model::{Archived, Image, ImageState, KeyVerdict, Snapshot};
    use crate::recovery::next::next as next_in_vault;

    /// The vault's record of an image that is also restored there.
    fn recorded_point() -> Manifest {
        manifest(&image(), Some(&restored_image(&image(), 1)))
    }

    fn place() -> VaultId {
        "333333333333/eu-west-1".parse().unwrap()
    }

    /// The destination in good order: what is recorded stays the vault's.
    fn facts() -> Vault {
        vault().with(|facts| {
            facts.account = place().account;
            let key = "arn:aws:kms:eu-west-1:333333333333:key/ebs".parse().unwrap();
            facts.default_encryption = DefaultEncryption::With(key, KeyVerdict::Usable);
        })
    }

    /// The vault's object as S3 shows it.
    fn object() -> StoredObject {
        let shown = seen_by_worker().staged().copied().object.unwrap();
        shown.with(|object| object.etag = "etag".to_owned())
    }

    /// The copy of it in the destination.
    fn copy() -> StoredObject {
        object().with(|copy| {
            copy.at.bucket = "destination".parse().unwrap();
            copy.at.version = Some("another".to_owned());
            copy.key = Some("arn:aws:kms:eu-west-1:333333333333:key/bucket".to_owned());
            copy.retention = None;
        })
    }

    /// The image and its snapshots as a restore in the destination makes them.
    fn made() -> (Image, Vec<Snapshot>) {
        let whole = seen_by_worker().staged().copied().restored().protected();
        let made = whole.restored[0].clone().with(|image| image.owner = place().account);
        let key = "arn:aws:kms:eu-west-1:333333333333:key/ebs".to_owned();
        let snapshots =
            whole.snapshots.into_iter().map(|one| Snapshot { key: Some(key.clone()), ..one });
        (made, snapshots.collect())
    }

    fn step(
        found: Option<&StoredObject>,
        in_vault: Option<StoredObject>,
        change: impl FnOnce(&mut Observed, &mut Vault),
    ) -> Next {
        let (manifest, mut facts) = (recorded_point(), facts());
        let copied = match Copied::of(&manifest, found) {
            Copied::No if in_vault.is_none() => Copied::Lost,
            copied => copied,
        };
        // As the shell does: with a copy, the vault's object is not asked for.
        let in_vault = in_vault.filter(|_| copied != Copied::Yes);
        let wanted = Recovery::default();
        let mut seen = observed(&place(), &manifest, in_vault, &wanted);
        change(&mut seen, &mut facts);
        shared_by_its_owner(&mut seen);
        let judged = judge(&policies(), &facts, &seen, PACE, now());
        next(next_in_vault(&judged, &seen), &seen, &copied)
    }

    fn there(seen: &mut Observed) {
        let (image, snapshots) = made();
        (seen.restored, seen.snapshots) = (vec![image], snapshots);
        seen.launch_permissions = Some(Vec::new());
    }

    #[test]
    fn the_object_is_copied_then_restored_and_its_image_is_there_without_a_record() {
        let first = step(None, Some(object()), |_, _| {});
        let Next::Copy(order) = first else { panic!("{first:?}") };
        assert_eq!((order.staged, order.retention, order.note), (object(), None, None));
        let second = step(Some(&copy()), None, |_, _| {});
        let Next::Restore(order) = second else { panic!("{second:?}") };
        let source = recorded_point().recovery_point.source_image_id;
        assert!(order.name.ends_with(source.as_str()), "{}", order.name);
        let manifest_of = &order.image_tags[crate::names::tag::MANIFEST];
        assert!(manifest_of.starts_with("s3://vault-us-west-2/"), "{manifest_of}");
        let last = step(Some(&copy()), None, |seen, _| there(seen));
        let Next::There(restored) = last else { panic!("{last:?}") };
        assert_eq!(restored.image_id, made().0.id);
    }

    #[test]
    fn an_image_that_is_there_needs_no_copy_and_no_object_any_more() {
        for object in [Some(object()), None] {
            let next = step(None, object, |seen, _| there(seen));
            assert!(matches!(next, Next::There(_)), "{next:?}");
        }
    }

    #[test]
    fn what_the_owner_of_the_destination_shares_is_his_and_everyone_is_no_one_to_share_with() {
        let shared = |with: &'static str| {
            step(Some(&copy()), None, move |seen, _| {
                there(seen);
                seen.launch_permissions = Some(vec![with.to_owned()]);
            })
        };
        let next = shared("444444444444");
        let Next::There(restored) = next else { panic!("{next:?}") };
        assert_eq!(restored.shared_with, ["444444444444".parse().unwrap()].into());
        let next = shared("all");
        assert!(matches!(next, Next::Impossible(Code::Shared, _)), "{next:?}");
    }

    #[test]
    fn a_copy_that_is_not_the_object_or_cannot_be_read_is_not_restored() {
        let other = copy().with(|copy| copy.size += 1);
        let bare = copy().with(|copy| copy.checksum = None);
        let archived = copy().with(|copy| {
            copy.archived = Some(Archived { place: "GLACIER".to_owned(), retrieving: false });
        });
        for (unfit, word) in [(other, "bytes"), (bare, "no checksum"), (archived, "archived")] {
            let next = step(Some(&unfit), Some(object()), |_, _| {});
            let Next::Impossible(Code::VaultObjectMismatch, why) = next else { panic!("{next:?}") };
            assert!(why.contains("s3://destination/") && why.contains(word), "{why}");
            // What was restored before stays what it is.
            let next = step(Some(&unfit), Some(object()), |seen, _| there(seen));
            assert!(matches!(next, Next::There(_)), "{next:?}");
        }
    }

    #[test]
    fn an_archived_object_is_retrieved_first_unless_its_copy_is_there() {
        let in_glacier = object().with(|object| {
            object.archived = Some(Archived { place: "GLACIER".to_owned(), retrieving: false });
        });
        let next = step(None, Some(in_glacier.clone()), |_, _| {});
        assert!(matches!(next, Next::Retrieve(..)), "{next:?}");
        let next = step(Some(&copy()), Some(in_glacier), |_, _| {});
        assert!(matches!(next, Next::Restore(_)), "{next:?}");
    }

    #[test]
    fn nothing_is_copied_where_it_could_not_be_restored() {
        type Change = fn(&mut Observed, &mut Vault);
        let cases: [(Change, Code); 4] = [
            (
                |_, facts| facts.default_encryption = DefaultEncryption::Off,
                Code::EncryptionByDefaultOff,
            ),
            (
                |_, facts| facts.key_verdict = KeyVerdict::Unusable("it is disabled".to_owned()),
                Code::KeyUnusable,
            ),
            (
                |seen, _| {
                    there(seen);
                    seen.restored[0].tags.clear();
                },
                Code::NameTaken,
            ),
            (
                |seen, _| {
                    there(seen);
                    seen.restored[0].architecture = "arm64".to_owned();
                },
                Code::MetadataMismatch,
            ),
        ];
        for (change, code) in cases {
            let next = step(None, Some(object()), change);
            let Next::Impossible(found, _) = next else { panic!("{code}: {next:?}") };
            assert_eq!(found, code);
        }
        let next = step(None, Some(object()), |seen, _| {
            there(seen);
            seen.restored[0].state = ImageState::Pending;
        });
        assert!(matches!(next, Next::Wait(_, Code::RestoreRunning, _)), "{next:?}");
        let next = step(None, None, |_, _| {});
        assert!(matches!(next, Next::Impossible(Code::ObjectLost, _)), "{next:?}");
    }
}

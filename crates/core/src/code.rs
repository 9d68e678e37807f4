//! The closed list of reasons: why an image waits, is parked, is left out or is done.
//!
//! A code is one vocabulary for the log, the metric's `reason` label, the JSON of every command
//! and `amiferry explain CODE`. Codes are never renamed; each says what it means and what to do.

use std::fmt;

use serde::{Serialize, Serializer};

/// What a code says about the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing is promised about the image.
    LeftOut,
    /// A policy selects the image, but no copy of it is possible.
    Unprotectable,
    /// The work waits for something that passes by itself.
    Waiting,
    /// The work waits for a person or another system.
    Parked,
    /// As [`Parked`](Self::Parked), because something in the vault is not what it must be. Of a
    /// recovery point that was complete, it says that it was tampered with.
    Mismatch,
    /// What a recovery point consisted of is gone from the vault.
    Lost,
    /// What the vault has of a recovery point was changed from outside.
    Tampered,
    /// What a recovery point consists of is there, but cannot be used.
    Unusable,
    /// The work ended well.
    Done,
}

impl Kind {
    /// Every kind, in the order of its declaration.
    pub const ALL: &[Self] = &[
        Self::LeftOut,
        Self::Unprotectable,
        Self::Waiting,
        Self::Parked,
        Self::Mismatch,
        Self::Lost,
        Self::Tampered,
        Self::Unusable,
        Self::Done,
    ];

    /// What is true of everything with a code of this kind, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::LeftOut => "Nothing is promised about the image",
            Self::Unprotectable => "A policy selects the image, but no copy of it is possible",
            Self::Waiting => "The work waits for something that passes by itself",
            Self::Parked => "The work is parked until a person or another system acts",
            Self::Mismatch => {
                "The work is parked because something in the vault is not what it must be"
            }
            Self::Lost => "A part of a complete recovery point is gone from the vault",
            Self::Tampered => "What the vault has of a recovery point was changed from outside",
            Self::Unusable => "A complete recovery point is still in the vault, but cannot be used",
            Self::Done => "The work ended well",
        }
    }

    /// Whether work with a code of this kind is parked.
    pub fn is_parked(self) -> bool {
        matches!(self, Self::Parked | Self::Mismatch) || self.is_loss()
    }

    /// Whether a code of this kind says by itself that something is lost, tampered with or unusable.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Lost | Self::Tampered | Self::Unusable)
    }
}

/// Declares the codes: variant, kind, stable name, meaning, remedy.
macro_rules! codes {
    ($($variant:ident $kind:ident $name:literal $meaning:literal $remedy:literal;)+) => {
        /// A stable reason code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)+
        }

        impl Code {
            /// Every code, in the order of its declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it says about the work.
            pub fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)+ }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// What a person can do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }
    };
}

codes! {
    NoPolicy LeftOut "no_policy" "no policy selects the image" "tag or name the image so that a policy selects it, or add a policy";
    NotOwned LeftOut "not_owned" "the image belongs to another account" "protect it from the account that owns it";
    NotEbsBacked Unprotectable "not_ebs_backed" "the image's root device is not on EBS, and a store task takes no other" "rebuild the image on EBS";
    Paravirtual Unprotectable "paravirtual" "the image is not HVM, and a store task takes no other" "rebuild the image for HVM";
    TooLarge Unprotectable "too_large" "the image's volumes exceed the 5,000 GB that a store task accepts" "split the data volumes off, or protect them with EBS snapshots";
    ImageFailed Unprotectable "image_failed" "EC2 could not create the image" "read its state reason in EC2 and create it again";
    ImageDisabled Unprotectable "image_disabled" "the image is disabled" "enable the image if it should be protected";
    Pruned LeftOut "pruned" "the retention rules gave the recovery point up, and a record in the vault says so" "nothing, if the rules are meant so; docs/retention.md. To have the image copied again, make a new image of it";
    ImageGone LeftOut "image_gone" "the image does not exist, or no longer exists, in the source account" "nothing, if it was deregistered on purpose; otherwise check account and Region";
    NoteUnusable LeftOut "note_unusable" "the image no longer exists in the source account, and what was noted about it beside its stored data cannot be used" "nothing, if the image is not needed; otherwise restore its staged object in the source account and tag the new image so that a policy selects it";
    OwnRestore LeftOut "own_restore" "the image was restored by amiferry, so it is a copy and not a source" "nothing";
    TooOld LeftOut "too_old" "the image is older than the policy's maximum age" "nothing; raise max_age in the policy if the image should be protected";
    Superseded LeftOut "superseded" "a newer image of the family is protected, and the policy's backfill does not include this one" "nothing; raise backfill in the policy if the image should be copied too";
    ImagePending Waiting "image_pending" "EC2 is still creating the image" "nothing; a worker looks at it again";
    StoreRunning Waiting "store_running" "EC2 is storing the image" "nothing; a worker looks at it again";
    NotStaged Waiting "not_staged" "the image has no staged object yet" "nothing while the source worker runs; otherwise start it. `amiferry status --worker URL` asks it whether AWS refuses the store";
    QuotaFull Waiting "quota_full" "the images in progress fill EC2's store or restore quota" "nothing; raise the quota in Service Quotas and in the configuration if this lasts";
    Paced Waiting "paced" "EC2 admits no more create calls for now: 50 at once, then one every 10 seconds, unless Service Quotas raised them" "nothing; the worker makes the call when its turn comes";
    CopyRunning Waiting "copy_running" "another worker is copying the object into the vault" "nothing; this worker looks at it again, and takes over if the other worker stops";
    RestoreRunning Waiting "restore_running" "EC2 is restoring the image" "nothing; a worker looks at it again";
    InTurn Waiting "in_turn" "the next step is about to begin" "nothing; it begins as soon as a worker has a free slot";
    StagedLost Waiting "staged_lost" "the staged object is gone although the recovery point is not complete" "nothing; the image is stored again, after a longer wait each time. Make the lifecycle rule of the staging bucket keep objects longer than a recovery point takes";
    VaultUnknown Waiting "vault_unknown" "the source worker has just started, and a vault has not yet said whether it has a complete copy" "nothing; the image is stored after an hour at most. The log says why the vault cannot be listed";
    OverBudget Waiting "over_budget" "the source has used up its daily budget of copies" "nothing; copies resume as earlier ones become older than 24 hours. Raise daily_gb or daily_images of the source if this lasts";
    KeyUnproven Waiting "key_unproven" "it is not proven that restores can use the EBS default key, so only one restore runs" "nothing; once it succeeds, the others follow. To have the key proven beforehand, let the vault's role use it as docs/permissions.md says";
    Settling Waiting "settling" "AWS does not yet show an effect that has just happened" "nothing; a worker looks at it again";
    StoreFailed Parked "store_failed" "the store task failed" "read the failure reason: usually a snapshot was deleted or a key cannot be used";
    StoredElsewhere Parked "stored_elsewhere" "the staging bucket holds the image under another key, and EC2 does not store an image twice in one bucket" "delete that object, or move it out of the bucket; the worker then stores the image by itself";
    EncryptionByDefaultOff Parked "encryption_by_default_off" "EBS encryption by default is off in the target Region, so a restore would be plaintext" "turn it on with a customer key, or set accept_plaintext in the policy";
    KeyUnusable Parked "key_unusable" "a KMS key that the work needs cannot be used" "enable the key or cancel its deletion, and check its policy";
    VaultObjectMismatch Tampered "vault_object_mismatch" "the object in the vault is not the staged one: size or checksum differs" "find out who wrote it; remove that version and let the copy run again";
    VaultObjectUnprotected Mismatch "vault_object_unprotected" "the object in the vault lacks the key or the retention that the configuration requires" "set the vault bucket's default encryption and Object Lock; then delete that object, and it is copied again. If it was already recorded, restore the retention in its record instead";
    StagedObjectUnverifiable Parked "staged_object_unverifiable" "there is no staged object to compare the copy in the vault with" "find out who wrote the copy, and delete it; the image is then stored and copied again. Keep staged objects until their recovery points are complete";
    StagedWithoutChecksum Parked "staged_without_checksum" "the staged object has no checksum that a copy made in parts can have too, so no copy of it could be proven" "copy the staged object that the detail names onto itself, so that S3 computes one: aws s3 cp with its URL twice and --checksum-algorithm CRC64NVME. The worker goes on by itself";
    CreatedInFuture Parked "created_in_future" "the image was created more than an hour in the future, by the worker's clock" "set the clock of the machine that is wrong; if it is EC2's answer, make the image again";
    TooManyTags Parked "too_many_tags" "the tags of the source image and those that amiferry adds exceed the 50 that EC2 allows" "remove tags from the source image until at most 40 are left, counting those of AWS but not those of amiferry, and likewise from its snapshots; delete its staged object and its copy in the vault if they already have the tags, or protect it in tier archive";
    RestoreFailed Parked "restore_failed" "EC2 failed to restore the image" "fix what the reason names, often a key or its policy; the worker restores the image again by itself, after minutes at first and hours later. The failed images that the detail names do not block anything; you can deregister them once you have read their state reasons";
    RestoresPaused Parked "restores_paused" "restores of the vault fail for the same reason again and again, so one at a time goes ahead to find out whether it works again" "mend what the reason names, often the key of EBS encryption by default or its policy; the next restore that succeeds ends the pause, and nothing needs to be deregistered for that";
    NameTaken Mismatch "name_taken" "an image that amiferry did not restore has the name of the restored image" "find out who created it and deregister it";
    SnapshotsUnencrypted Mismatch "snapshots_unencrypted" "a restored snapshot is not encrypted, or not with the vault's key" "turn on encryption by default with the vault's key, then turn off the image's deregistration protection and deregister it to have it restored again";
    MetadataMismatch Mismatch "metadata_mismatch" "the restored image differs from its source" "compare the listed attributes; turn off the image's deregistration protection and deregister it to have it restored again, or accept the difference with accept_differences in the policy";
    Shared Mismatch "shared" "the restored image can be launched by other accounts" "remove its launch permissions";
    ImageUnprotected Mismatch "image_unprotected" "deregistration protection of the restored image was turned off" "nothing while the target worker runs: it turns the protection on again. Find out who turned it off";
    ObjectLost Lost "object_lost" "the recorded object is gone from the vault, or a delete marker hides it" "if a delete marker hides it, delete the marker by its version id, and the next look counts the object again; find out who deleted it. A deleted object is copied again while its source image lives; otherwise nothing brings it back, and deleting the version of its manifest, once its lock allows, gives the recovery point up";
    RestoredImageLost Lost "restored_image_lost" "the recorded image is gone from the vault: deregistered, failed or without its snapshots" "find out who removed it; while the recorded object is there, the target worker restores it again. If S3 has that object in an archive class, run amiferry restore, which has it retrieved first";
    ManifestMismatch Tampered "manifest_mismatch" "the manifest does not match what AWS shows" "treat this as tampering until you can explain it. Where a later version of the object hides the recorded one, delete it by its version id. Where the manifest itself is wrong, delete that version once its lock allows: while the source image lives, the worker records again what it finds";
    ManifestUnreadable Tampered "manifest_unreadable" "the manifest cannot be read or believed: it is no manifest of this program, hidden by a delete marker, written twice, or has impossible times" "treat this as tampering until you can explain it. Delete a delete marker or a later version by its version id; a newer program reads manifests of its own version";
    NoteRewritten Tampered "note_rewritten" "what the vault noted of the source image was written more than once, or a delete marker hides it, so it is not believed" "treat this as tampering until you can explain it. Delete the later version of source.json, or the delete marker over it, by its version id, once a lock allows; the next sweep then believes the note again";
    ObjectArchived Unusable "object_archived" "the recorded object is in an archive tier of S3, so it cannot be read at once" "to have its image, run amiferry restore, which has S3 retrieve the object first. If it is meant to be archived, allow its class in the policy (lifecycle_class). Otherwise take back the lifecycle rule that moved it, and restore the object in S3 (aws s3api restore-object) for as many days as its lock still holds: S3 archives it again after them";
    RegionOff Parked "region_off" "the Region, or STS in it, is not enabled for the account" "enable the Region for that account, or STS in that Region in the account settings of IAM";
    AccountOff Parked "account_off" "the account is not ready for the service: not signed up, blocked or being verified" "finish the sign-up of the account, or ask AWS Support what blocks it";
    StagedArchived Parked "staged_archived" "the staged object is in an archive class of S3, so it cannot be copied" "restore the object with aws s3api restore-object, and let no lifecycle rule or Intelligent-Tiering archive objects under its prefix";
    ObjectLocked Parked "object_locked" "Object Lock protects the version from the change" "nothing can shorten a lock before it ends; let the policy ask for no shorter retention or weaker mode than the object has";
    EndpointOfOneRegion Parked "endpoint_of_one_region" "a VPC endpoint refuses copies between Regions" "let the copies leave through a NAT or internet gateway: no VPC endpoint passes copies between Regions";
    Denied Parked "denied" "AWS refuses a call" "allow the call that the detail and `amiferry show IMAGE` name, or narrow the statement that denies it; `amiferry check` prints missing statements and where they go";
    Failing Parked "failing" "calls to AWS keep failing" "read the log entry; the worker retries by itself";
    Staged Done "staged" "the image is stored in the staging bucket" "nothing";
    Complete Done "complete" "the recovery point is complete" "nothing";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::str::FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownCode(text.chars().take(80).collect()))
    }
}

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a reason code")]
pub struct UnknownCode(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_name_that_reads_back_and_is_a_valid_label() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(!code.meaning().ends_with('.') && !code.remedy().is_empty());
        }
    }

    #[test]
    fn every_kind_has_a_code_and_a_meaning_of_its_own() {
        for kind in Kind::ALL {
            assert!(Code::ALL.iter().any(|code| code.kind() == *kind), "{kind:?}");
            let same = Kind::ALL.iter().filter(|other| other.meaning() == kind.meaning()).count();
            assert_eq!(same, 1, "{kind:?}");
        }
    }
}

//! The permissions that the caller of a store, restore or copy needs in addition to the EC2 action:
//! S3, EBS direct and KMS run with the caller's own permissions, at the call and during the task.
//!
//! The how-to page of store and restore lists the actions for both; which of the two needs which
//! follows from the direction of its data ([`TaskPermissions`]).

use amiferry_core::ids::{Arn, SnapshotId};
use jiff::Timestamp;

use super::settings::TaskPermissions;
use super::{Place, snapshot_arn};
use crate::iam::{Access, authorize};
use crate::kms::{self, EncryptionContext};
use crate::principal::Principal;
use crate::s3;
use crate::wire::ApiError;
use crate::world::State;

/// S3 actions on the object, and whether only a task with object tags needs them.
const STORE_OBJECT: &[(&str, bool)] =
    &[("s3:PutObject", false), ("s3:AbortMultipartUpload", false), ("s3:PutObjectTagging", true)];
const RESTORE_OBJECT: &[(&str, bool)] = &[("s3:GetObject", false)];
const WHOLE_OBJECT: &[(&str, bool)] = &[
    ("s3:DeleteObject", false),
    ("s3:GetObject", false),
    ("s3:PutObject", false),
    ("s3:PutObjectTagging", false),
    ("s3:AbortMultipartUpload", false),
];

const STORE_BLOCKS: &[&str] = &["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"];
const RESTORE_BLOCKS: &[&str] =
    &["ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"];
const WHOLE_BLOCKS: &[&str] = &[
    "ebs:CompleteSnapshot",
    "ebs:GetSnapshotBlock",
    "ebs:ListChangedBlocks",
    "ebs:ListSnapshotBlocks",
    "ebs:PutSnapshotBlock",
    "ebs:StartSnapshot",
];

/// A caller and the work that it asks for: checked at the call and again at the end of the task.
#[derive(Debug, Clone)]
pub struct Claim {
    pub caller: Principal,
    pub work: Work,
}

/// The work that a claim is for.
#[derive(Debug, Clone)]
pub enum Work {
    /// Snapshots are read and an object is written.
    Store {
        bucket: String,
        /// The object's key.
        key: String,
        /// Whether the object gets tags.
        tagged: bool,
        /// The snapshots, with the keys of those that are encrypted.
        snapshots: Vec<(SnapshotId, Option<Arn>)>,
    },
    /// An object is read and snapshots are written.
    Restore {
        bucket: String,
        /// The object's key.
        key: String,
        /// The key of the new snapshots.
        encryption: Option<Arn>,
    },
    /// Snapshots are copied.
    Copy {
        /// The snapshots that are read, with their keys.
        snapshots: Vec<(SnapshotId, Option<Arn>)>,
        /// The keys of the new snapshots.
        encryption: Vec<Arn>,
    },
}

impl Claim {
    /// Asks IAM about S3 and EBS.
    ///
    /// # Errors
    /// The denial in IAM's words.
    pub fn check(&self, state: &State, place: &Place) -> Result<(), String> {
        let whole = match state.settings.ec2.task_permissions {
            TaskPermissions::Unchecked => return Ok(()),
            TaskPermissions::ByDirection => false,
            TaskPermissions::WholeList => true,
        };
        let (bucket, key, tagged, object, blocks) = match &self.work {
            Work::Store { bucket, key, tagged, .. } => {
                (bucket, key, *tagged, STORE_OBJECT, STORE_BLOCKS)
            }
            Work::Restore { bucket, key, .. } => {
                (bucket, key, false, RESTORE_OBJECT, RESTORE_BLOCKS)
            }
            Work::Copy { .. } => return Ok(()),
        };
        let object = if whole { WHOLE_OBJECT } else { object };
        let blocks = if whole { WHOLE_BLOCKS } else { blocks };
        s3::allowed_for(state, &self.caller, bucket, None, "s3:ListBucket")?;
        for (action, only_tagged) in object {
            if tagged || !only_tagged {
                s3::allowed_for(state, &self.caller, bucket, Some(key), action)?;
            }
        }
        let region = &place.1;
        let arns: Vec<String> = match &self.work {
            Work::Store { snapshots, .. } => {
                snapshots.iter().map(|(id, _)| snapshot_arn(region, id.as_str())).collect()
            }
            // The new snapshots have no ids yet; policies name them with a wildcard.
            Work::Restore { .. } | Work::Copy { .. } => vec![snapshot_arn(region, "*")],
        };
        for action in blocks {
            for resource in &arns {
                let context = [
                    ("aws:RequestedRegion", region.to_string()),
                    ("aws:ViaAWSService", true.to_string()),
                ];
                let access = Access {
                    action,
                    resource,
                    owner: &self.caller.account,
                    resource_policy: None,
                    context: &context,
                };
                authorize(state, &self.caller, &access).map_err(|denial| denial.message)?;
            }
        }
        Ok(())
    }

    /// Asks KMS: every key that data is read or written under must be usable by the caller through
    /// EC2 (or S3, for that of the object).
    ///
    /// # Errors
    /// KMS's code and message.
    pub fn check_keys(&self, state: &State, at: Timestamp, place: &Place) -> Result<(), String> {
        let explain = |error: ApiError| format!("{}: {}", error.code, error.message);
        if state.settings.ec2.task_permissions == TaskPermissions::Unchecked {
            return Ok(());
        }
        let via = format!("ec2.{}.amazonaws.com", place.1);
        let ask = |key: &Arn, operation: &str, context: &EncryptionContext| {
            let wish = kms::Wish { operation, context, tokens: &[], via: Some(&via) };
            kms::use_by_service(state, at, &self.caller, key, &wish).map_err(explain)
        };
        let read = |snapshots: &[(SnapshotId, Option<Arn>)]| {
            snapshots.iter().try_for_each(|(id, key)| match key {
                Some(key) => {
                    let context = [("aws:ebs:id".to_owned(), id.to_string())].into_iter().collect();
                    ask(key, "Decrypt", &context)
                }
                None => Ok(()),
            })
        };
        let write = |key: &Arn| {
            ask(key, "GenerateDataKeyWithoutPlaintext", &EncryptionContext::new())?;
            ask(key, "CreateGrant", &EncryptionContext::new())
        };
        match &self.work {
            Work::Store { bucket, key, snapshots, .. } => {
                read(snapshots)?;
                s3::write_key_for(state, at, &self.caller, bucket, key).map_err(explain)
            }
            Work::Restore { bucket, key, encryption } => {
                s3::read_key_for(state, at, &self.caller, bucket, key).map_err(explain)?;
                encryption.iter().try_for_each(write)
            }
            Work::Copy { snapshots, encryption } => {
                read(snapshots)?;
                encryption.iter().try_for_each(write)
            }
        }
    }

    /// Asks all of it when the call is made. Keys only where the settings say so: EBS looks at them
    /// while it works.
    ///
    /// # Errors
    /// `UnauthorizedOperation`, or the configured code for a key.
    pub fn check_at_call(
        &self,
        state: &State,
        at: Timestamp,
        place: &Place,
    ) -> Result<(), ApiError> {
        self.check(state, place).map_err(|why| {
            let message = format!("You are not authorized to perform this operation. {why}");
            ApiError::new(403, "UnauthorizedOperation", message)
        })?;
        if !state.settings.ec2.keys_checked_at_call {
            return Ok(());
        }
        let code = &state.settings.ec2.codes.key_inaccessible;
        self.check_keys(state, at, place).map_err(|why| ApiError::new(400, code, why))
    }

    /// Asks all of it at the end of the task.
    ///
    /// # Errors
    /// Why the task fails.
    pub fn check_at_end(&self, state: &State, at: Timestamp, place: &Place) -> Result<(), String> {
        self.check(state, place)?;
        self.check_keys(state, at, place).map_err(|why| match self.work {
            // "How Amazon EBS encryption works" gives these words for a copy.
            Work::Copy { .. } => format!("Given key ID is not accessible: {why}"),
            Work::Store { .. } | Work::Restore { .. } => why,
        })
    }
}

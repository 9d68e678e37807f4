//! KMS keys: what KMS says about one, and whether work that needs it can be started.

mod grant;
mod guard;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Arn;

pub(super) use grant::role_of;
pub use grant::{Grant, Grantee};
pub(super) use guard::is_role;
pub use guard::{Admitted, KeyGuard};
pub use policy::refusal_of;

/// What a caller asks of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyOperation {
    /// Tells state, manager and Region.
    DescribeKey,
    /// Encrypts a data key.
    Encrypt,
    /// Decrypts a data key.
    Decrypt,
    /// Encrypts a data key under this key again, or under another one: `ReEncryptFrom` and
    /// `ReEncryptTo`.
    ReEncrypt,
    /// Makes a data key.
    GenerateDataKey,
    /// Makes a data key for later.
    GenerateDataKeyWithoutPlaintext,
    /// Lets EC2 use the key for a snapshot or volume.
    CreateGrant,
}

impl KeyOperation {
    /// The IAM action.
    pub fn action(self) -> &'static str {
        match self {
            Self::DescribeKey => "kms:DescribeKey",
            Self::Encrypt => "kms:Encrypt",
            Self::Decrypt => "kms:Decrypt",
            Self::ReEncrypt => "kms:ReEncrypt*",
            Self::GenerateDataKey => "kms:GenerateDataKey",
            Self::GenerateDataKeyWithoutPlaintext => "kms:GenerateDataKeyWithoutPlaintext",
            Self::CreateGrant => "kms:CreateGrant",
        }
    }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyPurpose {
    /// S3 reads an object under it (S3 user guide, *Protecting data with SSE-KMS*).
    Reading,
    /// S3 writes an object under it in parts (S3 API, `UploadPartCopy`: both actions).
    Writing,
    /// EC2 restores snapshots under it (EBS user guide, *Permissions for EBS encryption*).
    Snapshots,
}

impl KeyPurpose {
    /// What AWS needs of the key in our name.
    pub fn operations(self) -> &'static [KeyOperation] {
        use KeyOperation as Op;
        match self {
            Self::Reading => &[Op::Decrypt],
            Self::Writing => &[Op::GenerateDataKey, Op::Decrypt],
            Self::Snapshots => &[
                Op::DescribeKey,
                Op::CreateGrant,
                Op::GenerateDataKeyWithoutPlaintext,
                Op::Decrypt,
                Op::Encrypt,
                Op::ReEncrypt,
            ],
        }
    }
}

/// A key's metadata and what probing it showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// The key, as `DescribeKey` names it, or else as it was asked for.
    pub arn: Arn,
    /// Its state (`DescribeKey`); `None` where describing it was not allowed or told nothing.
    pub state: Option<KeyState>,
    /// Whether it is AWS-managed (`aws/ebs`, `aws/s3`), so it cannot be shared across accounts.
    pub aws_managed: Option<bool>,
    /// Whether it is a multi-Region key. Services use one as a key of its own Region only.
    pub multi_region: Option<bool>,
    /// What each operation that was asked for would do.
    pub probes: BTreeMap<KeyOperation, Probe>,
}

/// What a probe showed. `Unknown` is a third answer and never counts as either other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It would work.
    Yes,
    /// It would not; KMS's own words, or the statement of the key's policy.
    No(String),
    /// KMS would not tell this caller; its own words.
    Unknown(String),
}

/// State of a key (API model `KeyState`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// Usable.
    Enabled,
    /// Turned off.
    Disabled,
    /// Waiting to be deleted.
    PendingDeletion,
    /// KMS does not know it: deleted, or never there in this Region.
    Absent,
    /// Any other state, in KMS's words; none of them but `Updating` can encrypt.
    Other(String),
}

impl KeyState {
    /// KMS's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::Absent => "Absent",
            Self::Other(state) => state,
        }
    }
}

/// Whether work that needs a key can be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyVerdict {
    /// Enabled, and every operation that the work needs would succeed.
    Usable,
    /// It cannot be used now, with the reason.
    Unusable(String),
    /// Nothing forbids or proves it: work continues, and reports show the key as unknown.
    Unknown(String),
}

impl fmt::Display for KeyVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usable => f.write_str("yes"),
            Self::Unusable(why) => write!(f, "no: {why}"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}

impl KeyFacts {
    /// Judges the facts for a purpose. A state other than `Enabled` or `Updating` decides alone;
    /// then one refused operation, then one that is not proven.
    pub fn verdict(&self, purpose: KeyPurpose) -> KeyVerdict {
        match &self.state {
            Some(KeyState::Disabled) => return self.unusable("is disabled"),
            Some(KeyState::PendingDeletion) => return self.unusable("is pending deletion"),
            Some(KeyState::Absent) => return self.absent(),
            Some(KeyState::Other(state)) if state != "Updating" => {
                return self.unusable(&format!("is in state {state}"));
            }
            Some(KeyState::Enabled | KeyState::Other(_)) | None => {}
        }
        let mut unproven = Vec::new();
        let mut words = None;
        for operation in purpose.operations() {
            match self.probes.get(operation) {
                Some(Probe::Yes) => {}
                Some(Probe::No(why)) => {
                    return KeyVerdict::Unusable(format!(
                        "{} on {} is refused: {why}",
                        operation.action(),
                        self.arn
                    ));
                }
                Some(Probe::Unknown(why)) => {
                    unproven.push(operation.action());
                    words = words.or(Some(why.as_str()));
                }
                None => unproven.push(operation.action()),
            }
        }
        if unproven.is_empty() {
            return KeyVerdict::Usable;
        }
        let words = words.map(|words| format!(": {words}")).unwrap_or_default();
        KeyVerdict::Unknown(format!(
            "not proven for this principal: {} on {}{words}",
            unproven.join(", "),
            self.arn
        ))
    }

    fn absent(&self) -> KeyVerdict {
        // The id of a multi-Region key is the same in all of its Regions.
        if self.arn.resource().starts_with("key/mrk-") {
            return self
                .unusable("does not exist: the multi-Region key has no replica in this Region");
        }
        self.unusable("does not exist")
    }

    fn unusable(&self, what: &str) -> KeyVerdict {
        KeyVerdict::Unusable(format!("key {} {what}", self.arn))
    }
}

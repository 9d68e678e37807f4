//! One key: its state, what that state forbids, and its metadata.

use std::collections::BTreeMap;
use std::fmt;

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::grant::Grant;
use crate::iam::Policy;
use crate::wire::ApiError;

/// The states of a key. `DescribeKey` and `ListGrants` work in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Usable.
    Enabled,
    /// Turned off by its owner; can be turned on.
    Disabled,
    /// Will be deleted.
    PendingDeletion,
    /// A Multi-Region primary that waits for its replicas' deletion.
    PendingReplicaDeletion,
    /// Waits for its key material.
    PendingImport,
    /// Its custom key store is not connected.
    Unavailable,
    /// Being made.
    Creating,
    /// Being changed; usable.
    Updating,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A symmetric encryption key.
#[derive(Debug)]
pub struct Key {
    pub arn: Arn,
    pub state: KeyState,
    /// What its owner says about it.
    pub description: String,
    /// Whether it belongs to a service, such as `aws/ebs`.
    pub aws_managed: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it will be gone.
    pub deletion: Option<Timestamp>,
    /// Its policy, as given and parsed.
    pub policy: (String, Policy),
    pub(super) grants: BTreeMap<String, Grant>,
}

impl Key {
    /// An enabled key.
    pub fn new(arn: Arn, now: Timestamp, policy: (String, Policy)) -> Self {
        Self {
            arn,
            state: KeyState::Enabled,
            description: String::new(),
            aws_managed: false,
            created: now,
            deletion: None,
            policy,
            grants: BTreeMap::new(),
        }
    }

    /// The last part of its ARN, a UUID.
    pub fn id(&self) -> &str {
        self.arn.resource().trim_start_matches("key/")
    }

    /// Whether its state lets cryptographic operations through.
    ///
    /// # Errors
    /// The error of the state.
    pub fn check_crypto(&self) -> Result<(), ApiError> {
        match self.state {
            KeyState::Enabled | KeyState::Updating => Ok(()),
            KeyState::Disabled => {
                Err(ApiError::new(400, "DisabledException", format!("{} is disabled.", self.arn)))
            }
            KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => {
                Err(self.invalid_state("pending deletion"))
            }
            KeyState::PendingImport => Err(self.invalid_state("pending import")),
            KeyState::Unavailable => Err(self.invalid_state("unavailable")),
            KeyState::Creating => Err(self.invalid_state("creating")),
        }
    }

    /// Whether its state lets `CreateGrant` through.
    ///
    /// # Errors
    /// The error of the state.
    pub fn check_create_grant(&self) -> Result<(), ApiError> {
        if self.state == KeyState::Unavailable { Ok(()) } else { self.check_crypto() }
    }

    /// Whether it can be enabled, disabled and aliased.
    ///
    /// # Errors
    /// The error of the state.
    pub fn check_administration(&self) -> Result<(), ApiError> {
        match self.state {
            KeyState::Enabled | KeyState::Disabled => Ok(()),
            KeyState::Updating => Err(self.invalid_state("updating")),
            _ => self.check_crypto(),
        }
    }

    pub(super) fn invalid_state(&self, state: &str) -> ApiError {
        let message = format!("{} is {state}.", self.arn);
        ApiError::new(400, "KMSInvalidStateException", message)
    }

    /// The `KeyMetadata` of `DescribeKey`.
    pub fn metadata(&self) -> Value {
        let mut metadata = json!({
            "AWSAccountId": self.arn.account(),
            "Arn": self.arn,
            "CreationDate": seconds(self.created),
            "CurrentKeyMaterialId": hex::encode([0_u8; 32]),
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "Description": self.description,
            "Enabled": matches!(self.state, KeyState::Enabled | KeyState::Updating),
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "KeyId": self.id(),
            "KeyManager": if self.aws_managed { "AWS" } else { "CUSTOMER" },
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyState": self.state.to_string(),
            "KeyUsage": "ENCRYPT_DECRYPT",
            "MultiRegion": false,
            "Origin": "AWS_KMS",
        });
        if let (Some(deletion), Some(members)) = (self.deletion, metadata.as_object_mut()) {
            members.insert("DeletionDate".to_owned(), json!(seconds(deletion)));
        }
        metadata
    }
}

/// A time as the JSON protocols write it: seconds since the epoch, with a fraction.
pub(super) fn seconds(at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds until the year 280000 fit")]
    let milliseconds = at.as_millisecond() as f64;
    milliseconds / 1000.0
}

/// The policy of a key made without one: the account's own policies decide.
pub(super) fn customer_policy(account: &AccountId) -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string()
}

/// The policy of a key that AWS manages: used through its service only, looked at by its account.
pub(super) fn managed_policy(account: &AccountId, region: &Region, service: &str) -> String {
    let via = if service == "ebs" { "ec2" } else { service };
    json!({
        "Version": "2012-10-17",
        "Id": format!("auto-{service}-2"),
        "Statement": [
            {
                "Sid": format!("Allow access through {service} for all principals in the account that are authorized to use {service}"),
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": { "StringEquals": {
                    "kms:CallerAccount": account,
                    "kms:ViaService": format!("{via}.{region}.amazonaws.com"),
                } },
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    })
    .to_string()
}

//! Snapshots, volumes and the minimal instances that images are made from.

use std::collections::BTreeSet;

use amiferry_core::ids::{AccountId, Arn, Region, SnapshotId};
use jiff::Timestamp;

use super::image::{Device, Metadata, Tags};
use super::time;

/// An EBS snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub id: SnapshotId,
    /// The account that owns it.
    pub owner: AccountId,
    /// Where it is in its life.
    pub state: SnapshotState,
    /// When it was begun.
    pub started: Timestamp,
    /// Size of its volume in GiB.
    pub size_gib: u32,
    /// The key it is encrypted with, if it is.
    pub key: Option<Arn>,
    /// In words.
    pub description: String,
    /// The volume it was made from; AWS shows an arbitrary id for copies and restores.
    pub volume: String,
    pub tags: Tags,
    /// What is on it: equal numbers mean equal data, in any account and Region.
    pub data: u64,
    /// Who else may make volumes from it.
    pub shared: SnapshotSharing,
    /// The snapshot that it is a copy of, with its Region.
    pub source: Option<(SnapshotId, Region)>,
}

/// Which accounts other than the owner may use a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotSharing {
    pub accounts: BTreeSet<AccountId>,
    /// Everyone; only for snapshots that are not encrypted.
    pub everyone: bool,
}

impl Snapshot {
    /// Whether an account owns it or was given it directly.
    pub fn given_to(&self, account: &AccountId) -> bool {
        self.owner == *account || self.shared.accounts.contains(account)
    }

    /// Whether an account sees it and may make volumes from it.
    pub fn visible_to(&self, account: &AccountId) -> bool {
        self.given_to(account) || self.shared.everyone
    }

    /// Percent done at `now`.
    pub fn progress(&self, now: Timestamp) -> u64 {
        match self.state {
            SnapshotState::Pending { finishes } => {
                time::percent(self.started, finishes, now).min(99)
            }
            SnapshotState::Completed { .. } => 100,
            SnapshotState::Error { .. } => 0,
        }
    }
}

/// The states of a snapshot, as `DescribeSnapshots` names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotState {
    /// Being made.
    Pending {
        /// When it will be done.
        finishes: Timestamp,
    },
    /// Usable.
    Completed {
        /// Since when.
        at: Timestamp,
    },
    /// Never usable.
    Error {
        /// Why.
        message: String,
    },
}

impl SnapshotState {
    /// As AWS writes it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Completed { .. } => "completed",
            Self::Error { .. } => "error",
        }
    }
}

/// An EBS volume: enough of one to make snapshots from.
#[derive(Debug, Clone)]
pub struct Volume {
    pub id: String,
    pub size_gib: u32,
    /// The key it is encrypted with, if it is.
    pub key: Option<Arn>,
    /// The snapshot it was made from.
    pub snapshot: Option<SnapshotId>,
    /// Its Availability Zone.
    pub zone: String,
    /// `gp3`, `io2`, …
    pub volume_type: String,
    /// When it was created.
    pub created: Timestamp,
    pub tags: Tags,
    /// What is on it: equal numbers mean equal data.
    pub data: u64,
}

/// An instance: enough of one for `CreateImage`.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What its images inherit.
    pub metadata: Metadata,
    /// Its devices; the snapshots in it are those its volumes came from.
    pub devices: Vec<Device>,
    /// The key of each encrypted device, by device name.
    pub keys: std::collections::BTreeMap<String, Arn>,
}

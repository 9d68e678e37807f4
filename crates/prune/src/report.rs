//! What a prune comes to: a row for each recovery point, with its reason.

use amiferry_core::code::Code;
use amiferry_core::cost::{self, Prices};
use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::manifest::Manifest;
use amiferry_core::names::{RecoveryPointId, VaultId};
use amiferry_core::notification::{Notification, Place, PruneFinished, VERSION};
use jiff::Timestamp;
use serde::Serialize;

/// The version of the JSON that `prune` prints.
pub const SCHEMA_VERSION: u32 = 1;

/// What becomes of a recovery point, or of its AMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It stays.
    Kept,
    /// The rules give it up, and something holds it for now.
    Held,
    /// It would go.
    Goes,
    /// It is gone.
    Gone,
    /// Its AMI is in the cooldown that follows the end of its protection; a later run ends it.
    Retiring,
    /// A call failed half way; a later run goes on.
    Failed,
    /// It is not known to be complete: nothing is decided about it.
    NotAssessed,
}

impl Outcome {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Held => "held",
            Self::Goes => "goes",
            Self::Gone => "gone",
            Self::Retiring => "retiring",
            Self::Failed => "failed",
            Self::NotAssessed => "not_assessed",
        }
    }
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The recovery point: object, AMI and snapshots.
    All,
    /// Its AMI with its snapshots; the object stays.
    Ami,
}

impl What {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Ami => "ami",
        }
    }
}

/// One recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub source_account: AccountId,
    pub source_region: Region,
    pub source_image_id: ImageId,
    /// As recorded; empty where that cannot be read.
    pub source_name: String,
    pub family: String,
    pub policy: String,
    pub created_at: Option<Timestamp>,
    /// What is meant: all of it, or its AMI.
    pub what: What,
    pub outcome: Outcome,
    pub reason: String,
    pub code: Option<Code>,
    /// The AMI, if one is recorded.
    pub image_id: Option<ImageId>,
    /// Size of the object in bytes.
    pub bytes: u64,
    /// The sum of its volumes in GiB.
    pub size_gib: u64,
}

impl Row {
    pub(crate) fn of(
        id: &RecoveryPointId,
        manifest: Option<&Manifest>,
        what: What,
        outcome: Outcome,
        reason: impl Into<String>,
    ) -> Self {
        let text = |of: fn(&Manifest) -> &String| manifest.map(of).cloned().unwrap_or_default();
        let restored = manifest.and_then(|manifest| manifest.restored.as_ref());
        Self {
            source_account: id.source_account.clone(),
            source_region: id.source_region.clone(),
            source_image_id: id.source_image_id.clone(),
            source_name: text(|manifest| &manifest.source.name),
            family: text(|manifest| &manifest.family),
            policy: text(|manifest| &manifest.policy),
            created_at: manifest.map(|manifest| manifest.source.created_at),
            what,
            outcome,
            reason: reason.into(),
            code: None,
            image_id: restored.map(|restored| restored.image_id.clone()),
            bytes: manifest.map_or(0, |manifest| manifest.vault_object.size),
            size_gib: manifest.map_or(0, |manifest| manifest.source.size_gib),
        }
    }
}

/// What kind of thing is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An AMI of ours whose restore failed.
    FailedImage,
    /// A snapshot of ours that no image uses.
    OrphanedSnapshot,
    /// A multipart upload under a key of ours.
    AbandonedUpload,
}

impl Kind {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailedImage => "failed_image",
            Self::OrphanedSnapshot => "orphaned_snapshot",
            Self::AbandonedUpload => "abandoned_upload",
        }
    }
}

/// Something that no recovery point consists of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Left {
    pub kind: Kind,
    /// The id of the image or snapshot, or the key of the upload.
    pub id: String,
    /// When it was made, or last changed.
    pub since: Timestamp,
    /// Its size in bytes: that of its volumes, or of its parts.
    pub bytes: u64,
    /// What a month of it costs, estimated: snapshots with all of their volumes, parts as objects in
    /// `STANDARD`. `None` where a price is missing.
    pub monthly_cost: Option<f64>,
    pub outcome: Outcome,
    pub reason: String,
}

/// The result of `amiferry prune --leftovers`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leftovers {
    pub schema_version: u32,
    pub vault_account: AccountId,
    pub vault_region: Region,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    pub at: Timestamp,
    /// Why nothing was removed, or would be.
    pub refused: Vec<String>,
    /// The currency of all costs.
    pub currency: String,
    /// The day of the prices.
    pub prices_as_of: String,
    /// Where the prices are from.
    pub prices_from: String,
    pub rows: Vec<Left>,
    /// What a month of all rows costs; `None` where one is not assessed.
    pub monthly_cost: Option<f64>,
}

impl Leftovers {
    pub(crate) fn new(vault: VaultId, dry_run: bool, at: Timestamp, prices: &Prices) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            vault_account: vault.account,
            vault_region: vault.region,
            dry_run,
            at,
            refused: Vec::new(),
            currency: prices.currency.clone(),
            prices_as_of: prices.as_of.clone(),
            prices_from: prices.source.clone(),
            rows: Vec::new(),
            monthly_cost: Some(0.0),
        }
    }

    pub(crate) fn add(&mut self, row: Left) {
        self.monthly_cost = cost::sum([self.monthly_cost, row.monthly_cost]);
        self.rows.push(row);
    }

    /// Whether all was done that could be.
    pub fn is_whole(&self) -> bool {
        self.refused.is_empty() && !self.rows.iter().any(|row| row.outcome == Outcome::Failed)
    }
}

/// The result of `amiferry prune --until`: what goes, with the time of the run that takes it, and what is
/// not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Future {
    pub schema_version: u32,
    pub vault_account: AccountId,
    pub vault_region: Region,
    pub at: Timestamp,
    /// Until when it is drawn.
    pub until: Timestamp,
    /// Why no run would delete anything as things are.
    pub doubts: Vec<String>,
    pub rows: Vec<Departure>,
}

/// One row of the future.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Departure {
    /// The time of the run; `None` for what is not assessed.
    pub goes_at: Option<Timestamp>,
    #[serde(flatten)]
    pub row: Row,
}

impl Future {
    /// Whether all could be assessed.
    pub fn is_whole(&self) -> bool {
        let is_unknown = |one: &Departure| one.row.outcome == Outcome::NotAssessed;
        self.doubts.is_empty() && !self.rows.iter().any(is_unknown)
    }
}

/// The result of `amiferry prune`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    pub schema_version: u32,
    pub vault_account: AccountId,
    pub vault_region: Region,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    pub at: Timestamp,
    /// Why nothing was deleted, or would be; empty where nothing stands against it.
    pub refused: Vec<String>,
    pub rows: Vec<Row>,
}

impl Pruned {
    /// What an event bus is told of it.
    pub fn notification(&self) -> Notification {
        let count = |outcomes: &[Outcome]| {
            self.rows.iter().filter(|row| outcomes.contains(&row.outcome)).count()
        };
        Notification::Prune(PruneFinished {
            schema_version: VERSION,
            vault: Place { account: self.vault_account.clone(), region: self.vault_region.clone() },
            pruned: count(&[Outcome::Gone, Outcome::Retiring]),
            held: count(&[Outcome::Held, Outcome::Failed]),
            refused: self.refused.clone(),
            at: self.at,
        })
    }

    pub(crate) fn new(vault: VaultId, dry_run: bool, at: Timestamp) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            vault_account: vault.account,
            vault_region: vault.region,
            dry_run,
            at,
            refused: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Adds a row that is final, and tells it.
    pub(crate) fn add(&mut self, row: Row, tell: &(dyn Fn(&Row) + Sync)) {
        tell(&row);
        self.rows.push(row);
    }

    /// The rows of an outcome.
    pub fn with(&self, outcome: Outcome) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.outcome == outcome)
    }

    /// Whether all was assessed and done that could be.
    pub fn is_whole(&self) -> bool {
        let is_bad = |row: &Row| matches!(row.outcome, Outcome::Failed | Outcome::NotAssessed);
        self.refused.is_empty() && !self.rows.iter().any(is_bad)
    }
}

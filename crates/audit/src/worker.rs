//! What only a running worker knows of its vault, as it serves it at [`PATH`] and as reports take it
//! up: which steps AWS refused it, when it tries again, and in which families images went.
//!
//! AWS shows none of that. A report that takes it up can only look worse for it: an answer turns
//! nothing into `complete`, so whatever answers in the place of a worker makes nothing green.

use amiferry_core::code::Code;
use amiferry_core::fleet::{Fleet, State};
use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::names::{RecoveryPointId, SourceId, VaultId};
use amiferry_core::text::visible;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::inventory::{Inventory, RecoveryPoint, Unfinished};
use crate::page::LONGEST_REASON;

/// Where a target worker's admin server serves it.
pub const PATH: &str = "/worker.json";

/// The version of the JSON; grows only when a reader could break.
pub const SCHEMA_VERSION: u32 = 1;

/// Most recovery points and most families that one answer names.
const MOST: usize = 10_000;

/// What a worker tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub schema_version: u32,
    /// When it told it.
    pub as_of: Timestamp,
    /// The vault account.
    pub target_account: AccountId,
    pub target_region: Region,
    /// The recovery points that it has to look at again.
    pub recovery_points: Vec<Open>,
    /// The families in which images went before one was complete.
    pub unfinished: Vec<Family>,
    /// How many of both kinds there are beyond the most that an answer names.
    pub left_out: usize,
}

/// A recovery point that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    pub source_account: AccountId,
    pub source_region: Region,
    pub source_image_id: ImageId,
    /// When the worker looks at it again, unless an event comes first.
    pub next_try: Option<Timestamp>,
    /// What failed last, if something did.
    pub refusal: Option<Refusal>,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason.
    #[serde(deserialize_with = "known_code")]
    pub code: Code,
    /// AWS's words.
    pub detail: String,
    /// Whether it waits for a person or another system.
    pub parked: bool,
    /// How many attempts failed in a row.
    pub failed_attempts: u32,
}

/// A family in which images went, and none was complete since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    pub source_account: AccountId,
    pub source_region: Region,
    pub family: String,
    pub policy: String,
    /// When the oldest of those images was created.
    pub since: Timestamp,
}

/// Whether the worker of a vault was asked, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerAsked {
    /// The vault account.
    pub target_account: AccountId,
    pub target_region: Region,
    /// When it answered; `None` if it did not.
    pub answered_at: Option<Timestamp>,
    /// Why it did not.
    pub why: Option<String>,
}

/// The code by its name; a later version's code is shown as a failure, under its words.
fn known_code<'de, D: Deserializer<'de>>(reader: D) -> Result<Code, D::Error> {
    Ok(String::deserialize(reader)?.parse().unwrap_or(Code::Failing))
}

impl Told {
    /// What the fleet of a running worker says of its vault now.
    pub fn of(fleet: &Fleet, vault: &VaultId, now: Timestamp) -> Self {
        let open = fleet.points().filter(|(_, shown)| shown.state != State::Complete);
        let told = open.filter(|(_, shown)| shown.failure.is_some() || shown.next.is_some());
        let mut recovery_points: Vec<Open> = told
            .map(|(id, shown)| Open {
                source_account: id.source_account.clone(),
                source_region: id.source_region.clone(),
                source_image_id: id.source_image_id.clone(),
                next_try: shown.next,
                refusal: shown.failure.map(|failure| Refusal {
                    code: failure.code,
                    detail: visible(&failure.detail, LONGEST_REASON),
                    parked: failure.parked,
                    failed_attempts: failure.attempts,
                }),
            })
            .collect();
        // What failed is named before what only waits.
        recovery_points.sort_by_key(|open| open.refusal.is_none());
        let mut unfinished: Vec<Family> = fleet
            .unfinished()
            .map(|(family, since)| Family {
                source_account: family.source.account.clone(),
                source_region: family.source.region.clone(),
                family: family.name.to_string(),
                policy: family.policy.to_string(),
                since,
            })
            .collect();
        let beyond = |count: usize| count.saturating_sub(MOST);
        let left_out = beyond(recovery_points.len()) + beyond(unfinished.len());
        recovery_points.truncate(MOST);
        unfinished.truncate(MOST);
        Self {
            schema_version: SCHEMA_VERSION,
            as_of: now,
            target_account: vault.account.clone(),
            target_region: vault.region.clone(),
            recovery_points,
            unfinished,
            left_out,
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// It is no answer of a target worker, or of a version that this one does not know.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let told: Self = serde_json::from_slice(json)
            .map_err(|error| format!("what answers is no target worker: {error}"))?;
        match told.schema_version {
            SCHEMA_VERSION => Ok(told),
            other => Err(format!("its answer has schema_version {other}, which is not known here")),
        }
    }

    fn vault(&self) -> VaultId {
        VaultId { account: self.target_account.clone(), region: self.target_region.clone() }
    }
}

impl Inventory {
    /// Takes up what the worker of a vault knows: of what AWS shows under way, that it is refused; of
    /// everything that is not complete, the next try.
    pub fn hear(&mut self, told: &Told) {
        for open in &told.recovery_points {
            let id = open.of_vault(&told.vault());
            let mut points = self.recovery_points.iter_mut();
            if let Some(point) = points.find(|point| point.id() == id) {
                open.heard_of(point);
            }
        }
        let unfinished = told.unfinished.iter().map(|family| Unfinished {
            source: SourceId {
                account: family.source_account.clone(),
                region: family.source_region.clone(),
            },
            family: family.family.clone(),
            policy: family.policy.clone(),
            vault: told.vault(),
            since: family.since,
        });
        self.unfinished.extend(unfinished);
    }
}

impl Open {
    fn of_vault(&self, vault: &VaultId) -> RecoveryPointId {
        RecoveryPointId {
            source_account: self.source_account.clone(),
            source_region: self.source_region.clone(),
            source_image_id: self.source_image_id.clone(),
            target_account: vault.account.clone(),
            target_region: vault.region.clone(),
        }
    }

    /// Says it of a row as the worker's own page does.
    fn heard_of(&self, point: &mut RecoveryPoint) {
        if point.state == State::Complete {
            return;
        }
        point.next_try = self.next_try;
        let Some(refusal) = &self.refusal else { return };
        point.failed_attempts = Some(refusal.failed_attempts);
        if point.state != State::InProgress {
            return;
        }
        if refusal.parked {
            point.state = State::Parked;
        }
        point.code = refusal.code;
        point.detail = visible(&refusal.detail, LONGEST_REASON);
    }
}

/// Whether what only workers know is in a report, in a sentence; `None` where none was to be asked.
pub fn heard(asked: &[WorkerAsked]) -> Option<String> {
    let silent: Vec<&WorkerAsked> =
        asked.iter().filter(|worker| worker.answered_at.is_none()).collect();
    let first = asked.first()?;
    Some(match silent.first() {
        None if asked.len() == 1 => {
            "The running worker was asked, too: what only it was refused is here.".to_owned()
        }
        None => {
            "The running workers were asked, too: what only they were refused is here.".to_owned()
        }
        Some(other) if silent.len() == asked.len() => format!(
            "No running worker was asked: what only it was refused is not here{}.",
            because(if asked.len() == 1 { first } else { other })
        ),
        Some(other) => format!(
            "The worker of vault {}/{} was not asked: what only it was refused is not here{}.",
            other.target_account,
            other.target_region,
            because(other)
        ),
    })
}

fn because(worker: &WorkerAsked) -> String {
    let why = worker.why.as_ref().map(|why| format!(" ({})", visible(why, LONGEST_REASON)));
    why.unwrap_or_default()
}

//! The answer of a source worker.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{MOST, Refusal, SCHEMA_VERSION};
use crate::fleet::source::SourceFleet;
use crate::ids::{AccountId, ImageId, Region};
use crate::names::SourceId;

/// What a source worker answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceAnswer {
    pub schema_version: u32,
    /// When it answered.
    pub as_of: Timestamp,
    pub source_account: AccountId,
    pub source_region: Region,
    /// The images whose store failed or was refused, and did not begin since.
    pub images: Vec<OpenImage>,
    /// How many of them there are beyond the most that an answer names.
    pub left_out: usize,
}

/// An image that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenImage {
    pub source_image_id: ImageId,
    /// When the worker looks at it again, unless an event comes first.
    pub next_try: Timestamp,
    /// What failed last.
    pub refusal: Refusal,
}

impl SourceAnswer {
    /// What the fleet of a running worker says of its source now.
    pub fn of(fleet: &SourceFleet, now: Timestamp) -> Self {
        let SourceId { account, region } = fleet.id().clone();
        let mut images: Vec<OpenImage> = fleet
            .troubles()
            .map(|(id, failure)| OpenImage {
                source_image_id: id.clone(),
                next_try: failure.retry_at,
                refusal: failure.into(),
            })
            .collect();
        // What waits for a person is named before what passes by itself.
        images.sort_by_key(|image| !image.refusal.parked);
        let left_out = images.len().saturating_sub(MOST);
        images.truncate(MOST);
        Self {
            schema_version: SCHEMA_VERSION,
            as_of: now,
            source_account: account,
            source_region: region,
            images,
            left_out,
        }
    }

    /// The answer as it is served: on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Of which source it is.
    pub fn source(&self) -> SourceId {
        SourceId { account: self.source_account.clone(), region: self.source_region.clone() }
    }
}

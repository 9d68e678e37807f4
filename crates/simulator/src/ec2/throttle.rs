//! Token buckets of the API calls: one per account, Region and operation.
//!
//! Capacities and refill rates: EC2 Developer Guide, "Request throttling for the Amazon EC2 API".

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Place;
use super::settings::Throttling;
use crate::wire::ApiError;
use crate::world::State;

/// The buckets of one account and Region, by operation.
#[derive(Debug, Default)]
pub struct Buckets(BTreeMap<String, Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

/// Takes one token for a call.
///
/// # Errors
/// `RequestLimitExceeded` (503) when the bucket is empty.
pub fn admit(
    state: &mut State,
    place: &Place,
    operation: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let Throttling::On { refill_factor } = state.settings.ec2.throttling else { return Ok(()) };
    let raised = state.settings.servicequotas.raised(&place.0, &place.1, operation);
    let (capacity, refill) = raised.unwrap_or_else(|| documented(operation));
    let buckets = &mut state.ec2.entry(place.clone()).or_default().buckets.0;
    let bucket =
        buckets.entry(operation.to_owned()).or_insert(Bucket { tokens: capacity, filled: now });
    let passed = now.duration_since(bucket.filled).as_secs_f64().max(0.0);
    bucket.tokens = (bucket.tokens + passed * refill * refill_factor).min(capacity);
    bucket.filled = now;
    if bucket.tokens < 1.0 {
        return Err(ApiError::new(503, "RequestLimitExceeded", "Request limit exceeded."));
    }
    bucket.tokens -= 1.0;
    Ok(())
}

/// The bucket of `DescribeSnapshots` without filters, ids or pages.
pub const UNFILTERED_SNAPSHOTS: &str = "DescribeSnapshots, unfiltered and unpaginated";

/// Capacity, and tokens per second, of an account for which AWS has changed nothing.
pub(crate) fn documented(operation: &str) -> (f64, f64) {
    match operation {
        "CreateStoreImageTask" | "CreateRestoreImageTask" => (50.0, 0.1),
        "DescribeStoreImageTasks" => (50.0, 0.5),
        "CopyImage" => (100.0, 1.0),
        UNFILTERED_SNAPSHOTS => (50.0, 10.0),
        "CreateTags" | "DeleteTags" => (100.0, 10.0),
        "DeregisterImage"
        | "ModifyImageAttribute"
        | "ModifySnapshotAttribute"
        | "CreateSnapshot"
        | "DeleteSnapshot" => (100.0, 5.0),
        other if ["Describe", "Get", "List"].iter().any(|verb| other.starts_with(verb)) => {
            (100.0, 20.0)
        }
        _ => (50.0, 5.0),
    }
}

//! `EBS Snapshot Notification` events, in their mixed key styles and with their odd ARNs.

use amiferry_core::ids::{AccountId, SnapshotId};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::finish::Making;
use super::{Place, snapshot_arn, time};
use crate::events;
use crate::world::State;

/// Tells the owner that a snapshot was made or copied, or was not.
pub(super) fn ended(
    state: &mut State,
    at: Timestamp,
    place: &Place,
    id: &SnapshotId,
    making: Making,
    failure: Option<&str>,
) {
    let (account, region) = place;
    let found = state.ec2.get(place).and_then(|site| site.snapshots.get(id));
    let Some(snapshot) = found else { return };
    let source = match &snapshot.source {
        // As in the documented samples, the Region stands where other ARNs have the account.
        Some((id, region)) => format!("arn:aws:ec2::{region}:snapshot/{id}"),
        None => format!("arn:aws:ec2::{region}:volume/{}", snapshot.volume),
    };
    let mut detail = json!({
        "event": if making == Making::Copy { "copySnapshot" } else { "createSnapshot" },
        "result": if failure.is_none() { "succeeded" } else { "failed" },
        "cause": failure.unwrap_or_default(),
        "snapshot_id": format!("arn:aws:ec2::{region}:snapshot/{id}"),
        "source": source,
        "startTime": time::written(snapshot.started),
        "endTime": time::written(at),
    });
    if making == Making::Copy {
        detail["incremental"] = json!("false");
        detail["transferType"] = json!("standard");
    }
    send(state, at, (account, region), id, detail);
}

/// Tells an account that a snapshot was shared with it.
pub(super) fn shared(
    state: &mut State,
    at: Timestamp,
    place: &Place,
    id: &SnapshotId,
    with: &AccountId,
) {
    let (owner, region) = place;
    let started = state.ec2.get(place).and_then(|site| site.snapshots.get(id)).map(|s| s.started);
    let detail = json!({
        "event": "shareSnapshot",
        "result": "succeeded",
        "cause": "",
        "snapshot_id": format!("arn:aws:ec2::{region}:snapshot/{id}"),
        // The sample in the documentation has the sharing account as a number. Account numbers may
        // begin with 0, so here it is a text, as parsers must take either.
        "source": owner,
        "startTime": started.map(time::written),
        "endTime": time::written(at),
    });
    send(state, at, (with, region), id, detail);
}

fn send(
    state: &mut State,
    at: Timestamp,
    (account, region): (&AccountId, &amiferry_core::ids::Region),
    id: &SnapshotId,
    mut detail: Value,
) {
    detail["request-id"] = json!(events::new_uuid(&mut state.rng));
    let event = json!({
        "detail-type": "EBS Snapshot Notification",
        "source": "aws.ec2",
        "resources": [snapshot_arn(region, id.as_str())],
        "detail": detail,
    });
    events::emit(state, at, account, region, &event);
}

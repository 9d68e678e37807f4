//! How pending images and snapshots finish, and the events about images.

use amiferry_core::ids::{ImageId, SnapshotId};
use jiff::Timestamp;

use super::image::{ImageState, StateReason};
use super::snapshot::SnapshotState;
use super::{Place, image_arn, snapshot_events};
use crate::world::State;
use crate::{events, kms};

/// How the snapshots of an image come about; it decides their events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Making {
    /// By snapshots of volumes.
    Snapshots,
    /// By copying.
    Copy,
    /// By a restore.
    Restore,
}

/// A pending image becomes available, or fails for a reason known before or because a key of
/// its snapshots cannot be used now. One that was deregistered meanwhile is left alone.
pub fn image(
    state: &mut State,
    at: Timestamp,
    place: &Place,
    id: &ImageId,
    making: Making,
    failure: Option<String>,
) {
    let Some(site) = state.ec2.get_mut(place) else { return };
    site.restores.remove(id);
    let Some(image) = site.images.get(id) else { return };
    let snapshots: Vec<SnapshotId> = image.snapshots().cloned().collect();
    let keys: Vec<_> = snapshots
        .iter()
        .filter_map(|id| site.snapshots.get(id).and_then(|snapshot| snapshot.key.clone()))
        .collect();
    let failure = failure.or_else(|| keys.iter().find_map(|key| kms::usable(state, key).err()));
    let told = making != Making::Restore || state.settings.ec2.restored_snapshot_events;
    for id in snapshots.iter().filter(|_| told) {
        snapshot_events::ended(state, at, place, id, making, failure.as_deref());
    }
    let Some(site) = state.ec2.get_mut(place) else { return };
    for id in &snapshots {
        if let Some(snapshot) = site.snapshots.get_mut(id)
            && matches!(snapshot.state, SnapshotState::Pending { .. })
        {
            snapshot.state = ended(at, failure.as_deref());
        }
    }
    let Some(image) = site.images.get_mut(id) else { return };
    (image.state, image.state_reason) = match &failure {
        None => (ImageState::Available, None),
        Some(message) => (
            ImageState::Failed,
            Some(StateReason { code: "Client.InternalError".to_owned(), message: message.clone() }),
        ),
    };
    let now = image.state;
    announce(state, at, place, id, now.as_str(), failure.as_deref().unwrap_or_default());
}

/// A snapshot made by itself is complete, or its key cannot be used now.
pub fn snapshot(state: &mut State, at: Timestamp, place: &Place, id: &SnapshotId) {
    let found = state.ec2.get(place).and_then(|site| site.snapshots.get(id));
    let Some(key) = found.map(|snapshot| snapshot.key.clone()) else { return };
    let failure = key.and_then(|key| kms::usable(state, &key).err());
    snapshot_events::ended(state, at, place, id, Making::Snapshots, failure.as_deref());
    if let Some(snapshot) = state.ec2.get_mut(place).and_then(|site| site.snapshots.get_mut(id)) {
        snapshot.state = ended(at, failure.as_deref());
    }
}

fn ended(at: Timestamp, failure: Option<&str>) -> SnapshotState {
    match failure {
        None => SnapshotState::Completed { at },
        Some(message) => SnapshotState::Error { message: message.to_owned() },
    }
}

/// Puts an `EC2 AMI State Change` on the default bus.
pub fn announce(
    state: &mut State,
    at: Timestamp,
    place: &Place,
    id: &ImageId,
    now: &str,
    error: &str,
) {
    let (account, region) = place;
    let event = serde_json::json!({
        "detail-type": "EC2 AMI State Change",
        "source": "aws.ec2",
        "resources": [image_arn(region, id.as_str())],
        "detail": {
            "RequestId": events::new_uuid(&mut state.rng),
            "ImageId": id,
            "State": now,
            "ErrorMessage": error,
        },
    });
    events::emit(state, at, account, region, &event);
}

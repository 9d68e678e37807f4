//! `CreateStoreImageTask`: which images may be stored where, how many at a time, and what
//! appears in the bucket at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiferry_core::ids::{AccountId, Arn, ImageId, Region, SnapshotId};
use jiff::Timestamp;

use super::claim::{Claim, Work};
use super::image::{Image, ImageState, RootDeviceType, Tags, Virtualization};
use super::settings::{OneCopy, Pace, QuotaScope, Settings};
use super::site::{Site, seen_image};
use super::snapshot::SnapshotState;
use super::stored::{self, StoredImage};
use super::{Due, Place, create, errors, time};
use crate::principal::Principal;
use crate::s3::{self, NewObject};
use crate::wire::ApiError;
use crate::world::State;
use crate::{agenda, kms};

/// The largest image that can be stored, in GiB before compression.
pub const LARGEST_IMAGE_GIB: u64 = 5_000;
/// How long a task is listed.
const LISTED_FOR: Duration = Duration::from_secs(31 * 24 * 3_600);
/// Tags that an S3 object can have.
const OBJECT_TAG_LIMIT: usize = 10;

/// A store task, running or ended, until EC2 forgets it.
#[derive(Debug, Clone)]
pub struct StoreTask {
    pub image: ImageId,
    /// The bucket, without the path.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// Tags for the object.
    pub tags: Tags,
    /// When it was accepted.
    pub started: Timestamp,
    /// When its bytes begin to move: later if others were before it.
    pub begins: Timestamp,
    pub ends: Timestamp,
    /// What it counts against the quota.
    pub size_gib: u64,
    /// Where it is in its life.
    pub state: StoreState,
    source: StoredImage,
    /// Its caller and the work, for the check at its end.
    claim: Claim,
}

/// The states of a store task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// Running or waiting its turn.
    InProgress,
    /// The object is there.
    Completed,
    /// It is not.
    Failed {
        /// Why.
        reason: String,
    },
}

impl StoreState {
    /// As AWS writes it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Completed => "Completed",
            Self::Failed { .. } => "Failed",
        }
    }
}

impl StoreTask {
    /// Percent done at `now`.
    pub fn progress(&self, now: Timestamp) -> u64 {
        match self.state {
            StoreState::Completed => 100,
            StoreState::InProgress => time::percent(self.begins, self.ends, now).min(99),
            StoreState::Failed { .. } => {
                time::percent(self.begins, self.ends, now.min(self.ends)).min(99)
            }
        }
    }
}

/// What the caller asks for.
#[derive(Debug)]
pub struct StoreRequest<'a> {
    pub image: &'a ImageId,
    /// The bucket, with a path behind the first `/` if there is one.
    pub bucket: &'a str,
    /// Tags for the object.
    pub tags: Tags,
}

/// Admits a store task; returns the object's key.
///
/// # Errors
/// As AWS, or with the codes of [`super::settings::Codes`] where it documents none.
pub fn begin(
    state: &mut State,
    now: Timestamp,
    (place, caller): (&Place, &Principal),
    request: StoreRequest<'_>,
) -> Result<String, ApiError> {
    let (bucket, path) = request.bucket.split_once('/').unwrap_or((request.bucket, ""));
    let path = path.trim_end_matches('/');
    let key = match path {
        "" => format!("{}.bin", request.image),
        path => format!("{path}/{}.bin", request.image),
    };
    check_object_tags(&request.tags)?;
    let image = storable(state, place, request.image)?;
    let size_gib = image.size_gib();
    check_bucket(state, place, bucket)?;
    let work = Work::Store {
        bucket: bucket.to_owned(),
        key: key.clone(),
        tagged: !request.tags.is_empty(),
        snapshots: snapshots_of(state, place, image),
    };
    let claim = Claim { caller: caller.clone(), work };
    claim.check_at_call(state, now, place)?;
    refuse_concurrent(state, place, request.image)?;
    refuse_second_copy(state, now, place, request.image, (bucket, &key))?;
    let settings = &state.settings.ec2;
    let (pace, percent) = (settings.store, settings.stored_percent);
    let counted = |task: &&StoreTask| task.state == StoreState::InProgress;
    let in_scope = sites_in_scope(state, place);
    let total = in_scope.flat_map(|site| site.store_tasks.values()).filter(counted);
    refuse_over_quota(
        settings,
        "store",
        total.map(|task| task.size_gib).sum(),
        settings.store_quota_gb,
    )?;
    let running = state.ec2.get(place).into_iter().flat_map(|site| site.store_tasks.values());
    let ends_of = running.filter(counted).map(|task| task.ends).collect();
    let begins = turn(pace, now, ends_of);
    let ends = time::after(begins, pace.time_for(size_gib));
    let home = home_of(place, image);
    let Some(site) = state.ec2.get(&home) else {
        return Err(errors::image_not_found([request.image]));
    };
    let mut source = StoredImage::of(image, site, &place.1, now, percent);
    if image.owner != place.0 {
        source.forget_tags();
    }
    let task = StoreTask {
        image: request.image.clone(),
        bucket: bucket.to_owned(),
        key: key.clone(),
        tags: request.tags,
        started: now,
        begins,
        ends,
        size_gib,
        state: StoreState::InProgress,
        source,
        claim,
    };
    let site = state.ec2.entry(place.clone()).or_default();
    site.store_count += 1;
    let number = site.store_count;
    site.store_tasks.insert(number, task);
    let due = Due::StoreEnds { place: place.clone(), task: number };
    state.agenda.plan(ends, agenda::Due::Ec2(due));
    Ok(key)
}

/// The tasks that `DescribeStoreImageTasks` lists at `now`, newest first, with their numbers: only
/// the newest of each image, unless the settings say otherwise.
pub fn listed<'a>(
    state: &'a State,
    place: &Place,
    now: Timestamp,
) -> impl Iterator<Item = (u64, &'a StoreTask)> {
    let tasks = state.ec2.get(place).map(|site| &site.store_tasks);
    let (mut seen, all) = (BTreeSet::new(), state.settings.ec2.older_tasks_listed);
    tasks
        .into_iter()
        .flat_map(|tasks| tasks.iter().rev())
        .filter(move |(_, task)| seen.insert(&task.image) || all)
        .filter(move |(_, task)| now <= time::after(task.started, LISTED_FOR))
        .map(|(number, task)| (*number, task))
}

/// A task ends: the object appears, or the task fails.
pub(super) fn end(state: &mut State, at: Timestamp, place: &Place, number: u64) {
    let Some(task) = state.ec2.get(place).and_then(|site| site.store_tasks.get(&number)) else {
        return;
    };
    let task = task.clone();
    let outcome = deliver(state, at, place, task);
    let Some(site) = state.ec2.get_mut(place) else { return };
    if let Some(task) = site.store_tasks.get_mut(&number) {
        task.state = match outcome {
            Ok(()) => StoreState::Completed,
            Err(reason) => StoreState::Failed { reason },
        };
    }
    site.store_tasks.retain(|_, task| at <= time::after(task.started, LISTED_FOR));
}

fn deliver(state: &mut State, at: Timestamp, place: &Place, task: StoreTask) -> Result<(), String> {
    let home = (task.source.owner.clone(), place.1.clone());
    for id in task.source.devices.iter().filter_map(create::snapshot_of) {
        let snapshot = state.ec2.get(&home).and_then(|site| site.snapshots.get(id));
        if !snapshot.is_some_and(|snapshot| snapshot.given_to(&place.0)) {
            return Err(format!("The snapshot '{id}' does not exist."));
        }
    }
    task.claim.check_at_end(state, at, place)?;
    if let Work::Store { snapshots, .. } = &task.claim.work {
        for key in snapshots.iter().filter_map(|(_, key)| key.as_ref()) {
            kms::usable(state, key)?;
        }
    }
    let seed = state.rng.u64(..);
    let object = NewObject {
        content: stored::content(seed, task.source.length),
        metadata: user_metadata(&task.source),
        tags: task.tags,
    };
    s3::put_by_service(state, at, &task.bucket, &task.key, object)?;
    state.stored_images.insert(seed, task.source);
    Ok(())
}

/// AWS documents which facts are in the object's metadata, not their names; these are made up.
fn user_metadata(source: &StoredImage) -> BTreeMap<String, String> {
    let description = source.metadata.description.clone().unwrap_or_default();
    [
        ("simulated-ami-name", source.name.clone()),
        ("simulated-ami-description", description),
        ("simulated-ami-registration-date", time::written(source.created)),
        ("simulated-ami-owner-account", source.owner.to_string()),
        ("simulated-store-timestamp", time::written(source.stored)),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn check_object_tags(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > OBJECT_TAG_LIMIT {
        return Err(errors::invalid(
            "S3ObjectTag",
            tags.len(),
            "An object can have at most 10 tags.",
        ));
    }
    super::tags::check_pairs(tags)
}

/// The image, if it can be stored by `place`'s account.
fn storable<'a>(state: &'a State, place: &Place, id: &ImageId) -> Result<&'a Image, ApiError> {
    let codes = &state.settings.ec2.codes;
    let image = seen_image(state, place, id).ok_or_else(|| errors::image_not_found([id]))?;
    // An image that is merely public cannot be stored.
    if image.owner != place.0 && !image.launch_permissions.contains(&place.0) {
        return Err(errors::not_authorized(id));
    }
    if image.state != ImageState::Available {
        return Err(errors::unavailable(id, image.state.as_str()));
    }
    let unsupported = if image.metadata.root_device_type != RootDeviceType::Ebs {
        Some("it is not EBS-backed".to_owned())
    } else if image.metadata.virtualization != Virtualization::Hvm {
        Some("paravirtual AMIs are not supported".to_owned())
    } else if image.size_gib() > LARGEST_IMAGE_GIB {
        let size = image.size_gib();
        Some(format!("its size of {size} GB is above the limit of {LARGEST_IMAGE_GIB} GB"))
    } else {
        None
    };
    if let Some(why) = unsupported {
        let message = format!("The image {id} cannot be stored: {why}.");
        return Err(errors::refused(&codes.unsupported_image, message));
    }
    for snapshot in image.snapshots() {
        let found =
            state.ec2.get(&home_of(place, image)).and_then(|site| site.snapshots.get(snapshot));
        let found = found.filter(|snapshot| snapshot.given_to(&place.0));
        match found.map(|snapshot| &snapshot.state) {
            Some(SnapshotState::Completed { .. }) => {}
            Some(other) => {
                let message = format!("The snapshot '{snapshot}' is {}.", other.as_str());
                return Err(errors::refused("IncorrectState", message));
            }
            None => return Err(errors::snapshot_not_found(snapshot)),
        }
    }
    Ok(image)
}

/// Where an image that `place` sees is.
fn home_of(place: &Place, image: &Image) -> Place {
    (image.owner.clone(), place.1.clone())
}

fn snapshots_of(state: &State, place: &Place, image: &Image) -> Vec<(SnapshotId, Option<Arn>)> {
    let site = state.ec2.get(&home_of(place, image));
    let key = |id: &SnapshotId| site?.snapshots.get(id)?.key.clone();
    image.snapshots().map(|id| (id.clone(), key(id))).collect()
}

/// Refuses a bucket that store and restore cannot use from `place`.
pub(super) fn check_bucket(state: &State, place: &Place, bucket: &str) -> Result<(), ApiError> {
    let settings = &state.settings.ec2;
    let home: Option<(AccountId, Region)> = s3::bucket_home(state, bucket);
    let reachable = home.filter(|(owner, _)| *owner == place.0 || settings.foreign_buckets);
    let Some((_, region)) = reachable else {
        return Err(errors::refused(
            &settings.codes.bucket_inaccessible,
            format!("The specified bucket {bucket} cannot be accessed."),
        ));
    };
    if region != place.1 {
        let asked = &place.1;
        return Err(errors::refused(
            &settings.codes.bucket_elsewhere,
            format!("The bucket {bucket} is in Region {region}, not in {asked}."),
        ));
    }
    Ok(())
}

fn refuse_concurrent(state: &State, place: &Place, image: &ImageId) -> Result<(), ApiError> {
    let settings = &state.settings.ec2;
    let mut tasks = state.ec2.get(place).into_iter().flat_map(|site| site.store_tasks.values());
    let runs = tasks.any(|task| task.image == *image && task.state == StoreState::InProgress);
    if !runs || settings.concurrent_stores {
        return Ok(());
    }
    Err(errors::refused(
        &settings.codes.second_copy,
        format!(
            "A CreateStoreImageTask is already in progress for the AMI {image}. Multiple concurrent \
             requests for the same AMI cannot run."
        ),
    ))
}

fn refuse_second_copy(
    state: &State,
    now: Timestamp,
    place: &Place,
    image: &ImageId,
    (bucket, key): (&str, &str),
) -> Result<(), ApiError> {
    let exists = |key: &str| s3::read_by_service(state, now, bucket, key).is_ok();
    let tasks = state.ec2.get(place).map(|site| site.store_tasks.values());
    let mut stored = tasks.into_iter().flatten().filter(|task| {
        task.image == *image
            && task.bucket == bucket
            && match task.state {
                StoreState::InProgress => true,
                StoreState::Completed => exists(&task.key),
                StoreState::Failed { .. } => false,
            }
    });
    let second = match state.settings.ec2.one_copy {
        OneCopy::PerBucket => stored.next().is_some() || exists(key),
        OneCopy::PerKey => stored.any(|task| task.key == key) || exists(key),
        OneCopy::Unlimited => false,
    };
    if second {
        return Err(errors::refused(
            &state.settings.ec2.codes.second_copy,
            format!(
                "The AMI {image} already exists in the bucket {bucket}. Multiple copies of an AMI in \
                 the same bucket cannot be created."
            ),
        ));
    }
    Ok(())
}

/// The documented admission rule: a request is refused while the sum of what is already in
/// progress has reached the limit; its own size does not count.
pub(super) fn refuse_over_quota(
    settings: &Settings,
    what: &str,
    running_gb: u64,
    limit_gb: u64,
) -> Result<(), ApiError> {
    if running_gb < limit_gb {
        return Ok(());
    }
    Err(errors::refused(
        &settings.codes.quota,
        format!(
            "The {what} image tasks in progress amount to {running_gb} GB, the limit is \
             {limit_gb} GB. Try again when a task has finished."
        ),
    ))
}

/// What the quotas of `place` are counted over.
pub(super) fn sites_in_scope<'a>(
    state: &'a State,
    place: &Place,
) -> impl Iterator<Item = &'a Site> {
    let whole_account = state.settings.ec2.quota_scope == QuotaScope::Account;
    let (account, region) = place.clone();
    let sites = state.ec2.iter().filter(move |((owner, other), _)| {
        *owner == account && (whole_account || *other == region)
    });
    sites.map(|(_, site)| site)
}

/// When a new task's bytes begin to move, given when those before it end.
pub(super) fn turn(pace: Pace, now: Timestamp, mut ends: Vec<Timestamp>) -> Timestamp {
    ends.sort_unstable();
    let before = ends.len().checked_sub(pace.parallel.max(1));
    before.and_then(|index| ends.get(index).copied()).map_or(now, |free| free.max(now))
}

//! What must be true in the world at the end of every play, read from the world's own state.

use std::fmt;
use std::time::Duration;

use amiferry_audit::inventory::{RecoveryPoint, State as AuditState};
use amiferry_core::ids::{AccountId, ImageId};
use amiferry_core::manifest::Manifest;
use amiferry_core::policy::Tier;
use amiferry_core::shape::Acceptable;
use amiferry_core::span::Span;
use amiferry_simulator::ec2::image::{Image, ImageState, Metadata, Protection};
use amiferry_simulator::ec2::{self, SnapshotState};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::object::Object;
use amiferry_simulator::sqs;
use amiferry_simulator::world::State;
use jiff::{SignedDuration, Timestamp};

use super::fate::Seen;
pub use super::record::{Recorded, record};
use super::{Role, Stage};

/// The longest time between a look at a source and the record that follows it.
const LOOK_TO_RECORD: SignedDuration = SignedDuration::from_mins(15);

/// The longest time that a copy takes in a play, with workers that die on its way.
const COPY: SignedDuration = SignedDuration::from_hours(12);

/// Something that is wrong with a world.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// The invariant that is broken, as `docs/reliability.md` numbers or names them.
    pub invariant: &'static str,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// All that is wrong with a world; empty when nothing is.
#[derive(Debug, Default)]
struct Wrongs(Vec<Wrong>);

impl Wrongs {
    fn unless(&mut self, invariant: &'static str, so: bool, wrong: impl FnOnce() -> String) {
        if !so {
            self.push(invariant, wrong());
        }
    }

    fn push(&mut self, invariant: &'static str, what: String) {
        self.0.push(Wrong { invariant, what });
    }
}

/// Whether the manifest of an image is there.
pub fn is_recorded(stage: &Stage, id: &ImageId) -> bool {
    let key = vault_key(stage, id, "manifest.json");
    stage.world.lock().s3.bucket(VAULT_BUCKET).is_some_and(|bucket| bucket.has(&key))
}

/// The images whose manifests are there, each with the time when it was written.
pub fn recorded(stage: &Stage) -> Vec<(ImageId, Timestamp)> {
    let at = |id: ImageId| {
        let key = vault_key(stage, &id, "manifest.json");
        let state = stage.world.lock();
        let bucket = state.s3.bucket(VAULT_BUCKET)?;
        let first = bucket.has(&key).then(|| bucket.versions(&key).first())??;
        Some((id, first.at))
    };
    stage.recordable().into_iter().filter_map(at).collect()
}

/// The text of an image's manifest; `None` without one.
pub fn manifest(stage: &Stage, id: &ImageId) -> Option<String> {
    let state = stage.world.lock();
    let version = state.s3.bucket(VAULT_BUCKET)?.latest(&vault_key(stage, id, "manifest.json"))?;
    String::from_utf8(version.object()?.content.to_bytes().to_vec()).ok()
}

/// Whether the vault bucket has anything of an image.
fn is_held(stage: &Stage, id: &ImageId) -> bool {
    let state = stage.world.lock();
    let Some(bucket) = state.s3.bucket(VAULT_BUCKET) else { return false };
    ["image.bin", "manifest.json"].iter().any(|file| bucket.has(&vault_key(stage, id, file)))
}

/// Whether both workers' queues hold nothing at all.
pub fn queues_are_empty(stage: &Stage) -> bool {
    let state = stage.world.lock();
    [Role::Source, Role::Target].iter().all(|role| sqs::depth(&state, &stage.queue(*role)) == 0)
}

/// The images in the vault that were restored from a source image, whatever became of them.
pub fn restored(stage: &Stage, id: &ImageId) -> Vec<Image> {
    let (account, region) = &stage.landscape.vault;
    let state = stage.world.lock();
    let name = restored_name(stage, id);
    let ours = |image: &&Image| image.name == name || image.name.starts_with(&format!("{name}/"));
    ec2::images(&state, account, region).filter(ours).cloned().collect()
}

/// The name that a restored image has at first, spelled out as the design has it.
pub fn restored_name(stage: &Stage, id: &ImageId) -> String {
    let (account, region) = &stage.landscape.source;
    format!("amiferry/{account}/{region}/{id}")
}

/// The key of a file of an image in the vault.
pub fn vault_key(stage: &Stage, id: &ImageId, file: &str) -> String {
    let (account, region) = &stage.landscape.source;
    format!("amiferry/{account}/{region}/{id}/{file}")
}

/// The key of an image in the staging bucket.
pub fn staged_key(stage: &Stage, id: &ImageId) -> String {
    format!("amiferry/{}/{id}.bin", stage.landscape.source.1)
}

/// Holds the whole world to what every play must leave behind, and the audit to the world.
pub async fn check(stage: &Stage) -> Vec<Wrong> {
    // An image that EC2 shows at one look and not at the next is no news of amiferry's.
    let window = stage.world.lock().settings.ec2.consistency_window;
    stage.pass(window).await;
    // Nor is an event that came late: EventBridge repeats for hours what a queue did not take.
    for _ in 0..30 {
        if queues_are_empty(stage) {
            break;
        }
        stage.pass(Duration::from_secs(10)).await;
    }
    let mut wrongs = Wrongs::default();
    let ids: Vec<ImageId> = {
        let state = stage.world.lock();
        let (account, region) = &stage.landscape.source;
        let gone = stage.fates().filter(|(_, fate)| fate.last.is_some()).map(|(id, _)| id.clone());
        ec2::images(&state, account, region).map(|image| image.id.clone()).chain(gone).collect()
    };
    for id in ids {
        if stage.expected.contains_key(&id) || is_recorded(stage, &id) {
            wrongs.0.extend(missing(stage, &id));
        } else if stage.fates.contains_key(&id) {
            unfinished(stage, &stage.world.lock(), &id, &mut wrongs);
        } else {
            untouched(stage, &stage.world.lock(), &id, &mut wrongs);
        }
    }
    no_leftovers(stage, &stage.world.lock(), &mut wrongs);
    blast_radius(stage, &mut wrongs);
    audit_agrees(stage, &mut wrongs).await;
    wrongs.0
}

/// What is missing from the recovery point of an image now; nothing when it is complete.
pub fn missing(stage: &Stage, id: &ImageId) -> Vec<Wrong> {
    let mut wrongs = Wrongs::default();
    match (stage.seen(id), stage.tiers(id).as_slice()) {
        (None, _) | (_, []) => {
            wrongs.push("I-1", format!("{id}: is no image that may become complete"));
        }
        (Some(seen), tiers) => complete(stage, &stage.world.lock(), &seen, tiers, &mut wrongs),
    }
    wrongs.0
}

/// All that makes a recovery point complete, without asking amiferry.
fn complete(stage: &Stage, state: &State, seen: &Seen, tiers: &[Tier], wrongs: &mut Wrongs) {
    let source = &seen.image;
    let id = &source.id;
    let Some((written, object)) = only_version(state, &vault_key(stage, id, "image.bin"), wrongs)
    else {
        return;
    };
    wrongs.unless("I-10", object.encryption.key() == Some(&stage.landscape.vault_key), || {
        format!("{id}: the vault object has {:?}", object.encryption)
    });
    let stored = object.content.as_synthetic();
    let stored = stored.and_then(|content| {
        let stored = state.stored_images.get(&content.seed)?;
        (content.start == 0 && content.len == stored.length).then_some(stored)
    });
    wrongs.unless("I-6", stored.is_some_and(|stored| stored.id == *id), || {
        format!("{id}: the vault object is not the stored image, whole and unmixed")
    });
    let key = vault_key(stage, id, "manifest.json");
    let Some((recorded, record)) = only_version(state, &key, wrongs) else { return };
    let manifest = match Manifest::from_json(&record.content.to_bytes()) {
        Ok(manifest) => manifest,
        Err(error) => return wrongs.push("I-18", format!("{id}: manifest: {error}")),
    };
    let tier = manifest.tier;
    wrongs.unless("I-3", tiers.contains(&tier), || format!("{id}: recorded as {tier:?}"));
    let until = written + shortest_lock(stage, tier);
    wrongs.unless("I-8", object.retention.is_some_and(|lock| lock.until >= until), || {
        format!("{id}: locked by {:?}, and not until {until}", object.retention)
    });
    wrongs.unless("I-6", manifest.vault_object.size == object.content.len(), || {
        format!("{id}: recorded with {} bytes", manifest.vault_object.size)
    });
    wrongs.unless(
        "I-15",
        manifest.source.created_at.as_second() == source.created.as_second(),
        || format!("{id}: recorded as created at {}", manifest.source.created_at),
    );
    let restored = restored_of(stage, state, id);
    for late in restored.iter().filter(|image| image.created > recorded) {
        wrongs.push("I-5", format!("{id}: {} was restored after the record", late.id));
    }
    let living: Vec<_> =
        restored.iter().filter(|image| image.state != ImageState::Failed).collect();
    match (tier, living.as_slice()) {
        (Tier::Archive, _) => {
            let never = restored.is_empty() || tiers.contains(&Tier::Ready);
            wrongs.unless("I-3", never, || format!("{id}: archived, and restored too"));
        }
        (Tier::Ready, [image]) => {
            wrongs.unless(
                "I-3",
                manifest.restored.as_ref().is_some_and(|restored| restored.image_id == image.id),
                || format!("{id}: the manifest names another image than {}", image.id),
            );
            let mut source = seen.image.metadata.clone();
            let hardened = stage.fates.get(id).and_then(|fate| fate.hardened);
            // A worker may have looked before that was demanded, and recorded after it.
            // One that was taken away meanwhile is recorded as it was noted before.
            let is_noted = manifest.source.unseen.is_some();
            if hardened.is_some_and(|since| is_noted || recorded <= since + LOOK_TO_RECORD) {
                source.imds_support.clone_from(&image.metadata.imds_support);
            }
            let accepted = Acceptable::ProductCodes;
            let mut policies = stage.config.policies.0.iter();
            if policies.any(|policy| policy.accept_differences.contains(&accepted)) {
                source.product_codes.clone_from(&image.metadata.product_codes);
            }
            // AWS documents for neither that a restore brings it back.
            let lost = Metadata {
                watermarks: Vec::new(),
                supported_instance_types: Vec::new(),
                unsupported_instance_types: Vec::new(),
                ..source.clone()
            };
            let is_same = image.metadata == source || image.metadata == lost;
            wrongs
                .unless("I-6", is_same, || format!("{id}: {source:?} became {:?}", image.metadata));
            faithful(stage, state, seen, image, wrongs);
        }
        (Tier::Ready, others) => {
            let invariant = if others.is_empty() { "I-18" } else { "I-3" };
            wrongs.push(invariant, format!("{id}: {} living restored images", others.len()));
        }
    }
}

/// What the policies of a tier demand, or the bucket where they demand nothing, from the moment
/// that the object was written. A copy may take hours, and the lock is chosen before it.
fn shortest_lock(stage: &Stage, tier: Tier) -> SignedDuration {
    let policies = stage.config.policies.0.iter().filter(|policy| policy.tier == tier);
    let demanded = policies.filter_map(|policy| policy.retention);
    let demanded = demanded.min().map_or(Duration::from_hours(35 * 24), Span::duration);
    SignedDuration::try_from(demanded).unwrap() - COPY
}

fn restored_of<'a>(stage: &Stage, state: &'a State, id: &ImageId) -> Vec<&'a Image> {
    let (account, region) = &stage.landscape.vault;
    let made_of = |image: &&Image| {
        image.tags.get("amiferry:source-image").is_some_and(|source| *source == id.to_string())
    };
    ec2::images(state, account, region).filter(made_of).collect()
}

/// The restored image holds the source's data, is encrypted, protected, private.
fn faithful(stage: &Stage, state: &State, seen: &Seen, image: &Image, wrongs: &mut Wrongs) {
    let source = &seen.image;
    let id = &source.id;
    wrongs.unless("I-18", image.state == ImageState::Available, || {
        format!("{id}: {:?}", image.state)
    });
    wrongs.unless("I-18", !matches!(image.protection, Protection::Disabled { .. }), || {
        format!("{id}: {} can be deregistered", image.id)
    });
    wrongs.unless("I-7", !image.public && image.launch_permissions.is_empty(), || {
        format!("{id}: {} is shared", image.id)
    });
    let (account, region) = &stage.landscape.vault;
    let after = ec2::snapshots(state, account, region, &image.id);
    let data: Vec<u64> = after.iter().map(|snapshot| snapshot.data).collect();
    wrongs.unless("I-6", data == seen.data, || format!("{id}: other data in {}", image.id));
    for snapshot in after {
        wrongs.unless("I-18", matches!(snapshot.state, SnapshotState::Completed { .. }), || {
            format!("{id}: {} is {:?}", snapshot.id, snapshot.state)
        });
        wrongs.unless("I-10", snapshot.key.as_ref() == Some(&stage.landscape.vault_key), || {
            format!("{id}: {} has key {:?}", snapshot.id, snapshot.key)
        });
        wrongs.unless(
            "I-19",
            snapshot.tags.get("amiferry:managed").is_some_and(|v| v == "true"),
            || format!("{id}: {} is not marked as ours", snapshot.id),
        );
    }
}

/// What was begun before its owner took an image away, or out of every policy, is not doubled.
fn unfinished(stage: &Stage, state: &State, id: &ImageId, wrongs: &mut Wrongs) {
    let key = vault_key(stage, id, "image.bin");
    let versions = state.s3.bucket(VAULT_BUCKET).map_or(0, |bucket| bucket.versions(&key).len());
    wrongs.unless("I-3", versions < 2, || format!("{versions} versions of {key} in the vault"));
    let restored = restored_of(stage, state, id);
    let living = restored.iter().filter(|image| image.state != ImageState::Failed).count();
    wrongs.unless("I-3", living < 2, || format!("{id}: {living} living restored images"));
}

/// Nothing of an image that is not expected exists anywhere but in the source itself.
fn untouched(stage: &Stage, state: &State, id: &ImageId, wrongs: &mut Wrongs) {
    for (bucket, key) in [
        (STAGING_BUCKET, staged_key(stage, id)),
        (VAULT_BUCKET, vault_key(stage, id, "image.bin")),
        (VAULT_BUCKET, vault_key(stage, id, "source.json")),
        (VAULT_BUCKET, vault_key(stage, id, "manifest.json")),
    ] {
        let there = state.s3.bucket(bucket).is_some_and(|bucket| !bucket.versions(&key).is_empty());
        wrongs.unless("I-7", !there, || format!("{id} is left out, and there is {bucket}/{key}"));
    }
    wrongs.unless("I-7", restored_of(stage, state, id).is_empty(), || {
        format!("{id} is left out, and was restored")
    });
}

/// The one version of a key in the vault, and when it was written.
fn only_version<'a>(
    state: &'a State,
    key: &str,
    wrongs: &mut Wrongs,
) -> Option<(Timestamp, &'a Object)> {
    let versions = state.s3.bucket(VAULT_BUCKET).map(|bucket| bucket.versions(key));
    match versions.unwrap_or_default() {
        [version] => version.object().map(|object| (version.at, object)),
        versions => {
            let invariant = if versions.is_empty() { "I-18" } else { "I-3" };
            wrongs.push(invariant, format!("{} versions of {key} in the vault", versions.len()));
            None
        }
    }
}

/// The uploads that are open in any bucket, as `bucket/key`.
pub fn open_uploads(state: &State) -> Vec<String> {
    let mut open = Vec::new();
    for bucket in state.s3.all().filter(|bucket| bucket.upload_count() > 0) {
        open.extend(bucket.uploads().map(|upload| format!("{}/{}", bucket.name, upload.key)));
    }
    open
}

/// Nothing is left over: no upload, no message, no dead letter.
fn no_leftovers(stage: &Stage, state: &State, wrongs: &mut Wrongs) {
    for upload in open_uploads(state) {
        wrongs.push("I-19", format!("an upload of {upload} is left"));
    }
    for role in [Role::Source, Role::Target] {
        for (queue, what) in
            [(stage.queue(role), "messages"), (stage.dead_letters(role), "dead letters")]
        {
            if what == "dead letters" && stage.dead_letters_allowed.contains(&role) {
                continue;
            }
            let bodies = sqs::bodies(state, &queue);
            let invariant = if what == "messages" { "I-18" } else { "I-12" };
            wrongs.unless(invariant, bodies.is_empty(), || {
                format!("{what} of {role:?}: {bodies:#?}")
            });
        }
    }
}

/// Whatever EC2 has in the vault says whose copy it is, failed images included: who cleans up can
/// tell it from everything else.
pub fn unowned(stage: &Stage) -> Vec<Wrong> {
    let mut wrongs = Wrongs::default();
    let state = stage.world.lock();
    let Some(site) = state.ec2.get(&stage.landscape.vault) else { return wrongs.0 };
    let ours = |tags: &std::collections::BTreeMap<String, String>| {
        tags.get("amiferry:managed").is_some_and(|value| value == "true")
            && tags.contains_key("amiferry:source-image")
    };
    for image in site.images.values().filter(|image| !ours(&image.tags)) {
        wrongs.push("I-19", format!("{} ({}) has no owner", image.id, image.name));
    }
    let used: std::collections::BTreeSet<_> =
        site.images.values().flat_map(Image::snapshots).collect();
    for snapshot in site.snapshots.values() {
        let owned = used.contains(&snapshot.id) || ours(&snapshot.tags);
        wrongs.unless("I-19", owned, || format!("{} has no owner", snapshot.id));
    }
    wrongs.0
}

/// The vault's worker changes nothing in the source, and the source's nothing in the vault.
fn blast_radius(stage: &Stage, wrongs: &mut Wrongs) {
    let (vault, vault_region) = &stage.landscape.vault;
    let (source, source_region) = &stage.landscape.source;
    // The keys of sessions name no account; each worker has a role of its own.
    let is_of = |key: &str, account: &AccountId| stage.roles.is_some() || key == account.as_str();
    stage.wire.read(|calls| {
        for call in calls.iter().filter(|call| call.mutates()) {
            let allowed = match call.who.split('-').next() {
                Some("source") => {
                    is_of(&call.access_key, source)
                        && call.region == source_region.as_str()
                        && (call.leaves_note(STAGING_BUCKET)
                            || matches!(
                                call.operation.as_str(),
                                "CreateStoreImageTask"
                                    | "DeleteMessageBatch"
                                    | "ChangeMessageVisibilityBatch"
                            ))
                }
                Some("target") => {
                    is_of(&call.access_key, vault)
                        && call.region == vault_region.as_str()
                        && !call.text.contains(STAGING_BUCKET)
                }
                _ => false,
            };
            wrongs.unless("I-7", allowed, || {
                format!("{} called {} {}", call.who, call.operation, call.text)
            });
        }
    });
}

/// What the metrics of both workers may come to at most, in series, most of them calls to AWS by
/// operation and outcome: a closed set for each label, whatever the fleet, its names and its tags.
const SERIES: usize = 2_000;

/// The metrics have a bounded number of series, and none for a single image.
fn metrics_are_bounded(stage: &Stage, wrongs: &mut Wrongs) {
    let metrics = stage.metrics();
    let series = || metrics.lines().filter(|line| !line.starts_with('#'));
    let count = series().count();
    wrongs.unless("I-17", count <= SERIES, || format!("{count} series"));
    let single = series().find(|line| ["ami-", "snap-", "arn:"].iter().any(|id| line.contains(id)));
    wrongs.unless("I-17", single.is_none(), || format!("a series of its own: {single:?}"));
}

/// The audit says complete of exactly the expected images.
async fn audit_agrees(stage: &Stage, wrongs: &mut Wrongs) {
    let report = match super::inventory::report(stage).await {
        Ok(report) => report,
        Err(fault) => return wrongs.push("I-15", format!("no audit can be made: {fault:?}")),
    };
    for leak in super::secrets::leaks(stage, &report) {
        wrongs.push("I-16", leak);
    }
    for wrong in super::story::wrongs(stage) {
        wrongs.push("the log", wrong);
    }
    metrics_are_bounded(stage, wrongs);
    let (account, _) = &stage.landscape.source;
    let of_ours = |point: &&RecoveryPoint| point.source_account == *account;
    for point in report.recovery_points.iter().filter(of_ours) {
        let id = &point.source_image_id;
        let expected = stage.expected.contains_key(id) || is_recorded(stage, id);
        let complete = point.state == AuditState::Complete;
        wrongs.unless("I-15", expected == complete, || {
            let (id, state) = (&point.source_image_id, point.state);
            format!("{id}: the audit says {state:?} ({}: {})", point.code, point.detail)
        });
    }
    for (id, _) in stage.fates().filter(|(id, _)| !stage.expected.contains_key(id)) {
        let known = report.recovery_points.iter().any(|point| point.source_image_id == *id)
            || report.rejected.iter().any(|rejected| rejected.source_image_id == *id);
        wrongs.unless("I-15", known || !is_held(stage, id), || {
            format!("{id}: the vault has a part of it, and the audit does not say so")
        });
    }
    for id in stage.expected.keys() {
        let known = report.recovery_points.iter().any(|point| point.source_image_id == *id);
        wrongs.unless("I-15", known, || format!("{id}: the audit does not know it"));
    }
}

//! What must be true in the world at the end of every play, read from the world's own state.

use std::fmt;

use amiferry_audit::inventory::State as AuditState;
use amiferry_core::ids::ImageId;
use amiferry_core::manifest::Manifest;
use amiferry_core::policy::Tier;
use amiferry_simulator::ec2::image::{Image, ImageState, Protection};
use amiferry_simulator::ec2::{self, SnapshotState};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::object::Object;
use amiferry_simulator::sqs;
use amiferry_simulator::world::State;

use super::{Role, Stage};

/// Something that is wrong with a world.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// The invariant that is broken, as `docs/reliability.md` numbers them.
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
    let mut wrongs = Wrongs::default();
    {
        let state = stage.world.lock();
        let (account, region) = &stage.landscape.source;
        for source in ec2::images(&state, account, region) {
            match stage.expected.get(&source.id) {
                Some(tier) => complete(stage, &state, source, *tier, &mut wrongs),
                None => untouched(stage, &state, &source.id, &mut wrongs),
            }
        }
        no_leftovers(stage, &state, &mut wrongs);
    }
    blast_radius(stage, &mut wrongs);
    audit_agrees(stage, &mut wrongs).await;
    wrongs.0
}

/// What is missing from the recovery point of an image now; nothing when it is complete.
pub fn missing(stage: &Stage, id: &ImageId) -> Vec<Wrong> {
    let mut wrongs = Wrongs::default();
    let state = stage.world.lock();
    let (account, region) = &stage.landscape.source;
    let source = ec2::image(&state, account, region, id);
    match (source, stage.expected.get(id)) {
        (Some(source), Some(tier)) => complete(stage, &state, source, *tier, &mut wrongs),
        _ => wrongs.push("I-1", format!("{id}: is no image that may become complete")),
    }
    wrongs.0
}

/// All that makes a recovery point complete, without asking amiferry.
fn complete(stage: &Stage, state: &State, source: &Image, tier: Tier, wrongs: &mut Wrongs) {
    let id = &source.id;
    let Some(object) = only_version(state, &vault_key(stage, id, "image.bin"), wrongs) else {
        return;
    };
    wrongs.unless("I-10", object.encryption.key() == Some(&stage.landscape.vault_key), || {
        format!("{id}: the vault object has {:?}", object.encryption)
    });
    wrongs.unless("I-8", object.retention.is_some(), || {
        format!("{id}: the vault object is not locked")
    });
    let stored = object.content.as_synthetic();
    let stored = stored.and_then(|content| {
        let stored = state.stored_images.get(&content.seed)?;
        (content.start == 0 && content.len == stored.length).then_some(stored)
    });
    wrongs.unless("I-6", stored.is_some_and(|stored| stored.id == *id), || {
        format!("{id}: the vault object is not the stored image, whole and unmixed")
    });
    let Some(record) = only_version(state, &vault_key(stage, id, "manifest.json"), wrongs) else {
        return;
    };
    let manifest = match Manifest::from_json(&record.content.to_bytes()) {
        Ok(manifest) => manifest,
        Err(error) => return wrongs.push("I-18", format!("{id}: manifest: {error}")),
    };
    wrongs
        .unless("I-3", manifest.tier == tier, || format!("{id}: recorded as {:?}", manifest.tier));
    wrongs.unless("I-6", manifest.vault_object.size == object.content.len(), || {
        format!("{id}: recorded with {} bytes", manifest.vault_object.size)
    });
    wrongs.unless(
        "I-15",
        manifest.source.created_at.as_second() == source.created.as_second(),
        || format!("{id}: recorded as created at {}", manifest.source.created_at),
    );
    let restored = restored_of(stage, state, id);
    let living: Vec<_> =
        restored.iter().filter(|image| image.state != ImageState::Failed).collect();
    match (tier, living.as_slice()) {
        (Tier::Archive, _) => {
            wrongs
                .unless("I-3", restored.is_empty(), || format!("{id}: archived, and restored too"));
        }
        (Tier::Ready, [image]) => {
            wrongs.unless(
                "I-3",
                manifest.restored.as_ref().is_some_and(|restored| restored.image_id == image.id),
                || format!("{id}: the manifest names another image than {}", image.id),
            );
            faithful(stage, state, source, image, wrongs);
        }
        (Tier::Ready, others) => {
            let invariant = if others.is_empty() { "I-18" } else { "I-3" };
            wrongs.push(invariant, format!("{id}: {} living restored images", others.len()));
        }
    }
}

fn restored_of<'a>(stage: &Stage, state: &'a State, id: &ImageId) -> Vec<&'a Image> {
    let (account, region) = &stage.landscape.vault;
    let made_of = |image: &&Image| {
        image.tags.get("amiferry:source-image").is_some_and(|source| *source == id.to_string())
    };
    ec2::images(state, account, region).filter(made_of).collect()
}

/// The restored image holds the source's data, is encrypted, protected, private.
fn faithful(stage: &Stage, state: &State, source: &Image, image: &Image, wrongs: &mut Wrongs) {
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
    wrongs.unless("I-6", image.metadata == source.metadata, || {
        format!("{id}: {:?} became {:?}", source.metadata, image.metadata)
    });
    let (account, region) = &stage.landscape.source;
    let before = ec2::snapshots(state, account, region, id);
    let (account, region) = &stage.landscape.vault;
    let after = ec2::snapshots(state, account, region, &image.id);
    let data = |snapshots: &[&ec2::Snapshot]| -> Vec<u64> {
        snapshots.iter().map(|snapshot| snapshot.data).collect()
    };
    wrongs.unless("I-6", data(&before) == data(&after), || {
        format!("{id}: other data in {}", image.id)
    });
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

/// Nothing of an image that is not expected exists anywhere but in the source itself.
fn untouched(stage: &Stage, state: &State, id: &ImageId, wrongs: &mut Wrongs) {
    for (bucket, key) in [
        (STAGING_BUCKET, staged_key(stage, id)),
        (VAULT_BUCKET, vault_key(stage, id, "image.bin")),
        (VAULT_BUCKET, vault_key(stage, id, "manifest.json")),
    ] {
        let there = state.s3.bucket(bucket).is_some_and(|bucket| !bucket.versions(&key).is_empty());
        wrongs.unless("I-7", !there, || format!("{id} is left out, and there is {bucket}/{key}"));
    }
    wrongs.unless("I-7", restored_of(stage, state, id).is_empty(), || {
        format!("{id} is left out, and was restored")
    });
}

fn only_version<'a>(state: &'a State, key: &str, wrongs: &mut Wrongs) -> Option<&'a Object> {
    let versions = state.s3.bucket(VAULT_BUCKET).map(|bucket| bucket.versions(key));
    match versions.unwrap_or_default() {
        [version] => version.object(),
        versions => {
            let invariant = if versions.is_empty() { "I-18" } else { "I-3" };
            wrongs.push(invariant, format!("{} versions of {key} in the vault", versions.len()));
            None
        }
    }
}

/// Nothing is left over: no upload, no message, no dead letter.
fn no_leftovers(stage: &Stage, state: &State, wrongs: &mut Wrongs) {
    for bucket in state.s3.all() {
        for upload in bucket.uploads() {
            let what = format!("an upload of {} is left in {}", upload.key, bucket.name);
            wrongs.push("I-19", what);
        }
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

/// The vault's worker changes nothing in the source, and the source's nothing in the vault.
fn blast_radius(stage: &Stage, wrongs: &mut Wrongs) {
    let (vault, vault_region) = &stage.landscape.vault;
    let (source, source_region) = &stage.landscape.source;
    for call in stage.wire.all().iter().filter(|call| call.mutates()) {
        let allowed = match call.who.split('-').next() {
            Some("source") => {
                call.access_key == source.as_str()
                    && call.region == source_region.as_str()
                    && matches!(
                        call.operation.as_str(),
                        "CreateStoreImageTask"
                            | "DeleteMessageBatch"
                            | "ChangeMessageVisibilityBatch"
                    )
            }
            Some("target") => {
                call.access_key == vault.as_str()
                    && call.region == vault_region.as_str()
                    && !call.text.contains(STAGING_BUCKET)
            }
            _ => false,
        };
        wrongs.unless("I-7", allowed, || {
            format!("{} called {} {}", call.who, call.operation, call.text)
        });
    }
}

/// The audit says complete of exactly the expected images.
async fn audit_agrees(stage: &Stage, wrongs: &mut Wrongs) {
    let report = match super::inventory::report(stage).await {
        Ok(report) => report,
        Err(fault) => return wrongs.push("I-15", format!("no audit can be made: {fault:?}")),
    };
    for point in &report.recovery_points {
        let expected = stage.expected.contains_key(&point.source_image_id);
        let complete = point.state == AuditState::Complete;
        wrongs.unless("I-15", expected == complete, || {
            let (id, state) = (&point.source_image_id, point.state);
            format!("{id}: the audit says {state:?} ({}: {})", point.code, point.detail)
        });
    }
    for id in stage.expected.keys() {
        let known = report.recovery_points.iter().any(|point| point.source_image_id == *id);
        wrongs.unless("I-15", known, || format!("{id}: the audit does not know it"));
    }
}

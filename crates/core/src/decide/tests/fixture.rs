//! Builds what is observed: one source image, one vault, and every stage between.
//!
//! The plain functions give the ordinary case; each method moves it one step away from there.

use jiff::Timestamp;
use serde_json::json;

use crate::code::Code;
use crate::decide::vault::{Effect, ManifestFact, Observed, Vault, next_step};
use crate::decide::{Decision, Pace};
use crate::ids::{AccountId, Region};
use crate::manifest::{Manifest, RestoredRecord, SCHEMA_VERSION, SourceRecord, VaultObject};
use crate::model::{
    BlockDevice, Checksum, DeregistrationProtection, EbsDevice, Image, ImageState, KeyVerdict,
    ObjectVersion, Retention, RetentionMode, RootDeviceType, Snapshot, SnapshotState, StoreTask,
    StoreTaskState, StoredObject, Tags, Virtualization,
};
use crate::names::RecoveryPointId;
use crate::policy::{Policies, Policy, Tier};
use crate::shape::Shape;
use crate::span::Span;

pub(crate) const SOURCE: &str = "111111111111";
pub(crate) const VAULT: &str = "222222222222";
pub(crate) const IMAGE: &str = "ami-0123456789abcdef0";
pub(crate) const VAULT_KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/bucket";
pub(crate) const EBS_KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/ebs";
pub(crate) const SOURCE_KEY: &str = "arn:aws:kms:us-east-1:111111111111:key/source";

pub(crate) const PACE: Pace = Pace { poll: Span::from_secs(60), park: Span::from_secs(900) };

/// A value with one thing changed.
pub(crate) trait With: Sized {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl<T> With for T {}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Noon; the source image was made at midnight.
pub(crate) fn now() -> Timestamp {
    at("2026-01-15T12:00:00Z")
}

pub(crate) fn source_account() -> AccountId {
    SOURCE.parse().unwrap()
}

pub(crate) fn tags<const N: usize>(pairs: [(&str, &str); N]) -> Tags {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The tags of the ordinary source image.
pub(crate) fn source_tags() -> Tags {
    tags([("Name", "web"), ("app", "shop"), ("backup", "daily")])
}

/// One policy per tier, by the value of the tag `backup`.
pub(crate) fn policies() -> Policies {
    let daily = json!({
        "name": "daily", "select": {"tags": {"backup": "daily"}}, "family": {"tag": "app"},
        "target_regions": ["us-west-2"], "rpo": "24h", "tier": "ready", "retention": "35d",
        "priority": 5,
    });
    let weekly = json!({
        "name": "weekly", "select": {"tags": {"backup": "weekly"}}, "family": {"fixed": "all"},
        "target_regions": ["us-west-2"], "rpo": "8d", "tier": "archive", "retention": "35d",
    });
    Policies(vec![policy(daily), policy(weekly)])
}

fn policy(text: serde_json::Value) -> Policy {
    serde_json::from_value(text).unwrap()
}

/// An EBS device with a snapshot.
pub(crate) fn device(name: &str, snapshot: &str, size_gib: u64) -> BlockDevice {
    BlockDevice {
        name: name.to_owned(),
        virtual_name: None,
        ebs: Some(EbsDevice {
            snapshot: Some(snapshot.parse().unwrap()),
            size_gib,
            volume_type: Some("gp3".to_owned()),
            iops: Some(3_000),
            throughput: Some(125),
            delete_on_termination: true,
            encrypted: false,
        }),
    }
}

/// An ordinary source image of 108 GiB that the policy `daily` protects.
pub(crate) fn image() -> Image {
    Image {
        id: IMAGE.parse().unwrap(),
        owner: source_account(),
        name: "web 2026-01-15".to_owned(),
        description: String::new(),
        state: ImageState::Available,
        state_reason: None,
        created: at("2026-01-15T00:00:00Z"),
        architecture: "x86_64".to_owned(),
        virtualization: Virtualization::Hvm,
        root_device_type: RootDeviceType::Ebs,
        root_device_name: Some("/dev/xvda".to_owned()),
        boot_mode: Some("uefi".to_owned()),
        ena_support: true,
        sriov_net_support: Some("simple".to_owned()),
        imds_support: Some("v2.0".to_owned()),
        tpm_support: Some("v2.0".to_owned()),
        devices: vec![
            device("/dev/xvda", "snap-0aaaaaaaaaaaaaaa1", 8),
            device("/dev/xvdb", "snap-0aaaaaaaaaaaaaaa2", 100),
            BlockDevice {
                name: "/dev/xvdc".to_owned(),
                virtual_name: Some("ephemeral0".to_owned()),
                ebs: None,
            },
        ],
        tags: source_tags(),
        public: false,
        source_image: None,
        deregistration_protection: DeregistrationProtection::Disabled,
    }
}

impl Image {
    pub(crate) fn paravirtual(self) -> Self {
        self.with(|image| image.virtualization = Virtualization::Paravirtual)
    }

    pub(crate) fn instance_store(self) -> Self {
        self.with(|image| image.root_device_type = RootDeviceType::InstanceStore)
    }

    pub(crate) fn in_state(self, state: ImageState) -> Self {
        self.with(|image| image.state = state)
    }

    pub(crate) fn named(self, name: &str) -> Self {
        self.with(|image| name.clone_into(&mut image.name))
    }

    pub(crate) fn owned_by(self, account: &str) -> Self {
        self.with(|image| image.owner = account.parse().unwrap())
    }

    pub(crate) fn tagged(self, key: &str, value: &str) -> Self {
        self.with(|image| {
            image.tags.insert(key.to_owned(), value.to_owned());
        })
    }

    /// With a root volume that makes the sum of all volumes this many GiB.
    pub(crate) fn of_gib(self, size: u64) -> Self {
        self.with(|image| {
            let rest = image.size_gib() - 8;
            image.devices[0].ebs.as_mut().unwrap().size_gib = size - rest;
        })
    }
}

fn checksum(value: &str) -> Checksum {
    Checksum::Crc64Nvme(value.to_owned())
}

/// The finished staged object of the ordinary image.
pub(crate) fn staged() -> StoredObject {
    StoredObject {
        at: ObjectVersion {
            bucket: "staging-us-east-1".parse().unwrap(),
            key: format!("amiferry/us-east-1/{IMAGE}.bin").parse().unwrap(),
            version: Some("staged-1".to_owned()),
        },
        etag: "0123-7".to_owned(),
        size: 40_000_000_000,
        checksum: Some(checksum("c3RhZ2VkIQ==")),
        metadata: std::collections::BTreeMap::new(),
        content_type: None,
        key: Some(SOURCE_KEY.to_owned()),
        retention: None,
        last_modified: Some(at("2026-01-15T01:00:00Z")),
    }
}

impl StoredObject {
    pub(crate) fn of_size(self, size: u64) -> Self {
        self.with(|object| object.size = size)
    }

    pub(crate) fn with_checksum(self, value: &str) -> Self {
        self.with(|object| object.checksum = Some(checksum(value)))
    }
}

/// A store task of the ordinary image, started `ago` seconds ago.
pub(crate) fn store_task(state: StoreTaskState, ago: i64) -> StoreTask {
    StoreTask {
        image: IMAGE.parse().unwrap(),
        bucket: "staging-us-east-1/amiferry/us-east-1".to_owned(),
        key: format!("amiferry/us-east-1/{IMAGE}.bin"),
        state,
        progress: 40,
        failure: Some("a snapshot is gone".to_owned()),
        started: Some(now() - jiff::SignedDuration::from_secs(ago)),
    }
}

/// A vault in good order.
pub(crate) fn vault() -> Vault {
    Vault {
        account: VAULT.parse().unwrap(),
        bucket: "vault-us-west-2".parse().unwrap(),
        prefix: "amiferry".to_owned(),
        key: VAULT_KEY.parse().unwrap(),
        key_verdict: KeyVerdict::Usable,
        default_encryption: Some((EBS_KEY.parse().unwrap(), KeyVerdict::Usable)),
        lock_mode: RetentionMode::Compliance,
    }
}

pub(crate) fn unusable() -> KeyVerdict {
    KeyVerdict::Unusable("key is disabled".to_owned())
}

pub(crate) fn recovery_point() -> RecoveryPointId {
    RecoveryPointId {
        source_account: source_account(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: IMAGE.parse().unwrap(),
        target_region: "us-west-2".parse::<Region>().unwrap(),
    }
}

/// What is seen of a source image of which nothing has been made yet.
pub(crate) fn observed() -> Observed {
    Observed {
        id: recovery_point(),
        source: Some(image()),
        staged: None,
        staged_key: None,
        object: None,
        restored: Vec::new(),
        snapshots: Vec::new(),
        launch_permissions: Vec::new(),
        manifest: ManifestFact::Absent,
        settling: false,
    }
}

/// Where the copy of the ordinary image lies.
fn vault_object() -> VaultObject {
    VaultObject {
        at: ObjectVersion {
            bucket: "vault-us-west-2".parse().unwrap(),
            key: format!("amiferry/{SOURCE}/us-east-1/{IMAGE}/image.bin").parse().unwrap(),
            version: Some("vault-1".to_owned()),
        },
        size: staged().size,
        checksum: checksum("c3RhZ2VkIQ=="),
        key: Some(VAULT_KEY.to_owned()),
        retention: Some(Retention {
            mode: RetentionMode::Compliance,
            until: at("2026-02-19T12:00:00Z"),
        }),
    }
}

/// The image that the restore of `generation` makes, ready for use and not yet protected.
pub(crate) fn restored_image(source: &Image, generation: u32) -> Image {
    let suffix = if generation == 1 { String::new() } else { format!("/{generation}") };
    let folder = format!("{SOURCE}/us-east-1/{IMAGE}");
    let (policy, family) = match source.tags.get("backup").map(String::as_str) {
        Some("weekly") => ("weekly", "all"),
        _ => ("daily", "shop"),
    };
    let location = format!("s3://vault-us-west-2/amiferry/{folder}/manifest.json");
    let mut all = source.tags.clone();
    all.extend(tags([
        ("amiferry:managed", "true"),
        ("amiferry:source-account", SOURCE),
        ("amiferry:source-region", "us-east-1"),
        ("amiferry:source-image", IMAGE),
        ("amiferry:source-created", "2026-01-15T00:00:00Z"),
        ("amiferry:source-name", "web 2026-01-15"),
        ("amiferry:policy", policy),
        ("amiferry:family", family),
        ("amiferry:manifest", &location),
    ]));
    let mut devices = source.devices.clone();
    for (index, ebs) in devices.iter_mut().filter_map(|d| d.ebs.as_mut()).enumerate() {
        ebs.snapshot = Some(format!("snap-0bbbbbbbbbbbbbb{generation}{index}").parse().unwrap());
        ebs.encrypted = true;
    }
    Image {
        id: format!("ami-0ccccccccccccccc{generation}").parse().unwrap(),
        owner: VAULT.parse().unwrap(),
        name: format!("amiferry/{folder}{suffix}"),
        created: now(),
        devices,
        tags: all,
        source_image: Some(("us-east-1".parse().unwrap(), source.id.clone())),
        ..source.clone()
    }
}

impl Observed {
    /// The store task has ended.
    pub(crate) fn staged(self) -> Self {
        self.with(|seen| {
            seen.staged = Some(staged());
            seen.staged_key = Some(KeyVerdict::Usable);
        })
    }

    /// The copy has ended.
    pub(crate) fn copied(self) -> Self {
        let VaultObject { at, size, checksum, key, retention } = vault_object();
        self.with(|seen| {
            seen.object = Some(StoredObject {
                at,
                size,
                checksum: Some(checksum),
                key,
                retention,
                last_modified: Some(now()),
                ..staged()
            });
        })
    }

    /// The restore has just begun.
    pub(crate) fn restoring(self) -> Self {
        self.restored()
            .with(|seen| seen.snapshots.iter_mut().for_each(|s| s.progress = 30))
            .with(|seen| seen.snapshots.iter_mut().for_each(|s| s.state = SnapshotState::Pending))
            .newest(|image| image.state = ImageState::Pending)
    }

    /// The restore has ended.
    pub(crate) fn restored(self) -> Self {
        self.with(|seen| {
            let source = seen.source.clone().unwrap();
            seen.restored.push(restored_image(&source, 1));
            seen.snapshots = snapshots_of(seen.restored.last().unwrap());
        })
    }

    /// The restores of generations 1 to `count` have failed.
    pub(crate) fn failed(self, count: u32) -> Self {
        self.with(|seen| {
            let source = seen.source.clone().unwrap();
            seen.restored = (1..=count)
                .map(|generation| {
                    restored_image(&source, generation)
                        .in_state(ImageState::Failed)
                        .with(|image| image.state_reason = Some("internal error".to_owned()))
                })
                .collect();
        })
    }

    /// Deregistration protection is on.
    pub(crate) fn protected(self) -> Self {
        self.newest(|image| image.deregistration_protection = DeregistrationProtection::Enabled)
    }

    /// The manifest is written.
    pub(crate) fn recorded(self) -> Self {
        self.with(|seen| {
            seen.manifest = ManifestFact::Present(Box::new(manifest(
                seen.source.as_ref().unwrap(),
                seen.restored.last(),
            )));
        })
    }

    /// Everything that a recovery point of this tier needs.
    pub(crate) fn complete(tier: Tier) -> Self {
        match tier {
            Tier::Ready => observed().staged().copied().restored().protected().recorded(),
            Tier::Archive => weekly().staged().copied().recorded(),
        }
    }

    /// Changes the newest restored image, if there is one.
    pub(crate) fn newest(self, change: impl FnOnce(&mut Image)) -> Self {
        self.with(|seen| {
            if let Some(image) = seen.restored.last_mut() {
                change(image);
            }
        })
    }

    /// Makes the newest restored image's way of time: EC2 finishes what runs.
    pub(crate) fn later(self) -> Self {
        self.newest(|image| image.state = ImageState::Available).with(|seen| {
            for snapshot in &mut seen.snapshots {
                snapshot.state = SnapshotState::Completed;
                snapshot.progress = 100;
            }
        })
    }

    /// What is seen once an effect has happened, as AWS documents it.
    pub(crate) fn after(self, effect: &Effect) -> Self {
        match effect {
            Effect::Copy(order) => self.copied().with(|seen| {
                let object = seen.object.as_mut().unwrap();
                object.size = order.staged.size;
                object.checksum = Some(order.checksum.clone());
                object.retention.clone_from(&order.retention);
            }),
            Effect::Restore(order) => self.restoring().newest(|image| {
                image.name.clone_from(&order.name);
                image.tags.clone_from(&order.image_tags);
            }),
            Effect::Protect(id) => {
                assert_eq!(Some(id), self.restored.last().map(|image| &image.id));
                self.protected()
            }
            Effect::Record(manifest) => {
                self.with(|seen| seen.manifest = ManifestFact::Present(manifest.clone()))
            }
        }
    }

    /// The next step under the ordinary policies and vault.
    pub(crate) fn decide(&self) -> Decision<Effect> {
        next_step(&policies(), &vault(), self, PACE, now())
    }
}

/// The same source image under the policy of tier `archive`.
pub(crate) fn weekly() -> Observed {
    observed().with(|seen| seen.source = seen.source.take().map(|i| i.tagged("backup", "weekly")))
}

/// Completed snapshots under the vault's EBS key behind an image.
pub(crate) fn snapshots_of(image: &Image) -> Vec<Snapshot> {
    let snapshot = |id: &crate::ids::SnapshotId| Snapshot {
        id: id.clone(),
        state: SnapshotState::Completed,
        encrypted: true,
        key: Some(EBS_KEY.to_owned()),
        progress: 100,
    };
    image.snapshots().map(snapshot).collect()
}

/// The manifest of the ordinary recovery point.
pub(crate) fn manifest(source: &Image, restored: Option<&Image>) -> Manifest {
    let ready = restored.is_some();
    Manifest {
        schema_version: SCHEMA_VERSION,
        recovery_point: recovery_point(),
        target_account: VAULT.parse().unwrap(),
        family: if ready { "shop" } else { "all" }.to_owned(),
        policy: if ready { "daily" } else { "weekly" }.to_owned(),
        tier: if ready { Tier::Ready } else { Tier::Archive },
        source: SourceRecord {
            name: source.name.clone(),
            created_at: source.created,
            size_gib: 108,
            shape: Shape::of(source),
        },
        vault_object: vault_object(),
        restored: restored.map(|image| RestoredRecord {
            image_id: image.id.clone(),
            name: image.name.clone(),
            snapshots: image.snapshots().cloned().collect(),
        }),
        completed_at: now(),
    }
}

/// A decision in few words: `act copy`, `wait not_staged`, `park shared`, `done complete`.
pub(crate) trait InWords {
    fn in_words(&self) -> String;
}

impl<A: EffectName> InWords for Decision<A> {
    fn in_words(&self) -> String {
        match self {
            Self::Act(effect) => format!("act {}", effect.effect_name()),
            Self::Wait { code, .. } => format!("wait {code}"),
            Self::Park { code, .. } => format!("park {code}"),
            Self::Ineligible { code, .. } => format!("ineligible {code}"),
            Self::Done(code) => format!("done {code}"),
        }
    }
}

/// The name of an effect.
pub(crate) trait EffectName {
    fn effect_name(&self) -> String;
}

impl EffectName for Effect {
    fn effect_name(&self) -> String {
        match self {
            Self::Copy(_) => "copy".to_owned(),
            Self::Restore(order) => match order.name.rsplit_once('/') {
                Some((_, generation)) if generation.len() == 1 => format!("restore {generation}"),
                _ => "restore 1".to_owned(),
            },
            Self::Protect(_) => "protect".to_owned(),
            Self::Record(_) => "record".to_owned(),
        }
    }
}

impl EffectName for crate::decide::store::Store {
    fn effect_name(&self) -> String {
        "store".to_owned()
    }
}

/// The codes in a list of decisions in words.
pub(crate) fn codes_in<'w>(
    words: impl IntoIterator<Item = &'w str>,
) -> std::collections::BTreeSet<Code> {
    words
        .into_iter()
        .filter_map(|words| words.split_once(' ').and_then(|(_, code)| code.parse().ok()))
        .collect()
}

//! The configuration that everything is pinned to, and one recovery point under it.

use std::collections::BTreeMap;

use amiferry_core::code::Code;
use amiferry_core::decide::vault::{DefaultEncryption, Effect, Judged, Observed, Vault, judge};
use amiferry_core::decide::{Decision, Pace};
use amiferry_core::event::SourceScope;
use amiferry_core::ids::Malformed;
use amiferry_core::manifest::Manifest;
use amiferry_core::model::{
    BlockDevice, Checksum, ChecksumAlgorithm, DeregistrationProtection, EbsDevice, Image,
    ImageState, KeyVerdict, LaunchRules, ObjectVersion, Retention, RetentionMode, RootDeviceType,
    Snapshot, SnapshotState, StoredObject, Tags, Virtualization,
};
use amiferry_core::names::RecoveryPointId;
use amiferry_core::policy::Policies;
use amiferry_core::span::Span;
use jiff::Timestamp;

/// The source account.
pub const SOURCE: &str = "111111111111";
/// The vault account.
pub const VAULT: &str = "222222222222";
/// The source Region.
pub const REGION: &str = "us-east-1";
/// The vault's Region.
pub const VAULT_REGION: &str = "us-west-2";
/// The staging bucket.
pub const STAGING: &str = "staging-example";
/// The vault bucket of the configuration that all checks use.
pub const VAULT_BUCKET: &str = "vault-example";
/// The prefix of both buckets.
pub const PREFIX: &str = "amiferry";
/// The source image.
pub const IMAGE: &str = "ami-0123456789abcdef0";
/// The vault bucket's key.
pub const KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/bucket";
/// The staged object's checksum, and so the vault object's.
pub const CHECKSUM: &str = "c3RhZ2VkIQ==";
/// When the source image was made.
pub const CREATED: &str = "2026-01-15T00:00:00Z";
/// When its staged object was written.
pub const STORED: &str = "2026-01-15T01:00:00Z";

/// Why the setting could not be built: a mistake in this file.
pub type Broken = String;

fn id<T: std::str::FromStr<Err = Malformed>>(text: &str) -> Result<T, Broken> {
    text.parse().map_err(|malformed: Malformed| malformed.to_string())
}

fn time(text: &str) -> Result<Timestamp, Broken> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

/// What a worker's queue may speak about.
///
/// # Errors
/// A mistake in this file.
pub fn scope() -> Result<SourceScope, Broken> {
    Ok(SourceScope {
        account: id(SOURCE)?,
        region: id(REGION)?,
        staging_bucket: id(STAGING)?,
        staging_prefix: PREFIX.to_owned(),
    })
}

/// One policy that restores, by a tag, and one that only keeps, for every other image.
///
/// # Errors
/// A mistake in this file.
pub fn policies() -> Result<Policies, Broken> {
    let text = r#"[
        {"name": "daily", "select": {"tags": {"backup": "dai*"}, "names": ["web*"]},
         "family": {"tag": "app"}, "target_regions": ["us-west-2"], "rpo": "24h",
         "tier": "ready", "retention": "35d"},
        {"name": "rest", "select": {"names": ["*"]}, "family": {"fixed": "all"},
         "target_regions": ["us-west-2"], "rpo": "8d", "tier": "archive", "retention": "35d"}
    ]"#;
    let policies = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(Policies(policies, Vec::new()))
}

fn vault() -> Result<Vault, Broken> {
    Ok(Vault {
        account: id(VAULT)?,
        bucket: id(VAULT_BUCKET)?,
        prefix: PREFIX.to_owned(),
        key: id(KEY)?,
        key_verdict: KeyVerdict::Usable,
        default_encryption: DefaultEncryption::With(id(KEY)?, KeyVerdict::Usable),
        lock_mode: RetentionMode::Governance,
    })
}

/// The tags of the source image for which a policy restores.
pub fn source_tags() -> Tags {
    let pairs = [("Name", "web"), ("app", "shop"), ("backup", "daily")];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The source image, with these tags.
///
/// # Errors
/// A mistake in this file.
pub fn image(tags: Tags) -> Result<Image, Broken> {
    Ok(Image {
        id: id(IMAGE)?,
        owner: id(SOURCE)?,
        name: "web 2026-01-15".to_owned(),
        description: String::new(),
        state: ImageState::Available,
        state_reason: None,
        created: time(CREATED)?,
        architecture: "x86_64".to_owned(),
        virtualization: Virtualization::Hvm,
        root_device_type: RootDeviceType::Ebs,
        root_device_name: Some("/dev/xvda".to_owned()),
        boot_mode: None,
        ena_support: true,
        sriov_net_support: None,
        imds_support: Some("v2.0".to_owned()),
        tpm_support: None,
        platform: None,
        platform_details: Some("Linux/UNIX".to_owned()),
        usage_operation: Some("RunInstances".to_owned()),
        product_codes: Default::default(),
        launch_rules: LaunchRules::default(),
        devices: vec![BlockDevice {
            name: "/dev/xvda".to_owned(),
            virtual_name: None,
            ebs: Some(EbsDevice {
                snapshot: Some(id("snap-0aaaaaaaaaaaaaaa1")?),
                size_gib: 8,
                volume_type: Some("gp3".to_owned()),
                iops: Some(3000),
                throughput: Some(125),
                delete_on_termination: true,
                encrypted: false,
            }),
        }],
        tags,
        public: false,
        source_image: None,
        source_instance: None,
        deregistration_protection: DeregistrationProtection::Disabled,
    })
}

/// The recovery point of the image.
///
/// # Errors
/// A mistake in this file.
pub fn recovery_point() -> Result<RecoveryPointId, Broken> {
    Ok(RecoveryPointId {
        source_account: id(SOURCE)?,
        source_region: id(REGION)?,
        source_image_id: id(IMAGE)?,
        target_account: id(VAULT)?,
        target_region: id(VAULT_REGION)?,
    })
}

/// The object in the vault: a whole, protected copy.
fn vault_object() -> Result<StoredObject, Broken> {
    Ok(StoredObject {
        at: ObjectVersion {
            bucket: id(VAULT_BUCKET)?,
            key: id(&format!("{PREFIX}/{SOURCE}/{REGION}/{IMAGE}/image.bin"))?,
            version: Some("vault-1".to_owned()),
        },
        etag: "0123-7".to_owned(),
        size: 4_000_000_000,
        checksum: Some(Checksum::whole(ChecksumAlgorithm::Crc64Nvme, CHECKSUM)),
        metadata: BTreeMap::from([("amiferry-copied-crc64nvme".to_owned(), CHECKSUM.to_owned())]),
        content_type: None,
        key: Some(KEY.to_owned()),
        retention: Some(Retention {
            mode: RetentionMode::Governance,
            until: time("2026-02-19T12:00:00Z")?,
        }),
        last_modified: Some(time("2026-01-15T12:00:00Z")?),
        class: None,
        archived: None,
    })
}

/// What is seen of an image that is gone, of which only the staged object is there.
///
/// # Errors
/// A mistake in this file.
pub fn staged_alone() -> Result<Observed, Broken> {
    let mut staged = vault_object()?;
    staged.at = ObjectVersion {
        bucket: id(STAGING)?,
        key: id(&format!("{PREFIX}/{REGION}/{IMAGE}.bin"))?,
        version: Some("staged-1".to_owned()),
    };
    staged.metadata.clear();
    (staged.key, staged.retention) = (None, None);
    staged.last_modified = Some(time(STORED)?);
    let mut seen = Observed::nothing(recovery_point()?);
    seen.source_asked = true;
    seen.staged = Some(staged);
    Ok(seen)
}

/// What is seen once the object is copied and nothing is restored.
///
/// # Errors
/// A mistake in this file.
pub fn copied(tags: Tags) -> Result<Observed, Broken> {
    let mut copied = Observed::source_only(recovery_point()?, image(tags)?);
    copied.object = Some(vault_object()?);
    copied.launch_permissions = Some(Vec::new());
    Ok(copied)
}

/// Puts an available, protected image with these tags under the name of our restore.
///
/// # Errors
/// A mistake in this file.
pub fn restored(mut seen: Observed, tags: Tags) -> Result<Observed, Broken> {
    let mut image = seen.source.clone().ok_or("there is no source image")?;
    image.id = id("ami-0ccccccccccccccc1")?;
    image.owner = id(VAULT)?;
    image.name = format!("amiferry/{SOURCE}/{REGION}/{IMAGE}");
    image.tags = tags;
    image.created = time("2026-01-15T13:00:00Z")?;
    image.deregistration_protection = DeregistrationProtection::Enabled;
    for ebs in image.devices.iter_mut().filter_map(|device| device.ebs.as_mut()) {
        ebs.snapshot = Some(id("snap-0bbbbbbbbbbbbbbb1")?);
        ebs.encrypted = true;
    }
    seen.snapshots = vec![Snapshot {
        id: id("snap-0bbbbbbbbbbbbbbb1")?,
        state: SnapshotState::Completed,
        encrypted: true,
        key: Some(KEY.to_owned()),
        progress: 100,
    }];
    seen.restored = vec![image];
    Ok(seen)
}

/// What is seen of the image once all but the manifest is there.
///
/// # Errors
/// A mistake in this file, or a decision that does not restore.
pub fn all_but_the_manifest() -> Result<Observed, Broken> {
    let seen = copied(source_tags())?;
    match decide(&seen)? {
        Decision::Act(Effect::Restore(order)) => restored(seen, order.image_tags),
        other => Err(format!("expected a restore, found {other:?}")),
    }
}

/// The manifest that is written then.
///
/// # Errors
/// A mistake in this file, or a decision that does not record.
pub fn manifest() -> Result<Manifest, Broken> {
    match decide(&all_but_the_manifest()?)? {
        Decision::Act(Effect::Record(manifest)) => Ok(*manifest),
        other => Err(format!("expected a record, found {other:?}")),
    }
}

/// The target worker's next step.
///
/// # Errors
/// A mistake in this file.
pub fn decide(seen: &Observed) -> Result<Decision<Effect>, Broken> {
    Ok(judged(seen)?.decision)
}

/// What a recorded recovery point has lost.
///
/// # Errors
/// A mistake in this file.
pub fn loss(seen: &Observed) -> Result<Option<Code>, Broken> {
    Ok(judged(seen)?.loss.map(|loss| loss.code))
}

fn judged(seen: &Observed) -> Result<Judged, Broken> {
    let pace = Pace { poll: Span::from_secs(60), park: Span::from_secs(900) };
    Ok(judge(&policies()?, &vault()?, seen, pace, time("2026-01-15T13:00:00Z")?))
}

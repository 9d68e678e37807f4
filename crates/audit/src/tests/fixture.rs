//! Builds source images, what is observed of them, and rows of the inventory.

use amiferry_core::code::Code;
use amiferry_core::decide::vault::{
    DefaultEncryption, Effect, ManifestFact, Observed, Vault, judge, next_step,
};
use amiferry_core::decide::{Decision, Pace};
use amiferry_core::fleet::{Fleet, Outlook, Place};
use amiferry_core::ids::ImageId;
use amiferry_core::model::{
    BlockDevice, Checksum, ChecksumAlgorithm, DeregistrationProtection, EbsDevice, Image,
    ImageState, KeyVerdict, LaunchRules, ObjectVersion, RetentionMode, RootDeviceType, Snapshot,
    SnapshotState, StoredObject, Virtualization,
};
use amiferry_core::names::{RecoveryPointId, VaultId};
use amiferry_core::policy::{Policies, Tier};
use amiferry_core::span::Span;
use jiff::Timestamp;

use crate::inventory::{
    Inventory, Promised, RecoveryPoint, Rejected, State, VaultBucket, VaultObject,
};

pub const SOURCE: &str = "111111111111";
pub const VAULT: &str = "222222222222";
const VAULT_KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/bucket";
const EBS_KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/ebs";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Noon.
pub fn now() -> Timestamp {
    at("2026-01-15T12:00:00Z")
}

/// `daily` has an RPO of 24 hours, `weekly` one of 8 days; each by the value of the tag `backup`.
pub fn policies() -> Policies {
    let daily = r#"{"name": "daily", "select": {"tags": {"backup": "daily"}},
        "family": {"tag": "app"}, "target_regions": ["us-west-2"], "rpo": "24h", "tier": "ready"}"#;
    let weekly = r#"{"name": "weekly", "select": {"tags": {"backup": "weekly"}},
        "family": {"fixed": "all"}, "target_regions": ["us-west-2", "eu-west-1"], "rpo": "8d",
        "tier": "archive"}"#;
    Policies([daily, weekly].map(|text| serde_json::from_str(text).unwrap()).into(), Vec::new())
}

pub fn image_id(number: u32) -> ImageId {
    format!("ami-{number:08x}").parse().unwrap()
}

/// A source image of family `shop` that `daily` protects, made at midnight.
pub fn image(number: u32) -> Image {
    let tags = [("app", "shop"), ("backup", "daily")];
    Image {
        id: image_id(number),
        owner: SOURCE.parse().unwrap(),
        name: format!("web {number}"),
        description: String::new(),
        state: ImageState::Available,
        state_reason: None,
        created: at("2026-01-15T00:00:00Z"),
        architecture: "x86_64".to_owned(),
        virtualization: Virtualization::Hvm,
        root_device_type: RootDeviceType::Ebs,
        root_device_name: Some("/dev/xvda".to_owned()),
        boot_mode: None,
        ena_support: true,
        sriov_net_support: None,
        imds_support: None,
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
                snapshot: Some(format!("snap-{number:08x}").parse().unwrap()),
                size_gib: 8,
                volume_type: Some("gp3".to_owned()),
                iops: Some(3_000),
                throughput: Some(125),
                delete_on_termination: true,
                encrypted: false,
            }),
        }],
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        public: false,
        source_image: None,
        source_instance: None,
        deregistration_protection: DeregistrationProtection::Disabled,
    }
}

/// An image under the policy of tier `archive`.
pub fn weekly(number: u32) -> Image {
    let mut image = image(number);
    image.tags.insert("backup".to_owned(), "weekly".to_owned());
    image
}

/// A vault in good order.
pub fn vault() -> Vault {
    Vault {
        account: VAULT.parse().unwrap(),
        bucket: "vault-us-west-2".parse().unwrap(),
        prefix: "amiferry".to_owned(),
        key: VAULT_KEY.parse().unwrap(),
        key_verdict: KeyVerdict::Usable,
        default_encryption: DefaultEncryption::With(EBS_KEY.parse().unwrap(), KeyVerdict::Usable),
        lock_mode: RetentionMode::Compliance,
    }
}

/// A source image of which nothing has been made yet.
pub fn seen(image: Image) -> Observed {
    let id = RecoveryPointId {
        source_account: SOURCE.parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: image.id.clone(),
        target_account: VAULT.parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
    };
    Observed { launch_permissions: Some(Vec::new()), ..Observed::source_only(id, image) }
}

/// The same with its staged object.
pub fn staged(image: Image) -> Observed {
    let staged = StoredObject {
        at: ObjectVersion {
            bucket: "staging-us-east-1".parse().unwrap(),
            key: format!("us-east-1/{}.bin", image.id).parse().unwrap(),
            version: Some("staged-1".to_owned()),
        },
        etag: "0123-7".to_owned(),
        size: 4_000,
        checksum: Some(Checksum::whole(ChecksumAlgorithm::Crc64Nvme, "c3RhZ2VkIQ==")),
        metadata: std::collections::BTreeMap::new(),
        content_type: None,
        key: None,
        retention: None,
        last_modified: Some(now()),
        class: None,
        archived: None,
    };
    Observed { staged: Some(staged), ..seen(image) }
}

/// Lets the target worker do its work at `when` until there is nothing to do, as AWS would.
pub fn completed(mut seen: Observed, when: Timestamp) -> Observed {
    for _ in 0..6 {
        seen = match step(&seen, when) {
            Decision::Act(effect) => after(seen, effect),
            Decision::Done(_) => return seen,
            other => panic!("{other:?}"),
        };
    }
    panic!("not complete after six steps: {seen:?}");
}

pub fn step(seen: &Observed, when: Timestamp) -> Decision<Effect> {
    let pace = Pace { poll: Span::from_secs(60), park: Span::from_secs(900) };
    next_step(&policies(), &vault(), seen, pace, when)
}

/// What is observed once an effect has happened and AWS has finished it.
pub fn after(mut seen: Observed, effect: Effect) -> Observed {
    match effect {
        Effect::Copy(order) => {
            let keys = amiferry_core::names::VaultKeys::of("amiferry", &seen.id).unwrap();
            seen.object = Some(StoredObject {
                at: ObjectVersion {
                    bucket: vault().bucket,
                    key: keys.image,
                    version: Some("vault-1".to_owned()),
                },
                key: Some(VAULT_KEY.to_owned()),
                retention: order.retention,
                ..order.staged
            });
        }
        Effect::Restore(order) => {
            let snapshot = Snapshot {
                id: "snap-0000000b".parse().unwrap(),
                state: SnapshotState::Completed,
                encrypted: true,
                key: Some(EBS_KEY.to_owned()),
                progress: 100,
            };
            let mut image = seen.source.clone().unwrap();
            image.id = "ami-0ccccccccccccccc1".parse().unwrap();
            image.owner = VAULT.parse().unwrap();
            image.name = order.name;
            image.tags = order.image_tags;
            image.created = now();
            image.devices[0].ebs.as_mut().unwrap().snapshot = Some(snapshot.id.clone());
            seen.restored.push(image);
            seen.snapshots = vec![snapshot];
        }
        Effect::Lock(_, retention) => {
            seen.object.as_mut().unwrap().retention = Some(retention);
        }
        Effect::Protect(_) => {
            seen.restored[0].deregistration_protection = DeregistrationProtection::Enabled;
        }
        Effect::DemandImdsV2(_) => {
            seen.restored[0].imds_support = Some("v2.0".to_owned());
        }
        Effect::Record(manifest) => seen.manifest = ManifestFact::Present(manifest),
        Effect::RecordAgain(record) => {
            let ManifestFact::Present(manifest) = &mut seen.manifest else { panic!("none") };
            let again = manifest.as_ref().clone().with_records(std::slice::from_ref(&*record));
            **manifest = again.unwrap();
            seen.newest_record = Some((record.number, record.kind));
        }
    }
    seen
}

/// The inventory of what is observed now.
pub fn inventory(all: impl IntoIterator<Item = Observed>) -> Inventory {
    inventory_under(&policies(), all)
}

/// The same under other policies.
pub fn inventory_under(policies: &Policies, all: impl IntoIterator<Item = Observed>) -> Inventory {
    let pace = Pace { poll: Span::from_secs(60), park: Span::from_secs(900) };
    let vault = vault();
    let id = VaultId { account: vault.account.clone(), region: "us-west-2".parse().unwrap() };
    let mut fleet = Fleet::new([]);
    for observed in all {
        fleet.met(&Place::Vault, &observed.id);
        let judged = judge(policies, &vault, &observed, pace, now());
        fleet.observed(&observed, &judged, now());
    }
    let bucket = VaultBucket { bucket: vault.bucket, prefix: "amiferry".to_owned() };
    Inventory::of(&fleet, &Outlook::default(), &id, &bucket)
}

/// A row of family `shop` under `daily` whose source is this old.
pub fn point(number: u32, age: jiff::SignedDuration, state: State) -> RecoveryPoint {
    RecoveryPoint {
        source_account: SOURCE.parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: image_id(number),
        source_image_name: format!("web {number}"),
        family: "shop".to_owned(),
        policy: "daily".to_owned(),
        tier: Tier::Ready,
        target_account: VAULT.parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
        state,
        code: if state == State::Complete { Code::Complete } else { Code::NotStaged },
        detail: String::new(),
        restored_image_id: None,
        vault_object: None,
        source_created_at: now() - age,
        repeats: None,
        completed_at: None,
        size_gb: None,
        no_policy: false,
        refused_in_source: false,
        planned_finish: None,
        next_try: None,
        failed_attempts: None,
    }
}

pub fn vault_object() -> VaultObject {
    VaultObject {
        bucket: vault().bucket,
        key: "amiferry/ami-00000001/image.bin".parse().unwrap(),
        version_id: None,
        size: 4_000,
        checksum: None,
        storage_class: None,
        archived: None,
    }
}

/// An image of family `shop` of this age that is left out, though `daily` promises its copy.
pub fn left_out(number: u32, age: jiff::SignedDuration) -> Rejected {
    Rejected {
        source_account: SOURCE.parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: image_id(number),
        source_image_name: format!("web {number}"),
        target_account: VAULT.parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
        code: Code::Paravirtual,
        reason: Code::Paravirtual.meaning().to_owned(),
        promised: Some(Promised {
            policy: "daily".to_owned(),
            family: "shop".to_owned(),
            tier: Tier::Ready,
            created: now() - age,
        }),
    }
}

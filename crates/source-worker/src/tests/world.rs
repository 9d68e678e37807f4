//! A source role over hand-written ports, with what a case usually states.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiferry_core::decide::store::Store;
use amiferry_core::decide::{Decision, Pace};
use amiferry_core::fault::Fault;
use amiferry_core::ids::ImageId;
use amiferry_core::model::{
    BlockDevice, Checksum, ChecksumAlgorithm, DeregistrationProtection, EbsDevice, Image,
    ImageState, LaunchRules, ObjectVersion, RootDeviceType, StoreTask, StoreTaskState,
    StoredObject, Virtualization,
};
use amiferry_core::names::RecoveryPointId;
use amiferry_core::pacing::{CallBudget, CallRate};
use amiferry_core::ports::{Clock, Listing, WriteOutcome};
use amiferry_core::span::Span;
use amiferry_service::config::Config;
use amiferry_service::reconcile::{Answers, Found, Role};
use jiff::{SignedDuration, Timestamp};

use super::ports::{Ports, TestClock};
use crate::observe::{Observer, VaultView};
use crate::role::SourceRole;

/// One source, two vaults of which the policy `daily` demands the first; what has no tag `backup`
/// is nobody's.
const CONFIG: &str = r#"
[[source]]
account = "111111111111"
region = "us-east-1"
queue_url = "https://sqs.us-east-1.amazonaws.com/111111111111/q"
staging_bucket = "staging"
read_role_arn = "arn:aws:iam::111111111111:role/read"

[[vault]]
account = "222222222222"
region = "us-west-2"
queue_url = "https://sqs.us-west-2.amazonaws.com/222222222222/q"
bucket = "vault-west"
key_arn = "arn:aws:kms:us-west-2:222222222222:key/11111111-2222-3333-4444-555555555555"

[[vault]]
account = "222222222222"
region = "eu-west-1"
queue_url = "https://sqs.eu-west-1.amazonaws.com/222222222222/q"
bucket = "vault-europe"
key_arn = "arn:aws:kms:eu-west-1:222222222222:key/11111111-2222-3333-4444-555555555555"

[[policy]]
name = "daily"
select = { tags = { backup = "daily" } }
family = { tag = "app" }
target_regions = ["us-west-2"]
rpo = "24h"
"#;

/// The store quota in GB.
pub(super) const QUOTA: u64 = 600;

/// Under what the staged objects of the source lie.
pub(super) const STAGED: &str = "staging/amiferry/us-east-1/";

/// What the source may list of the vault that `daily` demands.
pub(super) const IN_WEST: &str = "vault-west/amiferry/111111111111/us-east-1/";

/// And of the other one.
pub(super) const IN_EUROPE: &str = "vault-europe/amiferry/111111111111/us-east-1/";

/// A role with the ports that it asks.
pub(super) struct World {
    /// The source's own EC2 and S3.
    pub(super) source: Arc<Ports>,
    /// S3 of both vaults.
    pub(super) vaults: Arc<Ports>,
    pub(super) clock: Arc<TestClock>,
    pub(super) role: SourceRole,
}

impl World {
    /// Nothing is stated but that no task runs and that the vaults are empty.
    pub(super) fn new() -> Self {
        let config = Config::parse(CONFIG, "test", &BTreeMap::new()).unwrap();
        let [source, vaults] = [(); 2].map(|()| Arc::new(Ports::default()));
        let view = |vault: &amiferry_service::config::Vault| VaultView {
            id: vault.id(),
            bucket: vault.bucket.clone(),
            prefix: vault.prefix.clone(),
            objects: Arc::clone(&vaults) as _,
        };
        let configured = &config.sources[0];
        let observer = Observer {
            scope: amiferry_core::event::SourceScope {
                account: configured.account.clone(),
                region: configured.region.clone(),
                staging_bucket: configured.staging_bucket.clone(),
                staging_prefix: configured.staging_prefix.clone(),
            },
            policies: config.policies.clone(),
            images: Arc::clone(&source) as _,
            store_tasks: Arc::clone(&source) as _,
            objects: Arc::clone(&source) as _,
            vaults: config.vaults.iter().map(view).collect(),
        };
        let clock = TestClock::at(noon());
        let pace = Pace { poll: Span::from_secs(60), park: Span::from_secs(600) };
        let calls = CallBudget::full(CallRate::default(), noon());
        let role = SourceRole::new(observer, QUOTA, calls, pace, Arc::clone(&clock) as _);
        source.running.is(Ok(Listing::default()));
        source.create.is(Ok(WriteOutcome::Written(None)));
        vaults.list.is(Ok((Listing::default(), None)));
        Self { source, vaults, clock, role }
    }

    /// EC2 shows these images, no task of theirs, and nothing staged.
    pub(super) fn of(images: Vec<Image>) -> Self {
        let world = Self::new();
        world.source.describe.is(Ok(images.into()));
        world.source.head.is(Ok(None));
        world.source.newest.is(Ok(Listing::default()));
        world
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The answers to a look at these images.
    pub(super) async fn answers(&self, numbers: &[u32]) -> Result<Answers<ImageId, Store>, Fault> {
        let ids: Vec<ImageId> = numbers.iter().copied().map(id).collect();
        self.role.look(&ids).await
    }

    /// The decisions of a look in words, and those whose turn it found to have come.
    pub(super) async fn look(&self, numbers: &[u32]) -> (String, Vec<ImageId>) {
        let answers = self.answers(numbers).await.unwrap();
        let words = answers.decisions.iter().map(|(_, decision)| in_words(decision));
        (words.collect::<Vec<_>>().join(", "), answers.due)
    }

    /// Takes the one step that a look at an image decides.
    pub(super) async fn store(&self, number: u32) -> Result<(), Fault> {
        let answers = self.answers(&[number]).await.unwrap();
        match answers.decisions.into_iter().next() {
            Some((id, Ok(Decision::Act(store)))) => self.role.perform(&id, store).await,
            other => panic!("nothing to perform: {other:?}"),
        }
    }

    /// What a sweep finds.
    pub(super) async fn sweep(&self) -> Result<Vec<ImageId>, Fault> {
        let (found, mut ids) = Found::channel(100);
        self.role.sweep(&found).await?;
        drop(found);
        let mut all = Vec::new();
        while let Some(id) = ids.recv().await {
            all.push(id);
        }
        Ok(all)
    }
}

/// A decision or fault in few words: `act store`, `wait settling`, `fault denied`.
pub(super) fn in_words(decision: &Result<Decision<Store>, Fault>) -> String {
    match decision {
        Ok(Decision::Act(_)) => "act store".to_owned(),
        Ok(Decision::Wait { code, .. }) => format!("wait {code}"),
        Ok(Decision::Park { code, .. }) => format!("park {code}"),
        Ok(Decision::Ineligible { code, .. }) => format!("ineligible {code}"),
        Ok(Decision::Done(code)) => format!("done {code}"),
        Err(fault) => format!("fault {}", fault.class),
    }
}

pub(super) fn noon() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

/// The recovery point of an image in the vault that `daily` demands.
pub(super) fn recovery_point(number: u32) -> RecoveryPointId {
    RecoveryPointId {
        source_account: "111111111111".parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: id(number),
        target_account: "222222222222".parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
    }
}

pub(super) fn id(number: u32) -> ImageId {
    format!("ami-{number:08x}").parse().unwrap()
}

/// An image of 100 GiB that the policy `daily` selects, of a family of its own, made when the worker
/// started: for one that is older it waits until a vault has answered.
pub(super) fn image(number: u32) -> Image {
    Image {
        id: id(number),
        owner: "111111111111".parse().unwrap(),
        name: format!("web-{number}"),
        description: String::new(),
        state: ImageState::Available,
        state_reason: None,
        created: noon(),
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
                snapshot: Some("snap-0aaaaaaaaaaaaaaa1".parse().unwrap()),
                size_gib: 100,
                volume_type: None,
                iops: None,
                throughput: None,
                delete_on_termination: true,
                encrypted: false,
            }),
        }],
        tags: [("backup".to_owned(), "daily".to_owned()), ("app".to_owned(), number.to_string())]
            .into(),
        public: false,
        source_image: None,
        source_instance: None,
        deregistration_protection: DeregistrationProtection::Disabled,
    }
}

/// The same with one thing changed.
pub(super) fn image_with(number: u32, change: impl FnOnce(&mut Image)) -> Image {
    let mut image = image(number);
    change(&mut image);
    image
}

pub(super) fn of_gib(image: Image, size: u64) -> Image {
    let mut image = image;
    if let Some(ebs) = image.devices.iter_mut().find_map(|device| device.ebs.as_mut()) {
        ebs.size_gib = size;
    }
    image
}

/// The key of an image's staged object.
pub(super) fn staged_key(number: u32) -> String {
    format!("amiferry/us-east-1/{}.bin", id(number))
}

pub(super) fn staged(number: u32, size: u64) -> StoredObject {
    StoredObject {
        at: ObjectVersion {
            bucket: "staging".parse().unwrap(),
            key: staged_key(number).parse().unwrap(),
            version: Some("1".to_owned()),
        },
        etag: "e-1".to_owned(),
        size,
        checksum: Some(Checksum::whole(ChecksumAlgorithm::Crc64Nvme, "c3RhZ2VkIQ==")),
        metadata: BTreeMap::new(),
        content_type: None,
        key: None,
        retention: None,
        last_modified: Some(noon()),
        class: None,
        archived: None,
    }
}

/// A task of ours that began so many seconds before noon.
pub(super) fn task(number: u32, state: StoreTaskState, ago: i64) -> StoreTask {
    StoreTask {
        image: id(number),
        bucket: "staging".to_owned(),
        key: staged_key(number),
        state,
        progress: 40,
        failure: Some("a snapshot is gone".to_owned()),
        started: Some(noon() - SignedDuration::from_secs(ago)),
    }
}

/// A task of others about an image.
pub(super) fn foreign_task(number: u32) -> StoreTask {
    let task = task(number, StoreTaskState::InProgress, 60);
    StoreTask { bucket: "elsewhere".to_owned(), ..task }
}

/// One whole page.
pub(super) fn page<T, U>(items: U) -> Result<(Listing<T>, Option<String>), Fault>
where
    U: IntoIterator<Item = T>,
{
    Ok((items.into_iter().collect::<Vec<T>>().into(), None))
}

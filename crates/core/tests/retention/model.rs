//! The least of AWS that a recovery point consists of: it refuses what AWS refuses, and notes what no one
//! should have asked for.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::model::{
    DeregistrationProtection, Image, ImageState, LaunchRules, ObjectVersion, Retention,
    RetentionMode, RootDeviceType, Virtualization,
};
use amiferry_core::names::{RecoveryPointId, tag};
use amiferry_core::retention::Point;
use amiferry_core::retention::next::{Remains, Seen, Step, Version};
use jiff::Timestamp;

/// One recovery point in the model.
#[derive(Debug, Clone)]
pub struct Held {
    pub id: RecoveryPointId,
    pub point: Point,
    /// Whether all its parts are as they were recorded.
    pub complete: bool,
    /// What a record gave up: all of it, or its AMI.
    pub pruned: bool,
    pub retired: bool,
    pub object: bool,
    pub image: bool,
    pub protected: bool,
    pub cooldown: bool,
    pub retiring_until: Option<Timestamp>,
    pub snapshot: bool,
    /// Whether another image uses the snapshot.
    pub used: bool,
    pub locked_until: Option<Timestamp>,
    pub hold: bool,
    pub in_use: bool,
    pub restored_at: Timestamp,
}

impl Held {
    fn image_id(&self) -> ImageId {
        self.id.source_image_id.clone()
    }

    fn snapshot_id(&self) -> SnapshotId {
        let text = self.id.source_image_id.as_str().replace("ami-", "snap-");
        text.parse().unwrap()
    }

    fn version(&self) -> ObjectVersion {
        ObjectVersion {
            bucket: "vault-us-west-2".parse().unwrap(),
            key: format!("amiferry/{}/image.bin", self.id.source_image_id).parse().unwrap(),
            version: Some("v1".to_owned()),
        }
    }

    /// Whether nothing of it has gone or was given up between this and another state of it.
    pub fn is_as_before(&self, since: &Self) -> bool {
        let parts = |held: &Self| {
            let Held { pruned, retired, object, image, protected, snapshot, .. } = *held;
            [pruned, retired, object, image, protected, snapshot]
        };
        parts(self) == parts(since)
    }

    /// What is there, as a run sees it.
    pub fn remains(&self, whole: bool) -> Remains {
        let has_image = self.image && (whole || self.point.has_image || self.retired);
        let references =
            if self.in_use { vec!["arn:aws:ec2:…:i-1".to_owned()] } else { Vec::new() };
        let images =
            has_image.then(|| Seen { image: self.shown(), shared_with: Vec::new(), references });
        let retention =
            self.locked_until.map(|until| Retention { mode: RetentionMode::Governance, until });
        Remains {
            whole,
            recorded: if whole { self.pruned } else { self.retired },
            images: images.into_iter().collect(),
            snapshots: if self.snapshot { vec![(self.snapshot_id(), self.used)] } else { vec![] },
            object: (whole && self.object).then(|| Version {
                at: self.version(),
                retention,
                hold: self.hold,
            }),
        }
    }

    fn shown(&self) -> Image {
        let id = &self.id;
        let tags: BTreeMap<String, String> = [
            (tag::MANAGED, "true".to_owned()),
            (tag::SOURCE_ACCOUNT, id.source_account.to_string()),
            (tag::SOURCE_REGION, id.source_region.to_string()),
            (tag::SOURCE_IMAGE, id.source_image_id.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        Image {
            id: self.image_id(),
            owner: id.target_account.clone(),
            name: format!("amiferry/{}", id.source_image_id),
            description: String::new(),
            state: ImageState::Available,
            state_reason: None,
            created: self.restored_at,
            architecture: "x86_64".to_owned(),
            virtualization: Virtualization::Hvm,
            root_device_type: RootDeviceType::Ebs,
            root_device_name: None,
            boot_mode: None,
            ena_support: true,
            sriov_net_support: None,
            imds_support: None,
            tpm_support: None,
            platform: None,
            platform_details: None,
            usage_operation: None,
            product_codes: BTreeSet::new(),
            launch_rules: LaunchRules::default(),
            devices: Vec::new(),
            tags,
            public: false,
            source_image: None,
            source_instance: None,
            deregistration_protection: match self.protected {
                true => DeregistrationProtection::Enabled,
                false => DeregistrationProtection::Disabled,
            },
        }
    }

    /// Takes a step as AWS would. Returns whether AWS did it, and what is wrong with the request.
    pub fn take(&mut self, step: &Step, whole: bool, now: Timestamp) -> (bool, Vec<String>) {
        let mut wrongs = Vec::new();
        let id = &self.id.source_image_id;
        let recorded = if whole { self.pruned } else { self.retired };
        if !recorded && *step != Step::Record {
            wrongs.push(format!("{id}: {step:?} before the record"));
        }
        if self.in_use && self.image && *step != Step::Done {
            wrongs.push(format!("{id}: {step:?} while its AMI is in use"));
        }
        let mut done = true;
        match step {
            Step::Record if whole => self.pruned = true,
            Step::Record => {
                self.retired = true;
                self.point.has_image = false;
            }
            Step::Unprotect(_) => {
                self.protected = false;
                if self.cooldown {
                    self.retiring_until =
                        now.checked_add(jiff::SignedDuration::from_hours(24)).ok();
                }
            }
            Step::Deregister(_) => {
                done = self.retiring_until.is_none_or(|until| until <= now) && !self.protected;
                self.image &= !done;
            }
            Step::DeleteSnapshot(_) => {
                if self.used {
                    wrongs.push(format!("{id}: a snapshot that another image uses was to go"));
                }
                done = !self.used && !self.image;
                self.snapshot &= !done;
            }
            Step::DeleteObject(_) => {
                done = !self.hold && self.locked_until.is_none_or(|until| until <= now);
                if !done {
                    wrongs.push(format!("{id}: a locked object was to go"));
                }
                self.object &= !done;
            }
            Step::Retiring(_) | Step::Done => {}
        }
        (done, wrongs)
    }
}

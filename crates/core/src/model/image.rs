//! AMIs and EBS snapshots as `DescribeImages` and `DescribeSnapshots` show them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ImageId, Region, SnapshotId};

/// Tags of a resource, by key.
pub type Tags = BTreeMap<String, String>;

/// One AMI as `DescribeImages` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id, unique in its Region.
    pub id: ImageId,
    /// The owning account.
    pub owner: AccountId,
    /// Its name, unique in account and Region. Its owner chooses this text: it is never trusted.
    /// Empty while EC2 shows none, such as for an image that EC2 is still creating.
    pub name: String,
    /// Its description, empty when there is none.
    pub description: String,
    pub state: ImageState,
    /// Why it is in that state, as EC2 words it.
    pub state_reason: Option<String>,
    /// When it was created (`CreationDate`).
    pub created: Timestamp,
    /// `x86_64`, `arm64`, …, as EC2 spells it; empty while it is not said, as the two kinds below.
    pub architecture: String,
    /// Kind of virtualisation.
    pub virtualization: Virtualization,
    /// Where the root file system lives.
    pub root_device_type: RootDeviceType,
    /// Such as `/dev/xvda`.
    pub root_device_name: Option<String>,
    /// `legacy-bios`, `uefi` or `uefi-preferred`; `None` means the instance type decides.
    pub boot_mode: Option<String>,
    /// Enhanced networking with ENA.
    pub ena_support: bool,
    /// Enhanced networking with the Intel VF interface: `simple` or `None`.
    pub sriov_net_support: Option<String>,
    /// `v2.0` where instances of it demand IMDSv2.
    pub imds_support: Option<String>,
    /// `v2.0` where it supports NitroTPM.
    pub tpm_support: Option<String>,
    /// `windows`, or `None` for any other platform.
    #[serde(default)]
    pub platform: Option<String>,
    /// What its instances are billed as, such as `Linux/UNIX` or `Windows with SQL Server Web`.
    #[serde(default)]
    pub platform_details: Option<String>,
    /// The operation on the bill, such as `RunInstances:0002`.
    #[serde(default)]
    pub usage_operation: Option<String>,
    /// The product codes, `marketplace:…` or `devpay:…`.
    #[serde(default)]
    pub product_codes: BTreeSet<String>,
    /// What launches of it are held to.
    #[serde(default)]
    pub launch_rules: LaunchRules,
    /// The device map, in EC2's order; it may have gaps while the image is being made.
    pub devices: Vec<BlockDevice>,
    /// Its tags that the caller may see.
    pub tags: Tags,
    /// Whether its description says that anyone may launch it. One that says nothing is no proof of
    /// the opposite: the launch permissions are.
    pub public: bool,
    /// The image it was copied or restored from.
    pub source_image: Option<(Region, ImageId)>,
    /// The id of the instance it was made from; `None` where it was made in another way.
    #[serde(default)]
    pub source_instance: Option<String>,
    /// Whether it can be deregistered.
    pub deregistration_protection: DeregistrationProtection,
}

/// What the launches of an image are held to, beyond its hardware (EC2 API, `Image`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRules {
    /// Patterns of the instance types that it supports; none means no rule.
    pub supported_instance_types: BTreeSet<String>,
    /// Patterns of the instance types that it does not support.
    pub unsupported_instance_types: BTreeSet<String>,
    /// Its watermarks, as `account:name`: an account's *Allowed AMIs* setting may demand one.
    pub watermarks: BTreeSet<String>,
}

impl Image {
    /// The sum of its volumes in GiB, which is what the store and restore quotas count.
    pub fn size_gib(&self) -> u64 {
        self.devices.iter().filter_map(|device| device.ebs.as_ref()).map(|ebs| ebs.size_gib).sum()
    }

    /// The snapshots behind it.
    pub fn snapshots(&self) -> impl Iterator<Item = &SnapshotId> {
        self.devices.iter().filter_map(|device| device.ebs.as_ref()?.snapshot.as_ref())
    }
}

/// State of an AMI (API model `ImageState`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageState {
    /// Being made.
    Pending,
    /// Usable.
    Available,
    /// Hidden and not launchable until enabled again.
    Disabled,
    /// Gone, though still shown for a while.
    Deregistered,
    /// Could not be made (`failed`, `error` or `invalid`).
    Failed,
    /// A state that this version does not know, as EC2 spelled it.
    Other(String),
}

/// Kind of virtualisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Virtualization {
    /// Hardware virtual machine.
    Hvm,
    /// Paravirtual: cannot be stored.
    Paravirtual,
    /// A kind that this version does not know, as EC2 spelled it.
    Other(String),
}

impl Virtualization {
    /// The kind as EC2 spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Hvm => "hvm",
            Self::Paravirtual => "paravirtual",
            Self::Other(kind) => kind,
        }
    }
}

/// Where an image's root file system lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootDeviceType {
    /// On an EBS snapshot.
    Ebs,
    /// In S3 as an instance-store bundle: cannot be stored by a store task.
    InstanceStore,
    /// A type that this version does not know, as EC2 spelled it.
    Other(String),
}

impl RootDeviceType {
    /// The type as EC2 spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ebs => "ebs",
            Self::InstanceStore => "instance-store",
            Self::Other(kind) => kind,
        }
    }
}

/// One entry of a device map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// Such as `/dev/xvda`.
    pub name: String,
    /// `ephemeral0` and so on, for instance store volumes.
    pub virtual_name: Option<String>,
    /// The EBS volume that a launch makes, if it is one.
    pub ebs: Option<EbsDevice>,
}

/// The EBS part of a device map entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EbsDevice {
    /// The snapshot it is made from; `None` for an empty volume.
    pub snapshot: Option<SnapshotId>,
    pub size_gib: u64,
    /// `gp3`, `io2`, …
    pub volume_type: Option<String>,
    /// Provisioned operations per second.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s.
    pub throughput: Option<u32>,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
    /// Whether the device map says that the snapshot is encrypted. The snapshot itself decides.
    pub encrypted: bool,
}

/// Whether EC2 refuses to deregister an image (`ModifyImageAttribute`, `deregistrationProtection`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeregistrationProtection {
    /// Anyone with the permission can deregister it.
    Disabled,
    /// Deregistration is refused.
    Enabled,
    /// Refused, and still for 24 hours after protection is turned off.
    EnabledWithCooldown,
    /// A setting that this version does not know, as EC2 spelled it: it counts for nothing.
    Other(String),
}

impl DeregistrationProtection {
    /// Whether it is known to be on.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::Enabled | Self::EnabledWithCooldown)
    }
}

/// One EBS snapshot as `DescribeSnapshots` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub state: SnapshotState,
    pub encrypted: bool,
    /// ARN of the KMS key, if encrypted.
    pub key: Option<String>,
    /// Percentage of the data that is there.
    pub progress: u8,
}

/// State of a snapshot (API model `SnapshotState`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotState {
    /// Data is still arriving.
    Pending,
    /// All data is there.
    Completed,
    /// It failed.
    Error,
    /// In the Recycle Bin or being recovered from it.
    Recycled,
    /// A state that this version does not know, as EC2 spelled it.
    Other(String),
}

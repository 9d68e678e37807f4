//! An image, as `DescribeImages` shows it.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::ids::{AccountId, ImageId, Region, SnapshotId};
use jiff::Timestamp;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// An AMI.
#[derive(Debug, Clone)]
pub struct Image {
    pub id: ImageId,
    /// Its name, unique in its account and Region.
    pub name: String,
    /// The account that owns it.
    pub owner: AccountId,
    /// Where it is in its life.
    pub state: ImageState,
    /// Why it is in that state, if there is something to say.
    pub state_reason: Option<StateReason>,
    /// When it was created.
    pub created: Timestamp,
    /// What travels with the image when it is copied or stored.
    pub metadata: Metadata,
    /// Its block devices, root included.
    pub devices: Vec<Device>,
    pub tags: Tags,
    /// Whether every account may launch it.
    pub public: bool,
    /// The accounts that may launch it.
    pub launch_permissions: BTreeSet<AccountId>,
    /// The image it was made from.
    pub source: Option<(ImageId, Region)>,
    /// The instance it was made from.
    pub source_instance: Option<String>,
    /// Whether it can be deregistered.
    pub protection: Protection,
}

impl Image {
    /// The volume sizes of all EBS devices in GiB, as the quotas count them.
    pub fn size_gib(&self) -> u64 {
        self.ebs().map(|device| u64::from(device.size_gib)).sum()
    }

    /// Its snapshots, in device order.
    pub fn snapshots(&self) -> impl Iterator<Item = &SnapshotId> {
        self.ebs().filter_map(|device| device.snapshot.as_ref())
    }

    /// Whether an account may see and launch it.
    pub fn visible_to(&self, account: &AccountId) -> bool {
        self.owner == *account || self.public || self.launch_permissions.contains(account)
    }

    fn ebs(&self) -> impl Iterator<Item = &EbsDevice> {
        self.devices.iter().filter_map(|device| match &device.target {
            DeviceTarget::Ebs(ebs) => Some(ebs),
            DeviceTarget::Ephemeral(_) | DeviceTarget::Suppressed => None,
        })
    }
}

/// The states of an image, as `DescribeImages` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageState {
    /// Its snapshots are being made.
    Pending,
    /// It can be launched.
    Available,
    /// It never will be.
    Failed,
    /// Its owner switched it off.
    Disabled,
    /// Gone, and still listed for a while.
    Deregistered,
}

impl ImageState {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
            Self::Deregistered => "deregistered",
        }
    }
}

/// Why an image is in its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateReason {
    /// The code, such as `Client.InternalError`.
    pub code: String,
    /// In words.
    pub message: String,
}

/// The attributes that survive storing and copying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Up to 255 characters.
    pub description: Option<String>,
    /// `x86_64`, `arm64`, `i386`, …
    pub architecture: String,
    /// How the kernel is started.
    pub virtualization: Virtualization,
    /// What kind of volume it starts from.
    pub root_device_type: RootDeviceType,
    /// Which device it starts from.
    pub root_device_name: Option<String>,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub boot_mode: Option<String>,
    /// Enhanced networking with ENA.
    pub ena_support: bool,
    /// Enhanced networking with the Intel interface: `simple`.
    pub sriov_net_support: Option<String>,
    /// `v2.0` if instances must use `IMDSv2`.
    pub imds_support: Option<String>,
    /// `v2.0` if it supports `NitroTPM`.
    pub tpm_support: Option<String>,
    /// Billing platform, such as `Linux/UNIX`.
    pub platform_details: String,
    /// Billing operation, such as `RunInstances`.
    pub usage_operation: String,
    /// `windows` for Windows images.
    pub platform: Option<String>,
    /// The variables of its firmware, in base64.
    pub uefi_data: Option<String>,
    /// Product codes of AWS Marketplace.
    pub product_codes: Vec<String>,
    /// Patterns of the instance types that it supports.
    pub supported_instance_types: Vec<String>,
    /// Patterns of the instance types that it does not support.
    pub unsupported_instance_types: Vec<String>,
    /// Its watermarks, as `account:name`.
    pub watermarks: Vec<String>,
    /// When others stop seeing it.
    pub deprecation: Option<Timestamp>,
}

impl Default for Metadata {
    /// A present-day Linux image.
    fn default() -> Self {
        Self {
            description: None,
            architecture: "x86_64".to_owned(),
            virtualization: Virtualization::Hvm,
            root_device_type: RootDeviceType::Ebs,
            root_device_name: Some("/dev/xvda".to_owned()),
            boot_mode: None,
            ena_support: true,
            sriov_net_support: Some("simple".to_owned()),
            imds_support: None,
            tpm_support: None,
            platform_details: "Linux/UNIX".to_owned(),
            usage_operation: "RunInstances".to_owned(),
            platform: None,
            uefi_data: None,
            product_codes: Vec::new(),
            supported_instance_types: Vec::new(),
            unsupported_instance_types: Vec::new(),
            watermarks: Vec::new(),
            deprecation: None,
        }
    }
}

/// How an image's kernel is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Virtualization {
    /// On virtual hardware.
    Hvm,
    /// Paravirtual; cannot be stored.
    Paravirtual,
}

impl Virtualization {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hvm => "hvm",
            Self::Paravirtual => "paravirtual",
        }
    }
}

/// What kind of volume an image starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootDeviceType {
    /// A snapshot.
    Ebs,
    /// A bundle in S3; cannot be stored.
    InstanceStore,
}

impl RootDeviceType {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ebs => "ebs",
            Self::InstanceStore => "instance-store",
        }
    }
}

/// One entry of the block device mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Such as `/dev/xvda`.
    pub name: String,
    /// What is attached there.
    pub target: DeviceTarget,
}

/// What a device name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceTarget {
    /// A volume made from a snapshot, or an empty one.
    Ebs(EbsDevice),
    /// An instance store volume, such as `ephemeral0`.
    Ephemeral(String),
    /// A device that the mapping takes away.
    Suppressed,
}

/// A volume of the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EbsDevice {
    /// The snapshot it is made from.
    pub snapshot: Option<SnapshotId>,
    pub size_gib: u32,
    /// `gp3`, `io2`, …
    pub volume_type: String,
    /// Provisioned operations per second.
    pub iops: Option<u32>,
    /// Provisioned MiB/s.
    pub throughput: Option<u32>,
    /// Whether the volume goes with the instance.
    pub delete_on_termination: bool,
    /// Whether its snapshot is encrypted.
    pub encrypted: bool,
}

/// Deregistration protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Off; after a protection with cool-down, deregistration stays refused until then.
    Disabled {
        /// End of the cool-down, if there is one.
        cooldown_until: Option<Timestamp>,
    },
    /// On; may be deregistered as soon as it is turned off.
    Enabled,
    /// On; stays in force for 24 hours after it is turned off.
    EnabledWithCooldown,
}

impl Protection {
    /// Off, without a cool-down: what every new image has.
    pub const OFF: Self = Self::Disabled { cooldown_until: None };

    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled { .. } => "disabled",
            Self::Enabled => "enabled-without-cooldown",
            Self::EnabledWithCooldown => "enabled-with-cooldown",
        }
    }

    /// Whether it forbids deregistration now.
    pub fn forbids(self, now: Timestamp) -> bool {
        match self {
            Self::Disabled { cooldown_until } => cooldown_until.is_some_and(|until| now < until),
            Self::Enabled | Self::EnabledWithCooldown => true,
        }
    }
}

//! What a source image showed while EC2 showed it, noted as JSON so that its copy can be finished
//! without it.
//!
//! The vault writes one beside the object when it copies; the source leaves one beside the staged
//! object. A note counts only while EC2 does not show the image, and only before the manifest. What
//! it says of policy and family decides nothing: the vault's own policies judge what the image
//! showed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SourceRecord, Unreadable, parsed};
use crate::decide::eligibility::LARGEST_GB;
use crate::ids::{AccountId, ImageId, Region};
use crate::model::{
    BlockDevice, DeregistrationProtection, EbsDevice, Image, ImageState, RootDeviceType, Tags,
    Virtualization,
};
use crate::names::{RecoveryPointId, SourceId};
use crate::policy::Tier;
use crate::shape::{Shape, passed_on};

/// The version of the notes' format.
const VERSION: u32 = 1;

/// The largest note that is read, in bytes: 50 tags of the longest kind, twice, and a device map.
pub const LARGEST_NOTE: u64 = 1 << 18;

/// Who saw an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Teller {
    /// The vault, through the role that it assumes in the source.
    Vault,
    /// The source, which the vault trusts for nothing.
    Source,
}

/// A source image as it was when it was stored or copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    schema_version: u32,
    pub source_account: AccountId,
    pub source_region: Region,
    pub source_image_id: ImageId,
    /// Who saw it.
    pub told_by: Teller,
    /// The policy that governed it then.
    pub policy: String,
    /// Its family then.
    pub family: String,
    /// What its recovery point was to hold.
    pub tier: Tier,
    /// What its manifest would say of it.
    pub source: SourceRecord,
    /// All its tags, also those that no copy inherits: a policy may select by them.
    pub tags: Tags,
    /// The instance that it was made from.
    pub source_instance: Option<String>,
    /// When it was seen.
    pub noted_at: Timestamp,
}

impl Note {
    /// A note of an image under a policy, of a family, for a tier.
    pub fn of(
        image: &Image,
        source: &SourceId,
        (policy, family, tier): (&str, &str, Tier),
        told_by: Teller,
        now: Timestamp,
    ) -> Self {
        Self {
            schema_version: VERSION,
            source_account: source.account.clone(),
            source_region: source.region.clone(),
            source_image_id: image.id.clone(),
            told_by,
            policy: policy.to_owned(),
            family: family.to_owned(),
            tier,
            source: SourceRecord::of(image),
            tags: image.tags.clone(),
            source_instance: image.source_instance.clone(),
            noted_at: now,
        }
    }

    /// The same under another policy, of another family or for another tier.
    #[must_use]
    pub fn under(self, (policy, family, tier): (&str, &str, Tier)) -> Self {
        Self { policy: policy.to_owned(), family: family.to_owned(), tier, ..self }
    }

    /// The JSON that is stored, as a manifest's.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads the note of a recovery point's source image, by the rules for a manifest.
    ///
    /// # Errors
    /// Why it cannot be used: bytes that are none, more than [`LARGEST_NOTE`], an unknown schema
    /// version, a note of another image, or one that contradicts itself.
    pub fn from_json(bytes: &[u8], id: &RecoveryPointId) -> Result<Self, String> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > LARGEST_NOTE {
            return Err(format!("it has {length} bytes, of at most {LARGEST_NOTE}"));
        }
        let read = parsed(bytes, VERSION, |text| serde_json::from_str::<Self>(text));
        let note = read.map_err(|error| match error {
            Unreadable::Malformed(why) => format!("it is no note: {why}"),
            Unreadable::TooLarge(length) => format!("it has {length} bytes"),
            Unreadable::Version(version) => {
                format!("it has schema version {version}; this program reads {VERSION}")
            }
        })?;
        match note.inconsistency(id) {
            Some(why) => Err(why.to_owned()),
            None => Ok(note),
        }
    }

    /// What in it cannot be true together.
    fn inconsistency(&self, id: &RecoveryPointId) -> Option<&'static str> {
        let Shape { devices, tags, .. } = &self.source.shape;
        let is_of_it = self.source_account == id.source_account
            && self.source_region == id.source_region
            && self.source_image_id == id.source_image_id;
        let sizes = devices.iter().filter_map(|device| device.size_gib);
        let size_gib = sizes.fold(0, u64::saturating_add);
        if !is_of_it {
            return Some("it is of another image");
        }
        if *tags != passed_on(&self.tags) {
            return Some("it gives the tags twice, and differently");
        }
        if self.source.size_gib != size_gib || size_gib > LARGEST_GB {
            return Some("its size is not that of its volumes, or more than a store task accepts");
        }
        if self.source.snapshots.len() > devices.len() {
            return Some("it names more snapshots than volumes");
        }
        if self.source.unseen.is_some() {
            return Some("it was not seen");
        }
        None
    }

    /// The image for policies and decisions, as if EC2 showed it: available, and with what the note
    /// does not keep left out.
    pub fn image(&self) -> Image {
        let SourceRecord { name, created_at, shape, .. } = &self.source;
        let billing = shape.billing.clone();
        let text = |value: fn(&crate::shape::Billing) -> &Option<String>| {
            billing.as_ref().and_then(|billing| value(billing).clone())
        };
        let devices = shape.devices.iter().map(|device| BlockDevice {
            name: device.name.clone(),
            virtual_name: device.virtual_name.clone(),
            ebs: device.size_gib.map(|size_gib| EbsDevice {
                snapshot: None,
                size_gib,
                volume_type: device.volume_type.clone(),
                iops: device.iops,
                throughput: device.throughput,
                delete_on_termination: device.delete_on_termination.unwrap_or_default(),
                encrypted: false,
            }),
        });
        Image {
            id: self.source_image_id.clone(),
            owner: self.source_account.clone(),
            name: name.clone(),
            description: String::new(),
            state: ImageState::Available,
            state_reason: None,
            created: *created_at,
            architecture: shape.architecture.clone(),
            // A store task takes no other kinds.
            virtualization: match shape.virtualization.as_str() {
                "hvm" => Virtualization::Hvm,
                other => Virtualization::Other(other.to_owned()),
            },
            root_device_type: match shape.root_device_type.as_str() {
                "ebs" => RootDeviceType::Ebs,
                other => RootDeviceType::Other(other.to_owned()),
            },
            root_device_name: shape.root_device_name.clone(),
            boot_mode: shape.boot_mode.clone(),
            ena_support: shape.ena_support,
            sriov_net_support: shape.sriov_net_support.clone(),
            imds_support: shape.imds_support.clone(),
            tpm_support: shape.tpm_support.clone(),
            platform: text(|billing| &billing.platform),
            platform_details: text(|billing| &billing.platform_details),
            usage_operation: text(|billing| &billing.usage_operation),
            product_codes: billing.map(|billing| billing.product_codes).unwrap_or_default(),
            launch_rules: shape.launch_rules.clone().unwrap_or_default(),
            devices: devices.collect(),
            tags: self.tags.clone(),
            public: false,
            source_image: None,
            source_instance: self.source_instance.clone(),
            deregistration_protection: DeregistrationProtection::Disabled,
        }
    }
}

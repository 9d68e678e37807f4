//! The attributes of an image that must survive store, copy and restore, and how two images differ.
//!
//! Ids, names, dates, sharing and encryption are left out: they change by design.

mod accepted;
mod equal;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{Image, LaunchRules, Tags};
use crate::names::tag;

pub use accepted::{Acceptable, CHANGED_BY_DESIGN, not_demanded, sort_out};
use accepted::{INSTANCE_TYPES, WATERMARKS};

/// The value of `imds_support` of images whose instances require IMDSv2; others have none.
pub const IMDS_V2: &str = "v2.0";

/// The comparable part of an image; recorded in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// CPU architecture.
    pub architecture: String,
    /// `hvm` or `paravirtual`.
    pub virtualization: String,
    /// `ebs` or `instance-store`.
    pub root_device_type: String,
    /// Such as `/dev/xvda`.
    pub root_device_name: Option<String>,
    /// Boot mode, where set.
    pub boot_mode: Option<String>,
    /// Enhanced networking with ENA.
    pub ena_support: bool,
    /// Enhanced networking with the Intel VF interface.
    pub sriov_net_support: Option<String>,
    /// IMDS version that instances require.
    pub imds_support: Option<String>,
    /// Version of the Nitro TPM.
    pub tpm_support: Option<String>,
    /// The device map, by device name.
    pub devices: Vec<ShapeDevice>,
    /// The tags that are neither AWS's nor ours.
    pub tags: Tags,
    /// What decides the bill and the licence; `None` in records of versions that did not ask, which
    /// are not held to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<Billing>,
    /// Whether it has UEFI data; `None` where that is not known, and then not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uefi_data: Option<bool>,
    /// What its launches are held to; `None` where nothing is, and in records of versions that did not
    /// ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_rules: Option<LaunchRules>,
}

/// How instances of an image are billed and licensed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billing {
    /// `windows`, where it is.
    pub platform: Option<String>,
    /// Such as `Linux/UNIX`.
    pub platform_details: Option<String>,
    /// Such as `RunInstances`.
    pub usage_operation: Option<String>,
    /// Such as `marketplace:…`.
    pub product_codes: BTreeSet<String>,
}

/// One entry of the comparable device map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeDevice {
    /// Device name.
    pub name: String,
    /// Instance store name, for ephemeral entries.
    pub virtual_name: Option<String>,
    /// Whether it is made from a snapshot; otherwise a launch makes an empty volume.
    pub from_snapshot: bool,
    /// Volume size in GiB, for EBS entries.
    pub size_gib: Option<u64>,
    pub volume_type: Option<String>,
    /// Provisioned operations per second.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s.
    pub throughput: Option<u32>,
    /// Whether it goes with the instance.
    pub delete_on_termination: Option<bool>,
}

/// One attribute that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The attribute, such as `boot_mode` or `tag:Name`.
    pub attribute: String,
    /// Its value in the source.
    pub source: String,
    /// Its value in the restored image.
    pub restored: String,
}

impl Shape {
    /// The comparable part of an image.
    pub fn of(image: &Image) -> Self {
        let mut devices: Vec<ShapeDevice> = image
            .devices
            .iter()
            .map(|device| {
                let ebs = device.ebs.as_ref();
                ShapeDevice {
                    name: device.name.clone(),
                    virtual_name: device.virtual_name.clone(),
                    from_snapshot: ebs.is_some_and(|ebs| ebs.snapshot.is_some()),
                    size_gib: ebs.map(|ebs| ebs.size_gib),
                    volume_type: ebs.and_then(|ebs| ebs.volume_type.clone()),
                    iops: ebs.and_then(|ebs| ebs.iops),
                    throughput: ebs.and_then(|ebs| ebs.throughput),
                    delete_on_termination: ebs.map(|ebs| ebs.delete_on_termination),
                }
            })
            .collect();
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            architecture: image.architecture.clone(),
            virtualization: image.virtualization.as_str().to_owned(),
            root_device_type: image.root_device_type.as_str().to_owned(),
            root_device_name: image.root_device_name.clone(),
            boot_mode: image.boot_mode.clone(),
            ena_support: image.ena_support,
            sriov_net_support: image.sriov_net_support.clone(),
            imds_support: image.imds_support.clone(),
            tpm_support: image.tpm_support.clone(),
            devices,
            tags: passed_on(&image.tags),
            billing: Some(Billing {
                platform: image.platform.clone(),
                platform_details: image.platform_details.clone(),
                usage_operation: image.usage_operation.clone(),
                product_codes: image.product_codes.clone(),
            }),
            uefi_data: None,
            launch_rules: Some(image.launch_rules.clone())
                .filter(|rules| *rules != LaunchRules::default()),
        }
    }

    /// Whether the only difference is that the source requires IMDSv2 and the restored image does
    /// not. Only this difference can be repaired: an owner may require IMDSv2 on an image at any
    /// time, and cannot undo that (EC2 user guide, *Configure the AMI*). What is accepted does not
    /// count.
    pub fn differs_only_by_imds_v2(
        &self,
        restored: &Self,
        accepted: impl Fn(&Difference) -> bool,
    ) -> bool {
        let demanding = Some(IMDS_V2.to_owned());
        restored.imds_support.is_none()
            && self.imds_support == demanding
            && self
                .differences(&Self { imds_support: demanding, ..restored.clone() })
                .iter()
                .all(accepted)
    }

    /// Whether the only difference is that the restored image requires IMDSv2 and the source does
    /// not. What is accepted does not count.
    pub fn is_laxer_only_in_imds(
        &self,
        restored: &Self,
        accepted: impl Fn(&Difference) -> bool,
    ) -> bool {
        self.imds_support.is_none()
            && restored.imds_support.as_deref() == Some(IMDS_V2)
            && self
                .differences(&Self { imds_support: None, ..restored.clone() })
                .iter()
                .all(accepted)
    }

    /// What differs between a source's shape and that of its restored image.
    ///
    /// What is absent equals its default, as [`equal`] lists. A tag that only the restored image has
    /// is no difference: the vault's operators may tag it.
    pub fn differences(&self, restored: &Self) -> Vec<Difference> {
        let mut found = Differences(Vec::new());
        found.compare("architecture", &self.architecture, &restored.architecture);
        found.compare("virtualization", &self.virtualization, &restored.virtualization);
        found.compare("root_device_type", &self.root_device_type, &restored.root_device_type);
        for (attribute, source, restored) in [
            ("boot_mode", &self.boot_mode, &restored.boot_mode),
            ("sriov_net_support", &self.sriov_net_support, &restored.sriov_net_support),
            ("imds_support", &self.imds_support, &restored.imds_support),
            ("tpm_support", &self.tpm_support, &restored.tpm_support),
        ] {
            found.compare(attribute, &equal::text(source), &equal::text(restored));
        }
        // Every image that is stored has one: what an answer of EC2 left out is no difference.
        if self.root_device_name.is_some() {
            let (source, restored) = (&self.root_device_name, &restored.root_device_name);
            found.compare("root_device_name", source, restored);
        }
        found.compare("ena_support", &self.ena_support, &restored.ena_support);
        found.compare(
            "devices",
            &equal::devices(&equal::told(&self.devices, &restored.devices)),
            &equal::devices(&restored.devices),
        );
        if let (Some(source), Some(restored)) = (&self.billing, &restored.billing) {
            for (attribute, source, restored) in [
                ("platform", &source.platform, &restored.platform),
                ("platform_details", &source.platform_details, &restored.platform_details),
                ("usage_operation", &source.usage_operation, &restored.usage_operation),
            ] {
                // Only Windows has a platform. The others every image has: what an answer of EC2 left
                // out is no difference.
                if attribute == "platform" || source.is_some() {
                    found.compare(attribute, &equal::text(source), &equal::text(restored));
                }
            }
            found.compare("product_codes", &source.product_codes, &restored.product_codes);
        }
        if self.uefi_data.is_some() && restored.uefi_data.is_some() {
            found.compare("uefi_data", &self.uefi_data, &restored.uefi_data);
        }
        if let Some(source) = &self.launch_rules {
            let restored = restored.launch_rules.clone().unwrap_or_default();
            let types = |rules: &LaunchRules| {
                (rules.supported_instance_types.clone(), rules.unsupported_instance_types.clone())
            };
            found.compare(INSTANCE_TYPES, &types(source), &types(&restored));
            found.compare(WATERMARKS, &source.watermarks, &restored.watermarks);
        }
        for (key, value) in &self.tags {
            found.compare(&format!("tag:{key}"), &Some(value), &restored.tags.get(key));
        }
        found.0
    }
}

/// The tags of a source image that its copy inherits: not AWS's own, and none of amiferry's, which
/// a source could forge.
pub fn passed_on(tags: &Tags) -> Tags {
    tags.iter()
        .filter(|(key, _)| !key.starts_with("aws:") && !key.starts_with(tag::PREFIX))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

struct Differences(Vec<Difference>);

impl Differences {
    fn compare<T: PartialEq + Serialize>(&mut self, attribute: &str, source: &T, restored: &T) {
        if source != restored {
            let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
            self.0.push(Difference {
                attribute: attribute.to_owned(),
                source: text(source),
                restored: text(restored),
            });
        }
    }
}

#[cfg(test)]
mod tests;

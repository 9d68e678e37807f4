//! What of an image must survive store, copy and restore, and how two images differ in it.
//!
//! Ids, names, dates, sharing and encryption are left out: they change by design.

use serde::{Deserialize, Serialize};

use crate::model::{Image, RootDeviceType, Tags, Virtualization};
use crate::names::tag;

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
    /// IMDS version that instances demand.
    pub imds_support: Option<String>,
    /// NitroTPM version.
    pub tpm_support: Option<String>,
    /// The device map, by device name.
    pub devices: Vec<ShapeDevice>,
    /// The tags that are neither AWS's nor ours.
    pub tags: Tags,
}

/// One entry of the comparable device map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeDevice {
    /// Device name.
    pub name: String,
    /// Instance store name, for ephemeral entries.
    pub virtual_name: Option<String>,
    /// Volume size in GiB, for EBS entries.
    pub size_gib: Option<u64>,
    /// Volume type.
    pub volume_type: Option<String>,
    /// Provisioned operations per second.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s.
    pub throughput: Option<u32>,
    /// Whether it goes with the instance.
    pub delete_on_termination: Option<bool>,
}

/// One attribute that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
            virtualization: match image.virtualization {
                Virtualization::Hvm => "hvm".to_owned(),
                Virtualization::Paravirtual => "paravirtual".to_owned(),
            },
            root_device_type: match image.root_device_type {
                RootDeviceType::Ebs => "ebs".to_owned(),
                RootDeviceType::InstanceStore => "instance-store".to_owned(),
            },
            root_device_name: image.root_device_name.clone(),
            boot_mode: image.boot_mode.clone(),
            ena_support: image.ena_support,
            sriov_net_support: image.sriov_net_support.clone(),
            imds_support: image.imds_support.clone(),
            tpm_support: image.tpm_support.clone(),
            devices,
            tags: passed_on(&image.tags),
        }
    }

    /// What differs between a source's shape and that of its restored image.
    ///
    /// A tag that only the restored image has is no difference: whoever works in the vault may
    /// tag it.
    pub fn differences(&self, restored: &Self) -> Vec<Difference> {
        let mut found = Differences(Vec::new());
        found.compare("architecture", &self.architecture, &restored.architecture);
        found.compare("virtualization", &self.virtualization, &restored.virtualization);
        found.compare("root_device_type", &self.root_device_type, &restored.root_device_type);
        found.compare("root_device_name", &self.root_device_name, &restored.root_device_name);
        found.compare("boot_mode", &self.boot_mode, &restored.boot_mode);
        found.compare("ena_support", &self.ena_support, &restored.ena_support);
        found.compare("sriov_net_support", &self.sriov_net_support, &restored.sriov_net_support);
        found.compare("imds_support", &self.imds_support, &restored.imds_support);
        found.compare("tpm_support", &self.tpm_support, &restored.tpm_support);
        found.compare("devices", &self.devices, &restored.devices);
        for (key, value) in &self.tags {
            found.compare(&format!("tag:{key}"), &Some(value), &restored.tags.get(key));
        }
        found.0
    }
}

/// The tags of a source image that its copy carries on: not AWS's own, and none of ours, which a
/// source could have forged.
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

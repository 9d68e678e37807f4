//! The attributes of an image that must survive store, copy and restore, and how two images differ.
//!
//! Ids, names, dates, sharing and encryption are left out: they change by design.

use serde::{Deserialize, Serialize};

use crate::model::{Image, Tags};
use crate::names::tag;

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
        }
    }

    /// Whether the only difference is that the source requires IMDSv2 and the restored image does
    /// not. Only this difference can be repaired: an owner may require IMDSv2 on an image at any
    /// time, and cannot undo that (EC2 user guide, *Configure the AMI*).
    pub fn differs_only_by_imds_v2(&self, restored: &Self) -> bool {
        let demanding = Some(IMDS_V2.to_owned());
        restored.imds_support.is_none()
            && self.imds_support == demanding
            && self.differences(&Self { imds_support: demanding, ..restored.clone() }).is_empty()
    }

    /// Whether the only difference is that the restored image requires IMDSv2 and the source does
    /// not.
    pub fn is_laxer_only_in_imds(&self, restored: &Self) -> bool {
        self.imds_support.is_none()
            && restored.imds_support.as_deref() == Some(IMDS_V2)
            && self.differences(&Self { imds_support: None, ..restored.clone() }).is_empty()
    }

    /// What differs between a source's shape and that of its restored image.
    ///
    /// A tag that only the restored image has is no difference: the vault's operators may tag it.
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decide::tests::fixture::{With, device, image, tags};
    use crate::model::{
        DeregistrationProtection, EbsDevice, ImageState, RootDeviceType, Virtualization,
    };

    type Change = fn(&mut Image);

    /// The attributes in which a changed image differs from the ordinary one.
    fn differing(change: impl FnOnce(&mut Image)) -> Vec<String> {
        let changed = Shape::of(&image().with(change));
        Shape::of(&image()).differences(&changed).into_iter().map(|d| d.attribute).collect()
    }

    #[test]
    fn each_attribute_that_must_survive_is_compared() {
        fn root(image: &mut Image) -> &mut EbsDevice {
            image.devices[0].ebs.as_mut().unwrap()
        }
        let rows: &[(&str, Change)] = &[
            ("architecture", |i| i.architecture = "arm64".into()),
            ("virtualization", |i| i.virtualization = Virtualization::Paravirtual),
            ("root_device_type", |i| i.root_device_type = RootDeviceType::InstanceStore),
            ("root_device_name", |i| i.root_device_name = None),
            ("boot_mode", |i| i.boot_mode = Some("legacy-bios".into())),
            ("ena_support", |i| i.ena_support = false),
            ("sriov_net_support", |i| i.sriov_net_support = None),
            ("imds_support", |i| i.imds_support = None),
            ("tpm_support", |i| i.tpm_support = None),
            ("devices", |i| drop(i.devices.pop())),
            ("devices", |i| i.devices.push(device("/dev/xvdz", "snap-0abcdef1", 1))),
            ("devices", |i| i.devices[0].name = "/dev/sda1".into()),
            ("devices", |i| i.devices[2].virtual_name = Some("ephemeral1".into())),
            ("devices", |i| i.devices[0].ebs = None),
            // An empty volume of the same size would hide lost data.
            ("devices", |i| root(i).snapshot = None),
            ("devices", |i| root(i).size_gib += 1),
            ("devices", |i| root(i).volume_type = Some("gp2".into())),
            ("devices", |i| root(i).iops = Some(4_000)),
            ("devices", |i| root(i).throughput = None),
            ("devices", |i| root(i).delete_on_termination = false),
            ("tag:Name", |i| drop(i.tags.remove("Name"))),
            ("tag:app", |i| drop(i.tags.insert("app".into(), "other".into()))),
        ];
        for (attribute, change) in rows {
            assert_eq!(differing(change), [*attribute]);
        }
    }

    #[test]
    fn what_changes_by_design_or_in_the_vault_is_no_difference() {
        let rows: &[(&str, Change)] = &[
            ("nothing", |_| ()),
            ("id", |i| i.id = "ami-0abcdef1".parse().unwrap()),
            ("owner", |i| i.owner = "222222222222".parse().unwrap()),
            ("name", |i| i.name = "amiferry/x".into()),
            ("description", |i| i.description = "restored".into()),
            ("state", |i| i.state = ImageState::Pending),
            ("dates", |i| i.created = jiff::Timestamp::UNIX_EPOCH),
            ("sharing", |i| i.public = true),
            ("origin", |i| i.source_image = None),
            ("instance", |i| i.source_instance = Some("i-0abcdef1".into())),
            ("protection", |i| {
                i.deregistration_protection = DeregistrationProtection::Enabled;
            }),
            ("snapshot ids", |i| i.devices[0] = device("/dev/xvda", "snap-0abcdef1", 8)),
            ("encryption", |i| i.devices[0].ebs.as_mut().unwrap().encrypted = true),
            ("device order", |i| i.devices.reverse()),
            ("a tag more", |i| drop(i.tags.insert("cost".into(), "7".into()))),
            ("our tags", |i| drop(i.tags.insert(tag::MANAGED.into(), "true".into()))),
        ];
        for (what, change) in rows {
            assert_eq!(differing(change), [""; 0], "{what}");
        }
    }

    #[test]
    fn a_difference_shows_both_values_and_what_is_not_there() {
        let bios = image().with(|image| image.boot_mode = None).with(|image| image.tags.clear());
        let found = Shape::of(&image()).differences(&Shape::of(&bios));
        let shown: Vec<_> =
            found.iter().map(|d| (&*d.attribute, &*d.source, &*d.restored)).collect();
        assert_eq!(
            shown,
            [
                ("boot_mode", "\"uefi\"", "null"),
                ("tag:Name", "\"web\"", "null"),
                ("tag:app", "\"shop\"", "null"),
                ("tag:backup", "\"daily\"", "null"),
            ]
        );
    }

    #[test]
    fn reserved_tags_are_not_passed_on_and_their_look_alikes_are() {
        let all = tags([
            ("aws:backup:source", "x"),
            ("amiferry:managed", "true"),
            ("amiferry:", "x"),
            ("amiferry", "x"),
            ("my:amiferry:managed", "x"),
            ("awsome", "x"),
        ]);
        let kept = tags([("amiferry", "x"), ("awsome", "x"), ("my:amiferry:managed", "x")]);
        assert_eq!(passed_on(&all), kept);
    }

    proptest! {
        #[test]
        fn no_difference_means_that_all_source_tags_are_there(
            source in prop::collection::btree_map("[a-c]{1,2}", "[a-b]{0,1}", 0..5),
            restored in prop::collection::btree_map("[a-c]{1,2}", "[a-b]{0,1}", 0..5),
        ) {
            let shape = |tags: &Tags| Shape::of(&image().with(|image| image.tags = tags.clone()));
            let equal = shape(&source).differences(&shape(&restored)).is_empty();
            let there = source.iter().all(|(key, value)| restored.get(key) == Some(value));
            prop_assert_eq!(equal, there);
        }
    }
}

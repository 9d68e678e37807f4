//! Images for a stage, and what the landscape's policies promise about each.

use amiferry_core::ids::Arn;
use amiferry_core::policy::Tier;
use amiferry_simulator::ec2::image::{Image, Metadata, RootDeviceType, Virtualization};
use amiferry_simulator::ec2::{ImageSpec, VolumeSpec};

/// A present-day image of a workload with volumes of these sizes; its event is sent.
pub fn spec(workload: &str, name: &str, gib: &[u32]) -> ImageSpec {
    let volumes = gib.iter().enumerate().map(|(index, size)| VolumeSpec {
        device: match index {
            0 => "/dev/xvda".to_owned(),
            index => format!("/dev/sd{}", char::from(b'e' + u8::try_from(index).unwrap())),
        },
        size_gib: *size,
        ..VolumeSpec::default()
    });
    ImageSpec {
        name: name.to_owned(),
        tags: [("workload".to_owned(), workload.to_owned())].into_iter().collect(),
        volumes: volumes.collect(),
        metadata: Metadata {
            boot_mode: Some("uefi-preferred".to_owned()),
            imds_support: Some("v2.0".to_owned()),
            ..Metadata::default()
        },
        ..ImageSpec::default()
    }
}

/// Changes to an image, to be chained.
pub trait But: Sized {
    /// It is found by a sweep only.
    fn unannounced(self) -> Self;
    /// Its volumes are encrypted with a key.
    fn encrypted(self, key: &Arn) -> Self;
}

impl But for ImageSpec {
    fn unannounced(self) -> Self {
        Self { announced: false, ..self }
    }

    fn encrypted(mut self, key: &Arn) -> Self {
        for volume in &mut self.volumes {
            volume.encrypted = Some(key.clone());
        }
        self
    }
}

/// What the landscape's policies and AWS's limits make of an image, told without amiferry's code.
pub fn tier(spec: &ImageSpec) -> Option<Tier> {
    let gib = spec.volumes.iter().map(|volume| u64::from(volume.size_gib)).sum();
    judge(spec.tags.get("workload")?, &spec.name, &spec.metadata, gib)
}

/// The same of one that is there.
pub fn tier_of(image: &Image) -> Option<Tier> {
    judge(image.tags.get("workload")?, &image.name, &image.metadata, image.size_gib())
}

fn judge(workload: &str, name: &str, metadata: &Metadata, gib: u64) -> Option<Tier> {
    let storable = metadata.root_device_type == RootDeviceType::Ebs
        && metadata.virtualization == Virtualization::Hvm
        && gib <= 5_000;
    let named = ["web-", "payments-", "app-"].iter().any(|start| name.starts_with(start));
    let tier = if workload == "orders-db" || named { Tier::Ready } else { Tier::Archive };
    storable.then_some(tier)
}

//! Block device mappings as parameters and as elements.

use crate::ec2::errors;
use crate::ec2::image::{Device, DeviceTarget, EbsDevice};
use crate::wire::ApiError;
use crate::wire::form::Form;
use crate::wire::xml::Xml;

use super::request::number;

/// Reads `BlockDeviceMapping.N`; a size that is not given is 0.
pub fn parse(form: &Form) -> Result<Vec<Device>, ApiError> {
    form.structures("BlockDeviceMapping").iter().map(device).collect()
}

fn device(form: &Form) -> Result<Device, ApiError> {
    let name = form.required("DeviceName")?.to_owned();
    if form.get("NoDevice").is_some() {
        return Ok(Device { name, target: DeviceTarget::Suppressed });
    }
    if let Some(ephemeral) = form.get("VirtualName") {
        return Ok(Device { name, target: DeviceTarget::Ephemeral(ephemeral.to_owned()) });
    }
    let Some(ebs) = form.structure("Ebs") else { return Err(errors::missing("Ebs")) };
    let snapshot = ebs.get("SnapshotId").map(errors::snapshot_id).transpose()?;
    let size_gib = number(&ebs, "VolumeSize")?;
    if snapshot.is_none() && size_gib.is_none() {
        return Err(errors::missing("size/snapshot"));
    }
    let target = DeviceTarget::Ebs(EbsDevice {
        snapshot,
        volume_type: ebs.get("VolumeType").unwrap_or("gp2").to_owned(),
        iops: number(&ebs, "Iops")?,
        throughput: number(&ebs, "Throughput")?,
        delete_on_termination: ebs.get("DeleteOnTermination") != Some("false"),
        encrypted: ebs.flag("Encrypted"),
        size_gib: size_gib.unwrap_or(0),
    });
    Ok(Device { name, target })
}

/// Writes `blockDeviceMapping`.
pub fn write(x: &mut Xml, devices: &[Device]) {
    x.element("blockDeviceMapping", |x| {
        for device in devices {
            x.element("item", |x| {
                x.text("deviceName", &device.name);
                match &device.target {
                    DeviceTarget::Ebs(ebs) => {
                        x.element("ebs", |x| write_ebs(x, ebs));
                    }
                    DeviceTarget::Ephemeral(name) => {
                        x.text("virtualName", name);
                    }
                    DeviceTarget::Suppressed => {
                        x.text("noDevice", "");
                    }
                }
            });
        }
    });
}

fn write_ebs(x: &mut Xml, ebs: &EbsDevice) {
    x.maybe("snapshotId", ebs.snapshot.as_ref())
        .text("volumeSize", ebs.size_gib)
        .text("deleteOnTermination", ebs.delete_on_termination)
        .text("volumeType", &ebs.volume_type)
        .maybe("iops", ebs.iops)
        .maybe("throughput", ebs.throughput)
        .text("encrypted", ebs.encrypted);
}

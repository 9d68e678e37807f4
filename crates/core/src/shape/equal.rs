//! Absent and default are one: EC2 shows a default of some images and leaves it out of others.

use super::ShapeDevice;

/// What gp3 volumes have unless more is bought: IOPS and MiB/s (EBS user guide, *General Purpose SSD
/// volumes*).
const GP3: (u32, u32) = (3_000, 125);

/// The type of a volume for which none is named (EC2 API, `CreateVolume`).
const DEFAULT_TYPE: &str = "gp2";

/// A text; an empty one says as little as none.
pub(super) fn text(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

/// The device map with what is left out in its place, and without entries that stand for no volume.
pub(super) fn devices(devices: &[ShapeDevice]) -> Vec<ShapeDevice> {
    let stands_for_something =
        |device: &&ShapeDevice| device.size_gib.is_some() || text(&device.virtual_name).is_some();
    devices.iter().filter(stands_for_something).map(spelled_out).collect()
}

/// The devices of a source, with the types of the restored ones where EC2 left them out: every volume
/// has one, so nothing is known to differ.
pub(super) fn told(source: &[ShapeDevice], restored: &[ShapeDevice]) -> Vec<ShapeDevice> {
    let fill = |device: &ShapeDevice| {
        let mut device = device.clone();
        if text(&device.volume_type).is_none()
            && let Some(same) = restored.iter().find(|other| other.name == device.name)
        {
            device.volume_type.clone_from(&same.volume_type);
            device.iops = device.iops.or(same.iops);
            device.throughput = device.throughput.or(same.throughput);
        }
        device
    };
    source.iter().map(fill).collect()
}

fn spelled_out(device: &ShapeDevice) -> ShapeDevice {
    let mut device = device.clone();
    device.virtual_name = device.virtual_name.filter(|name| !name.is_empty());
    if device.size_gib.is_none() {
        return device;
    }
    let kind = device.volume_type.filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or_else(|| DEFAULT_TYPE.to_owned());
    if kind == "gp3" {
        device.iops = device.iops.or(Some(GP3.0));
        device.throughput = device.throughput.or(Some(GP3.1));
    }
    device.volume_type = Some(kind);
    device
}

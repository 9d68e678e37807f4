//! An image as an element of `DescribeImages`.

use super::blocks;
use super::request::write_tags;
use crate::ec2::image::{Image, Metadata};
use crate::ec2::time::written;
use crate::wire::xml::Xml;

/// Writes the members of an `Image`, as its owner or another account sees it.
pub fn write(x: &mut Xml, image: &Image, is_owner: bool) {
    let metadata = &image.metadata;
    x.text("imageId", &image.id)
        .text("imageLocation", format_args!("{}/{}", image.owner, image.name))
        .text("imageState", image.state.as_str())
        .text("imageOwnerId", &image.owner)
        .text("creationDate", written(image.created))
        .text("isPublic", image.public)
        .text("architecture", &metadata.architecture)
        .text("imageType", "machine")
        .maybe("platform", metadata.platform.as_ref())
        .text("platformDetails", &metadata.platform_details)
        .text("usageOperation", &metadata.usage_operation)
        .text("name", &image.name)
        .maybe("description", metadata.description.as_ref())
        .text("rootDeviceType", metadata.root_device_type.as_str())
        .maybe("rootDeviceName", metadata.root_device_name.as_ref());
    if !metadata.product_codes.is_empty() {
        x.element("productCodes", |x| {
            for code in &metadata.product_codes {
                x.element("item", |x| {
                    x.text("productCode", code).text("type", "marketplace");
                });
            }
        });
    }
    write_launch_rules(x, metadata);
    blocks::write(x, &image.devices);
    x.text("virtualizationType", metadata.virtualization.as_str())
        .text("hypervisor", "xen")
        .text("enaSupport", metadata.ena_support)
        .maybe("sriovNetSupport", metadata.sriov_net_support.as_ref())
        .maybe("bootMode", metadata.boot_mode.as_ref())
        .maybe("tpmSupport", metadata.tpm_support.as_ref())
        .maybe("imdsSupport", metadata.imds_support.as_ref())
        .maybe("deprecationTime", metadata.deprecation.map(written))
        .maybe("sourceInstanceId", image.source_instance.as_ref())
        .maybe("sourceImageId", image.source.as_ref().map(|(id, _)| id))
        .maybe("sourceImageRegion", image.source.as_ref().map(|(_, region)| region));
    if let Some(reason) = &image.state_reason {
        x.element("stateReason", |x| {
            x.text("code", &reason.code).text("message", &reason.message);
        });
    }
    // Tags and protection are the owner's; other accounts do not see them.
    if is_owner {
        x.text("deregistrationProtection", image.protection.as_str());
        write_tags(x, &image.tags);
    }
}

fn write_launch_rules(x: &mut Xml, metadata: &Metadata) {
    let list = |x: &mut Xml, name: &str, member: &str, items: &[String]| {
        if !items.is_empty() {
            x.element(name, |x| {
                for item in items {
                    x.element("item", |x| {
                        x.text(member, item);
                    });
                }
            });
        }
    };
    let (supported, unsupported) =
        (&metadata.supported_instance_types, &metadata.unsupported_instance_types);
    if !(supported.is_empty() && unsupported.is_empty()) {
        x.element("instanceTypeSpecification", |x| {
            list(x, "supportedInstanceTypeSet", "instanceType", supported);
            list(x, "unsupportedInstanceTypeSet", "instanceType", unsupported);
        });
    }
    list(x, "imageWatermarkSet", "watermarkKey", &metadata.watermarks);
}

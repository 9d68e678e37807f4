//! `DescribeImages`, and the calls that make, copy and end images.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::ids::ImageId;
use jiff::Timestamp;

use super::filter::Filters;
use super::page::Page;
use super::request::Request;
use super::{blocks, image_xml};
use crate::ec2::copy::{self, CopyRequest};
use crate::ec2::create::{self, NewImage};
use crate::ec2::image::{Image, ImageState, Metadata, RootDeviceType, Tags, Virtualization};
use crate::ec2::site::{hidden_yet, listed_after_end, seen_image, seen_images};
use crate::ec2::{encryption, errors, lifecycle, time};
use crate::wire::ApiError;

const FILTERS: &[&str] = &[
    "architecture",
    "block-device-mapping.snapshot-id",
    "description",
    "image-id",
    "is-public",
    "name",
    "owner-id",
    "platform",
    "root-device-name",
    "root-device-type",
    "source-image-id",
    "source-image-region",
    "state",
    "tag-key",
    "tag:",
    "virtualization-type",
];

/// `DescribeImages`.
pub fn describe(r: &mut Request<'_>) -> Result<String, ApiError> {
    let asked: BTreeSet<ImageId> =
        r.form.list("ImageId").into_iter().map(errors::image_id).collect::<Result<_, _>>()?;
    let filters = Filters::parse(&r.form, FILTERS)?;
    let (least, most) = r.state.settings.ec2.image_pages;
    let page = Page::parse(&r.form, least..=most, r.state.settings.ec2.longest_page)?;
    r.permit(&["*".to_owned()])?;
    let hidden = hidden_images(r, &asked);
    let mut images: BTreeMap<&ImageId, &Image> = if asked.is_empty() {
        seen_images(r.state, &r.place)
    } else {
        // By id nothing else is looked at, however many images there are.
        asked.iter().filter_map(|id| Some((id, seen_image(r.state, &r.place, id)?))).collect()
    };
    images.retain(|id, _| !hidden.contains(id));
    for image in listed_after_end(r.state, &r.place, r.now) {
        images.insert(&image.id, image);
    }
    let missing: Vec<&ImageId> = asked.iter().filter(|id| !images.contains_key(id)).collect();
    if !missing.is_empty() {
        return Err(errors::image_not_found(missing));
    }
    let include_disabled = r.form.flag("IncludeDisabled");
    let include_deprecated = r.form.flag("IncludeDeprecated");
    let owners = r.form.list("Owner");
    let account = &r.place.0;
    let wanted = images.into_values().filter(|image| {
        let own = image.owner == *account;
        let deprecated = image.metadata.deprecation.is_some_and(|at| at <= r.now);
        (asked.is_empty() || asked.contains(&image.id))
            && (include_disabled || image.state != ImageState::Disabled)
            && (own || include_deprecated || !deprecated)
            && (owners.is_empty()
                || owners
                    .iter()
                    .any(|owner| image.owner.as_str() == *owner || (*owner == "self" && own)))
            && filters.hold(if own { &image.tags } else { NO_TAGS }, |name| values(image, name))
            && page.after.as_deref().is_none_or(|after| image.id.as_str() > after)
    });
    let cut = page.cut(wanted, |image| image.id.to_string());
    Ok(r.respond(|x| {
        x.element("imagesSet", |x| {
            for image in &cut.items {
                x.element("item", |x| image_xml::write(x, image, image.owner == *account));
            }
        });
        x.maybe("nextToken", cut.next);
    }))
}

/// The young images that eventual consistency hides at this look.
fn hidden_images(r: &mut Request<'_>, asked: &BTreeSet<ImageId>) -> BTreeSet<ImageId> {
    let window = r.state.settings.ec2.consistency_window;
    if window.is_zero() {
        return BTreeSet::new();
    }
    let young: Vec<(ImageId, Timestamp)> = seen_images(r.state, &r.place)
        .into_iter()
        .filter(|(id, _)| asked.is_empty() || asked.contains(id))
        .filter(|(_, image)| r.now < time::after(image.created, window))
        .map(|(id, image)| (id.clone(), image.created))
        .collect();
    let hidden = young.into_iter().filter(|(_, created)| hidden_yet(r.state, *created, r.now));
    hidden.map(|(id, _)| id).collect()
}

const NO_TAGS: &Tags = &Tags::new();

fn values<'v>(image: &'v Image, filter: &str) -> Vec<&'v str> {
    let metadata = &image.metadata;
    let value = match filter {
        "block-device-mapping.snapshot-id" => {
            return image.snapshots().map(amiferry_core::ids::SnapshotId::as_str).collect();
        }
        "architecture" => Some(metadata.architecture.as_str()),
        "description" => metadata.description.as_deref(),
        "image-id" => Some(image.id.as_str()),
        "is-public" => Some(if image.public { "true" } else { "false" }),
        "name" => Some(image.name.as_str()),
        "owner-id" => Some(image.owner.as_str()),
        "platform" => metadata.platform.as_deref(),
        "root-device-name" => metadata.root_device_name.as_deref(),
        "root-device-type" => Some(metadata.root_device_type.as_str()),
        "source-image-id" => image.source.as_ref().map(|(id, _)| id.as_str()),
        "source-image-region" => image.source.as_ref().map(|(_, region)| region.as_str()),
        "state" => Some(image.state.as_str()),
        "virtualization-type" => Some(metadata.virtualization.as_str()),
        _ => None,
    };
    value.into_iter().collect()
}

/// `RegisterImage`, with its defaults: i386 and paravirtual.
pub fn register(r: &mut Request<'_>) -> Result<String, ApiError> {
    let form = &r.form;
    let text = |name: &str| form.get(name).map(str::to_owned);
    let devices = blocks::parse(form)?;
    let instance_store = form.get("ImageLocation").is_some() && devices.is_empty();
    let virtualization = match form.get("VirtualizationType") {
        Some("hvm") => Virtualization::Hvm,
        Some("paravirtual") | None => Virtualization::Paravirtual,
        Some(other) => {
            return Err(errors::invalid(
                "VirtualizationType",
                other,
                "Expecting hvm or paravirtual.",
            ));
        }
    };
    let new = NewImage {
        name: form.required("Name")?.to_owned(),
        metadata: Metadata {
            description: text("Description"),
            architecture: text("Architecture").unwrap_or_else(|| "i386".to_owned()),
            virtualization,
            root_device_type: if instance_store {
                RootDeviceType::InstanceStore
            } else {
                RootDeviceType::Ebs
            },
            root_device_name: text("RootDeviceName"),
            boot_mode: text("BootMode"),
            ena_support: form.flag("EnaSupport"),
            sriov_net_support: text("SriovNetSupport"),
            imds_support: text("ImdsSupport"),
            tpm_support: text("TpmSupport"),
            ..Metadata::default()
        },
        devices,
        tags: r.tags_for("image", &["image"])?,
    };
    let image = r.image_arn("*");
    r.permit_tagged(std::slice::from_ref(&image), &[(image.clone(), &new.tags)])?;
    let id = create::register(r.state, r.now, &r.place, new)?;
    Ok(with_id(r, &id))
}

/// `CreateImage`.
pub fn create(r: &mut Request<'_>) -> Result<String, ApiError> {
    let kinds = &["image", "snapshot"];
    let instance = r.form.required("InstanceId")?.to_owned();
    let name = r.form.required("Name")?.to_owned();
    let description = r.form.get("Description").map(str::to_owned);
    let tags = (r.tags_for("image", kinds)?, r.tags_for("snapshot", kinds)?);
    permit_new(r, &tags.0, &tags.1)?;
    let description = description.as_deref();
    let id = create::from_instance(r.state, r.now, &r.place, &instance, &name, description, tags)?;
    Ok(with_id(r, &id))
}

/// `CopyImage`.
pub fn copy(r: &mut Request<'_>) -> Result<String, ApiError> {
    let kinds = &["image", "snapshot"];
    let (account, region) = &r.place;
    let source_region = r.form.required("SourceRegion")?;
    let key = r.form.get("KmsKeyId").map(|key| encryption::named_key(account, region, key));
    let request = CopyRequest {
        source_region: source_region
            .parse()
            .map_err(|_| errors::invalid("SourceRegion", source_region, "It is no Region."))?,
        source: errors::image_id(r.form.required("SourceImageId")?)?,
        name: r.form.required("Name")?.to_owned(),
        description: r.form.get("Description").map(str::to_owned),
        encrypted: r.form.flag("Encrypted"),
        key: key.transpose()?,
        client_token: r.form.get("ClientToken").map(str::to_owned),
        copy_tags: r.form.flag("CopyImageTags"),
        image_tags: r.tags_for("image", kinds)?,
        snapshot_tags: r.tags_for("snapshot", kinds)?,
    };
    if request.key.is_some() && r.form.get("Encrypted") == Some("false") {
        return Err(errors::combination("KmsKeyId needs Encrypted to be true."));
    }
    permit_new(r, &request.image_tags, &request.snapshot_tags)?;
    let id = copy::begin(r.state, r.now, (&r.place, r.caller), request)?;
    Ok(with_id(r, &id))
}

/// Permission for a call that creates an image and snapshots.
pub(super) fn permit_new(
    r: &Request<'_>,
    image_tags: &Tags,
    snapshot_tags: &Tags,
) -> Result<(), ApiError> {
    let (image, snapshot) = (r.image_arn("*"), r.snapshot_arn("*"));
    let tagged = [(image.clone(), image_tags), (snapshot, snapshot_tags)];
    r.permit_tagged(&[image], &tagged)
}

pub(super) fn with_id(r: &Request<'_>, id: &ImageId) -> String {
    r.respond(|x| {
        x.text("imageId", id);
    })
}

/// `DeregisterImage`.
pub fn deregister(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = r.image_id()?;
    r.permit(&[r.image_arn(id.as_str())])?;
    let with_snapshots = r.form.flag("DeleteAssociatedSnapshots");
    let deleted = lifecycle::deregister(r.state, r.now, &r.place, &id, with_snapshots)?;
    Ok(r.respond(|x| {
        x.text("return", true);
        if with_snapshots {
            x.element("deleteSnapshotResultSet", |x| {
                for (snapshot, outcome) in &deleted {
                    x.element("item", |x| {
                        x.text("snapshotId", snapshot).text("returnCode", outcome);
                    });
                }
            });
        }
    }))
}

/// `DisableImage`.
pub fn disable(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = r.image_id()?;
    r.permit(&[r.image_arn(id.as_str())])?;
    lifecycle::disable(r.state, r.now, &r.place, &id)?;
    Ok(r.done())
}

/// `EnableImage`.
pub fn enable(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = r.image_id()?;
    r.permit(&[r.image_arn(id.as_str())])?;
    lifecycle::enable(r.state, r.now, &r.place, &id)?;
    Ok(r.done())
}

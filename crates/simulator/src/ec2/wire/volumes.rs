//! Volumes: enough to make snapshots from, and to be rid of them.

use amiferry_core::ids::SnapshotId;

use super::filter::Filters;
use super::page::Page;
use super::request::{Request, write_tags};
use crate::ec2::create::{self, NewVolume};
use crate::ec2::snapshot::Volume;
use crate::ec2::time::written;
use crate::ec2::{encryption, errors};
use crate::wire::ApiError;
use crate::wire::xml::Xml;

const FILTERS: &[&str] =
    &["availability-zone", "snapshot-id", "status", "tag-key", "tag:", "volume-id", "volume-type"];
/// No volume is ever attached.
const STATUS: &str = "available";

/// `CreateVolume`.
pub fn create(r: &mut Request<'_>) -> Result<String, ApiError> {
    let (account, region) = &r.place;
    let key = r.form.get("KmsKeyId").map(|key| encryption::named_key(account, region, key));
    let new = NewVolume {
        size_gib: r.number("Size")?,
        snapshot: r.form.get("SnapshotId").map(errors::snapshot_id).transpose()?,
        encrypted: r.form.flag("Encrypted"),
        key: key.transpose()?,
        zone: r.form.required("AvailabilityZone")?.to_owned(),
        volume_type: r.form.get("VolumeType").unwrap_or("gp2").to_owned(),
        tags: r.tags_for("volume", &["volume"])?,
    };
    let arn = volume_arn(r, "*");
    r.permit_tagged(std::slice::from_ref(&arn), &[(arn.clone(), &new.tags)])?;
    let volume = create::volume(r.state, r.now, &r.place, new)?;
    Ok(r.respond(|x| write(x, &volume)))
}

/// `DescribeVolumes`.
pub fn describe(r: &mut Request<'_>) -> Result<String, ApiError> {
    let asked = r.form.list("VolumeId");
    let filters = Filters::parse(&r.form, FILTERS)?;
    let page = Page::parse(&r.form, 5..=1_000, r.state.settings.ec2.longest_page)?;
    r.permit(&["*".to_owned()])?;
    let site = r.state.ec2.get(&r.place);
    let has = |id: &str| site.is_some_and(|site| site.volumes.contains_key(id));
    if let Some(id) = asked.iter().find(|id| !has(id)) {
        return Err(errors::volume_not_found(id));
    }
    let volumes = site.into_iter().flat_map(|site| site.volumes.values());
    let wanted = volumes.filter(|volume| {
        (asked.is_empty() || asked.contains(&volume.id.as_str()))
            && page.after.as_deref().is_none_or(|after| volume.id.as_str() > after)
            && filters.hold(&volume.tags, |name| match name {
                "availability-zone" => vec![volume.zone.as_str()],
                "snapshot-id" => volume.snapshot.iter().map(SnapshotId::as_str).collect(),
                "status" => vec![STATUS],
                "volume-type" => vec![volume.volume_type.as_str()],
                _ => vec![volume.id.as_str()],
            })
    });
    let cut = page.cut(wanted, |volume| volume.id.clone());
    Ok(r.respond(|x| {
        x.element("volumeSet", |x| {
            for volume in &cut.items {
                x.element("item", |x| write(x, volume));
            }
        });
        x.maybe("nextToken", cut.next);
    }))
}

/// `DeleteVolume`; its snapshots stay.
pub fn delete(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = r.form.required("VolumeId")?.to_owned();
    r.permit(&[volume_arn(r, &id)])?;
    let site = r.state.ec2.get_mut(&r.place);
    match site.and_then(|site| site.volumes.remove(&id)) {
        Some(_) => Ok(r.done()),
        None => Err(errors::volume_not_found(&id)),
    }
}

fn write(x: &mut Xml, volume: &Volume) {
    // Operations per second and MiB/s of every gp3 volume (EBS User Guide, "General Purpose SSD").
    let baseline = (volume.volume_type == "gp3").then_some((3_000, 125));
    x.text("volumeId", &volume.id)
        .text("size", volume.size_gib)
        .text("snapshotId", volume.snapshot.as_ref().map_or("", |id| id.as_str()))
        .text("availabilityZone", &volume.zone)
        .text("status", STATUS)
        .text("createTime", written(volume.created))
        .text("volumeType", &volume.volume_type)
        .maybe("iops", baseline.map(|(operations, _)| operations))
        .maybe("throughput", baseline.map(|(_, rate)| rate))
        .text("encrypted", volume.key.is_some())
        .maybe("kmsKeyId", volume.key.as_ref())
        .text("multiAttachEnabled", false);
    write_tags(x, &volume.tags);
}

/// The ARN of a volume in this account and Region; `*` for those to be created.
pub(super) fn volume_arn(r: &Request<'_>, id: &str) -> String {
    let (account, region) = &r.place;
    format!("arn:aws:ec2:{region}:{account}:volume/{id}")
}

//! `DescribeSnapshots`, and the calls that make and delete snapshots.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::ids::{AccountId, SnapshotId};
use jiff::Timestamp;

use super::filter::Filters;
use super::page::Page;
use super::request::{Request, write_tags};
use super::volumes::volume_arn;
use crate::ec2::create;
use crate::ec2::errors;
use crate::ec2::image::Tags;
use crate::ec2::snapshot::{Snapshot, SnapshotState};
use crate::ec2::time::written;
use crate::wire::ApiError;
use crate::wire::form::Form;
use crate::wire::xml::Xml;

const FILTERS: &[&str] = &[
    "description",
    "encrypted",
    "owner-id",
    "snapshot-id",
    "status",
    "tag-key",
    "tag:",
    "volume-id",
    "volume-size",
];

/// Whether a `DescribeSnapshots` asks for everything at once; such calls have a bucket of their
/// own.
pub fn is_unbounded(form: &Form) -> bool {
    let bounds = ["SnapshotId.1", "Filter.1.Name", "MaxResults"];
    bounds.iter().all(|name| form.get(name).is_none())
}

/// `DescribeSnapshots`: the caller's own and those given to it; public ones of others by id only.
pub fn describe(r: &mut Request<'_>) -> Result<String, ApiError> {
    let asked: BTreeSet<SnapshotId> =
        r.form.list("SnapshotId").into_iter().map(errors::snapshot_id).collect::<Result<_, _>>()?;
    let filters = Filters::parse(&r.form, FILTERS)?;
    let page = Page::parse(&r.form, 5..=1_000, r.state.settings.ec2.longest_page)?;
    r.permit(&["*".to_owned()])?;
    let (account, region) = &r.place;
    let sites = r.state.ec2.iter().filter(|((_, other), _)| other == region);
    let seen: BTreeMap<&SnapshotId, &Snapshot> = sites
        .flat_map(|(_, site)| &site.snapshots)
        .filter(|(id, snapshot)| {
            snapshot.given_to(account) || (asked.contains(id) && snapshot.visible_to(account))
        })
        .collect();
    if let Some(id) = asked.iter().find(|id| !seen.contains_key(id)) {
        return Err(errors::snapshot_not_found(id));
    }
    let owners = r.form.list("Owner");
    let owner = |snapshot: &Snapshot| {
        owners.is_empty()
            || owners.iter().any(|owner| match *owner {
                "self" => snapshot.owner == *account,
                owner => snapshot.owner.as_str() == owner,
            })
    };
    let wanted = seen.into_values().filter(|snapshot| {
        let size = snapshot.size_gib.to_string();
        (asked.is_empty() || asked.contains(&snapshot.id))
            && owner(snapshot)
            && page.after.as_deref().is_none_or(|after| snapshot.id.as_str() > after)
            && filters.hold(tags_for(snapshot, account), |name| {
                vec![match name {
                    "description" => snapshot.description.as_str(),
                    "encrypted" if snapshot.key.is_some() => "true",
                    "encrypted" => "false",
                    "owner-id" => snapshot.owner.as_str(),
                    "snapshot-id" => snapshot.id.as_str(),
                    "status" => snapshot.state.as_str(),
                    "volume-size" => size.as_str(),
                    _ => snapshot.volume.as_str(),
                }]
            })
    });
    let cut = page.cut(wanted, |snapshot| snapshot.id.to_string());
    Ok(r.respond(|x| {
        x.element("snapshotSet", |x| {
            for snapshot in &cut.items {
                x.element("item", |x| write(x, snapshot, account, r.now));
            }
        });
        x.maybe("nextToken", cut.next);
    }))
}

/// A snapshot's tags are its owner's; other accounts do not see them.
fn tags_for<'a>(snapshot: &'a Snapshot, account: &AccountId) -> &'a Tags {
    const NONE: &Tags = &Tags::new();
    if snapshot.owner == *account { &snapshot.tags } else { NONE }
}

fn write(x: &mut Xml, snapshot: &Snapshot, account: &AccountId, now: Timestamp) {
    x.text("snapshotId", &snapshot.id)
        .text("volumeId", &snapshot.volume)
        .text("status", snapshot.state.as_str());
    match &snapshot.state {
        SnapshotState::Pending { .. } => {}
        SnapshotState::Completed { at } => {
            x.text("completionTime", written(*at));
        }
        SnapshotState::Error { message } => {
            x.text("statusMessage", message);
        }
    }
    x.text("startTime", written(snapshot.started))
        .text("progress", format_args!("{}%", snapshot.progress(now)))
        .text("ownerId", &snapshot.owner)
        .text("volumeSize", snapshot.size_gib)
        .text("description", &snapshot.description)
        .text("encrypted", snapshot.key.is_some())
        .maybe("kmsKeyId", snapshot.key.as_ref())
        .text("storageTier", "standard");
    write_tags(x, tags_for(snapshot, account));
}

/// `CreateSnapshot`.
pub fn create(r: &mut Request<'_>) -> Result<String, ApiError> {
    let volume = r.form.required("VolumeId")?.to_owned();
    let description = r.form.get("Description").unwrap_or_default().to_owned();
    let tags = r.tags_for("snapshot", &["snapshot"])?;
    let snapshot = r.snapshot_arn("*");
    let resources = [volume_arn(r, &volume), snapshot.clone()];
    r.permit_tagged(&resources, &[(snapshot, &tags)])?;
    let made = create::snapshot(r.state, r.now, &r.place, &volume, description, tags)?;
    Ok(r.respond(|x| write(x, &made, &r.place.0, r.now)))
}

/// `DeleteSnapshot`.
pub fn delete(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = errors::snapshot_id(r.form.required("SnapshotId")?)?;
    r.permit(&[r.snapshot_arn(id.as_str())])?;
    create::delete_snapshot(r.state, &r.place, &id)?;
    Ok(r.done())
}

//! Asks EC2 what uses images and snapshots.

use amiferry_core::fault::Fault;
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::model::Image;
use amiferry_core::names::tag;
use amiferry_core::ports::{ImageUse, Listing, OwnSnapshot, Unreadable};
use async_trait::async_trait;
use aws_sdk_ec2::types;

use super::{Ec2Images, filter, next, translate};
use crate::call::Call;
use crate::item::{Why, missing, number, parsed, text};
use crate::time::timestamp;

/// Snapshots of one page.
const PAGE: i32 = 500;

#[async_trait]
impl ImageUse for Ec2Images {
    async fn references(&self, id: &ImageId) -> Result<Listing<String>, Fault> {
        let call = Call::new("ec2:DescribeImageReferences", id.as_str());
        let mut references = Listing::default();
        let mut token = None;
        loop {
            let request = self
                .queries()
                .describe_image_references()
                .image_ids(id.as_str())
                .include_all_resource_types(true)
                .set_next_token(token.take());
            let answer = self.session.send(&call, request.send()).await?;
            let found = answer.image_references.unwrap_or_default().into_iter();
            references.extend(found.map(|reference| {
                let arn = text("arn", reference.arn.as_deref()).map(str::to_owned);
                arn.map_err(|why| Unreadable::new(reference.image_id.as_deref(), &why))
            }));
            token = next(answer.next_token);
            if token.is_none() {
                return Ok(references);
            }
        }
    }

    async fn made_of(&self, ids: &[SnapshotId]) -> Result<Listing<Image>, Fault> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        self.images_where("block-device-mapping.snapshot-id", &ids, translate::image).await
    }

    async fn own_snapshots(&self) -> Result<Listing<OwnSnapshot>, Fault> {
        let call = self.call("ec2:DescribeSnapshots");
        let mut snapshots = Listing::default();
        let mut token = None;
        loop {
            let request = self
                .sweeps()
                .describe_snapshots()
                .owner_ids(self.account.as_str())
                .filters(filter(&format!("tag:{}", tag::MANAGED), &["true".to_owned()]))
                .max_results(PAGE)
                .set_next_token(token.take());
            let answer = self.session.send(&call, request.send()).await?;
            let found = answer.snapshots.unwrap_or_default().into_iter();
            snapshots.extend(found.map(own_snapshot));
            token = next(answer.next_token);
            if token.is_none() {
                return Ok(snapshots);
            }
        }
    }
}

fn own_snapshot(snapshot: types::Snapshot) -> Result<OwnSnapshot, Unreadable> {
    let id = snapshot.snapshot_id.clone();
    let read = || -> Result<OwnSnapshot, Why> {
        let started = snapshot.start_time.as_ref().and_then(timestamp);
        Ok(OwnSnapshot {
            id: parsed("snapshotId", snapshot.snapshot_id.as_deref())?,
            started: started.ok_or_else(|| missing("startTime"))?,
            size_gib: number("volumeSize", snapshot.volume_size)?.unwrap_or_default(),
        })
    };
    read().map_err(|why| Unreadable::new(id.as_deref(), &why))
}

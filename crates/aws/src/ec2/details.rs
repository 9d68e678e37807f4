//! Asks EC2 about snapshots and launch permissions.

use amiferry_core::fault::Fault;
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::model::Snapshot;
use amiferry_core::ports::{ImageDetails, Listing};
use async_trait::async_trait;
use aws_sdk_ec2::types::ImageAttributeName;

use super::{Ec2Images, FILTER_VALUES, few, filter, next, translate};
use crate::call::Call;

#[async_trait]
impl ImageDetails for Ec2Images {
    async fn snapshots(&self, ids: &[SnapshotId]) -> Result<Listing<Snapshot>, Fault> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let mut snapshots = Listing::default();
        for chunk in ids.chunks(FILTER_VALUES) {
            let call = Call::new("ec2:DescribeSnapshots", few(chunk));
            let mut token = None;
            loop {
                let request = self
                    .queries
                    .describe_snapshots()
                    .filters(filter("snapshot-id", chunk))
                    .set_next_token(token.take());
                let answer = self.session.send(&call, request.send()).await?;
                let found = answer.snapshots.unwrap_or_default().into_iter();
                snapshots.extend(found.map(translate::snapshot));
                token = next(answer.next_token);
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(snapshots)
    }

    async fn launch_permissions(&self, id: &ImageId) -> Result<Listing<String>, Fault> {
        let call = Call::new("ec2:DescribeImageAttribute", id.as_str());
        let request = self
            .queries
            .describe_image_attribute()
            .image_id(id.as_str())
            .attribute(ImageAttributeName::LaunchPermission);
        let answer = self.session.send(&call, request.send()).await?;
        let given = answer.launch_permissions.unwrap_or_default().into_iter();
        Ok(given.map(translate::permission).collect())
    }

    async fn has_uefi_data(&self, id: &ImageId) -> Result<bool, Fault> {
        let call = Call::new("ec2:DescribeImageAttribute", id.as_str());
        let request = self
            .queries
            .describe_image_attribute()
            .image_id(id.as_str())
            .attribute(ImageAttributeName::UefiData);
        let answer = self.session.send(&call, request.send()).await?;
        let value = answer.uefi_data.and_then(|data| data.value);
        Ok(value.is_some_and(|value| !value.is_empty()))
    }
}

//! Asks EC2 what uses images and snapshots.

use amiferry_core::fault::Fault;
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::model::Image;
use amiferry_core::ports::{ImageUse, Listing, Unreadable};
use async_trait::async_trait;

use super::{Ec2Images, next, translate};
use crate::call::Call;
use crate::item::text;

#[async_trait]
impl ImageUse for Ec2Images {
    async fn references(&self, id: &ImageId) -> Result<Listing<String>, Fault> {
        let call = Call::new("ec2:DescribeImageReferences", id.as_str());
        let mut references = Listing::default();
        let mut token = None;
        loop {
            let request = self
                .queries
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
}

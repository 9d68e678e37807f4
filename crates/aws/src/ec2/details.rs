//! Asks EC2 about snapshots, launch permissions and UEFI data.

use std::time::Duration;

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::model::Snapshot;
use amiferry_core::ports::{ImageDetails, Listing};
use async_trait::async_trait;
use aws_sdk_ec2::operation::describe_image_attribute::DescribeImageAttributeOutput;
use aws_sdk_ec2::types::ImageAttributeName;
use backon::{ConstantBuilder, Retryable};

use super::{Ec2Images, FILTER_VALUES, few, filter, next, translate};
use crate::call::Call;

/// The least time after which a question about one image that was throttled is asked again; at most
/// twice as long.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How often it is asked again: for half a minute.
const AGAIN: usize = 40;

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
                    .queries()
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
        let answer = self.attribute(id, ImageAttributeName::LaunchPermission).await?;
        let given = answer.launch_permissions.unwrap_or_default().into_iter();
        Ok(given.map(translate::permission).collect())
    }

    async fn has_uefi_data(&self, id: &ImageId) -> Result<bool, Fault> {
        let answer = self.attribute(id, ImageAttributeName::UefiData).await?;
        let value = answer.uefi_data.and_then(|data| data.value);
        Ok(value.is_some_and(|value| !value.is_empty()))
    }
}

impl Ec2Images {
    /// Asks about one image. EC2 answers 100 such questions at once and then 20 a second (EC2
    /// Developer Guide, *Request throttling*), and a look or an audit has one or two for each image:
    /// those that it puts off ask again.
    async fn attribute(
        &self,
        id: &ImageId,
        name: ImageAttributeName,
    ) -> Result<DescribeImageAttributeOutput, Fault> {
        let call = Call::new("ec2:DescribeImageAttribute", id.as_str());
        let request = self.attributes().describe_image_attribute().image_id(id.as_str());
        let request = request.attribute(name);
        let ask = || self.session.send(&call, request.clone().send());
        let again = ConstantBuilder::new().with_delay(AGAIN_AFTER).with_jitter();
        ask.retry(again.with_max_times(AGAIN))
            .when(|fault| fault.class == FaultClass::Throttled)
            .await
    }
}

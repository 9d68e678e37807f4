//! Turns on deregistration protection, and makes images require IMDSv2.

use amiferry_core::fault::Fault;
use amiferry_core::ids::ImageId;
use amiferry_core::ports::ImageProtection;
use async_trait::async_trait;
use aws_sdk_ec2::types::AttributeValue;

use super::Ec2Images;
use crate::call::Call;

#[async_trait]
impl ImageProtection for Ec2Images {
    async fn protect(&self, id: &ImageId, with_cooldown: bool) -> Result<(), Fault> {
        let call = Call::new("ec2:EnableImageDeregistrationProtection", id.as_str());
        let sent = self
            .queries()
            .enable_image_deregistration_protection()
            .image_id(id.as_str())
            .with_cooldown(with_cooldown)
            .send();
        // What the answer says is not the proof; the next `DescribeImages` is.
        self.session.send(&call, sent).await.map(drop)
    }

    async fn demand_imds_v2(&self, id: &ImageId) -> Result<(), Fault> {
        let call = Call::new("ec2:ModifyImageAttribute", id.as_str());
        let v2 = AttributeValue::builder().value("v2.0").build();
        let sent =
            self.queries().modify_image_attribute().image_id(id.as_str()).imds_support(v2).send();
        self.session.send(&call, sent).await.map(drop)
    }
}

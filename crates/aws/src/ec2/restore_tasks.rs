//! Starts restore tasks, and asks which key their snapshots get.

use amiferry_core::fault::Fault;
use amiferry_core::ids::{Arn, BucketName, ImageId};
use amiferry_core::model::Tags;
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{RestoreRequest, RestoreTasks};
use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

use super::{Ec2Images, allowed, translate};
use crate::call::Call;

impl Ec2Images {
    /// Whether EC2 would let the caller restore an image from a bucket, by DryRun: it checks
    /// permissions and begins nothing (EC2 API, `CreateRestoreImageTask`).
    ///
    /// # Errors
    /// `Denied` where it would not; any other fault says nothing about it.
    pub async fn may_restore(&self, bucket: &BucketName, prefix: &str) -> Result<(), Fault> {
        let call = Call::task("ec2:CreateRestoreImageTask", bucket.as_str());
        let sent = self
            .effects()
            .create_restore_image_task()
            .bucket(bucket.as_str())
            .object_key(format!("{prefix}/amiferry-check.bin"))
            .name("amiferry-check")
            .dry_run(true)
            .send();
        allowed(self.session.send(&call, sent).await)
    }
}

#[async_trait]
impl RestoreTasks for Ec2Images {
    async fn start_restore(&self, request: &RestoreRequest) -> Result<ImageId, Fault> {
        let resource = format!("{}/{} as {}", request.bucket, request.key, request.name);
        let call = Call::task("ec2:CreateRestoreImageTask", resource);
        let specifications = [
            (ResourceType::Image, &request.image_tags),
            (ResourceType::Snapshot, &request.snapshot_tags),
        ];
        let specifications = specifications
            .into_iter()
            .take(if has(Bug::SnapshotTagsDropped) { 1 } else { 2 })
            .filter(|(_, tags)| !tags.is_empty())
            .map(|(kind, tags)| specification(kind, tags));
        let sent = self
            .effects()
            .create_restore_image_task()
            .bucket(request.bucket.as_str())
            .object_key(request.key.as_str())
            .name(&request.name)
            .set_tag_specifications(Some(specifications.collect()))
            .send();
        let answer = self.session.send(&call, sent).await?;
        let id = answer.image_id.ok_or_else(|| call.unproven("imageId"))?;
        id.parse().map_err(|_| call.unexpected("imageId", Some(&id)))
    }

    async fn default_encryption(&self) -> Result<Option<Arn>, Fault> {
        let call = self.call("ec2:GetEbsEncryptionByDefault");
        let request = self.queries().get_ebs_encryption_by_default();
        let answer = self.session.send(&call, request.send()).await?;
        let on = answer
            .ebs_encryption_by_default
            .ok_or_else(|| call.unexpected("ebsEncryptionByDefault", None))?;
        if !on {
            return Ok(None);
        }
        let call = self.call("ec2:GetEbsDefaultKmsKeyId");
        let request = self.queries().get_ebs_default_kms_key_id();
        let answer = self.session.send(&call, request.send()).await?;
        let key = answer.kms_key_id.ok_or_else(|| call.unexpected("kmsKeyId", None))?;
        let arn = translate::key_arn(&key, self.session.region(), &self.account);
        arn.map(Some).ok_or_else(|| call.unexpected("kmsKeyId", Some(&key)))
    }
}

fn specification(kind: ResourceType, tags: &Tags) -> TagSpecification {
    let tags =
        tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

//! Starts store and restore tasks, follows them, and turns deregistration protection on.

use amiferry_core::fault::Fault;
use amiferry_core::ids::ImageId;
use amiferry_core::model::{StoreTask, Tags};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{RestoreRequest, StoreRequest};
use aws_sdk_ec2::types::{AttributeValue, ResourceType, S3ObjectTag, TagSpecification};

use super::describe::few;
use super::{Ec2Images, filter, next, tag, translate};
use crate::call::Call;

/// Image ids of one `DescribeStoreImageTasks`.
const TASK_IDS: usize = 20;
/// Tasks of one page; not allowed together with ids.
const PAGE: i32 = 200;

impl Ec2Images {
    pub(super) async fn create_store(&self, request: &StoreRequest) -> Result<String, Fault> {
        let call = Call::task("ec2:CreateStoreImageTask", request.image.as_str());
        let bucket = match request.path.trim_matches('/') {
            "" => request.bucket.as_str().to_owned(),
            path => format!("{}/{path}", request.bucket),
        };
        let tags = request
            .tags
            .iter()
            .map(|(key, value)| S3ObjectTag::builder().key(key).value(value).build());
        let sent = self
            .effects
            .create_store_image_task()
            .image_id(request.image.as_str())
            .bucket(bucket)
            .set_s3_object_tags(Some(tags.collect()))
            .send();
        let answer = self.session.send(&call, sent).await?;
        answer.object_key.filter(|key| !key.is_empty()).ok_or_else(|| call.unproven("objectKey"))
    }

    pub(super) async fn create_restore(&self, request: &RestoreRequest) -> Result<ImageId, Fault> {
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
            .effects
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

    pub(super) async fn running_tasks(&self) -> Result<Vec<StoreTask>, Fault> {
        let call = self.call("ec2:DescribeStoreImageTasks");
        let running = filter("task-state", &["InProgress".to_owned()]);
        let (mut tasks, mut token) = (Vec::new(), None);
        loop {
            let sent = self
                .queries
                .describe_store_image_tasks()
                .filters(running.clone())
                .max_results(PAGE)
                .set_next_token(token.take())
                .send();
            let answer = self.session.send(&call, sent).await?;
            for task in answer.store_image_task_results.unwrap_or_default() {
                tasks.push(translate::store_task(&call, task)?);
            }
            token = next(answer.next_token);
            if token.is_none() {
                return Ok(tasks);
            }
        }
    }

    pub(super) async fn tasks_of(&self, ids: &[ImageId]) -> Result<Vec<StoreTask>, Fault> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let mut tasks = Vec::new();
        for chunk in ids.chunks(TASK_IDS) {
            let call = Call::new("ec2:DescribeStoreImageTasks", few(chunk));
            let mut token = None;
            loop {
                let sent = self
                    .queries
                    .describe_store_image_tasks()
                    .set_image_ids(Some(chunk.to_vec()))
                    .set_next_token(token.take())
                    .send();
                let answer = self.session.send(&call, sent).await?;
                for task in answer.store_image_task_results.unwrap_or_default() {
                    tasks.push(translate::store_task(&call, task)?);
                }
                token = next(answer.next_token);
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(tasks)
    }

    pub(super) async fn enable_protection(
        &self,
        id: &ImageId,
        with_cooldown: bool,
    ) -> Result<(), Fault> {
        let call = Call::new("ec2:EnableImageDeregistrationProtection", id.as_str());
        let sent = self
            .queries
            .enable_image_deregistration_protection()
            .image_id(id.as_str())
            .with_cooldown(with_cooldown)
            .send();
        // What the answer says is not the proof; the next `DescribeImages` is.
        self.session.send(&call, sent).await.map(drop)
    }

    pub(super) async fn set_imds_v2(&self, id: &ImageId) -> Result<(), Fault> {
        let call = Call::new("ec2:ModifyImageAttribute", id.as_str());
        let v2 = AttributeValue::builder().value("v2.0").build();
        let sent =
            self.queries.modify_image_attribute().image_id(id.as_str()).imds_support(v2).send();
        self.session.send(&call, sent).await.map(drop)
    }
}

fn specification(kind: ResourceType, tags: &Tags) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| tag(key, value)).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

//! Starts store tasks and follows them.

use amiferry_core::fault::Fault;
use amiferry_core::ids::{BucketName, ImageId};
use amiferry_core::model::StoreTask;
use amiferry_core::ports::{Listing, StoreRequest, StoreTasks};
use async_trait::async_trait;
use aws_sdk_ec2::operation::describe_store_image_tasks::builders::DescribeStoreImageTasksFluentBuilder;
use aws_sdk_ec2::types::S3ObjectTag;

use super::{Ec2Images, allowed, few, filter, next, translate};
use crate::call::Call;

/// Image ids of one `DescribeStoreImageTasks`.
const TASK_IDS: usize = 20;
/// Tasks of one page; not allowed together with ids.
const PAGE: i32 = 200;

impl Ec2Images {
    async fn read_pages(
        &self,
        call: &Call,
        query: DescribeStoreImageTasksFluentBuilder,
        tasks: &mut Listing<StoreTask>,
    ) -> Result<(), Fault> {
        let mut token = None;
        loop {
            let sent = query.clone().set_next_token(token.take()).send();
            let answer = self.session.send(call, sent).await?;
            let found = answer.store_image_task_results.unwrap_or_default().into_iter();
            tasks.extend(found.map(translate::store_task));
            token = next(answer.next_token);
            if token.is_none() {
                return Ok(());
            }
        }
    }
}

impl Ec2Images {
    /// Whether EC2 would let the caller store an image, by DryRun: it checks permissions and begins
    /// nothing (EC2 API, `CreateStoreImageTask`).
    ///
    /// # Errors
    /// `Denied` where it would not; any other fault says nothing about it.
    pub async fn may_store(
        &self,
        image: &ImageId,
        bucket: &BucketName,
        path: &str,
    ) -> Result<(), Fault> {
        let call = Call::task("ec2:CreateStoreImageTask", image.as_str());
        let sent = self
            .effects()
            .create_store_image_task()
            .image_id(image.as_str())
            .bucket(format!("{bucket}/{path}"))
            .dry_run(true)
            .send();
        allowed(self.session.send(&call, sent).await)
    }
}

#[async_trait]
impl StoreTasks for Ec2Images {
    async fn running(&self) -> Result<Listing<StoreTask>, Fault> {
        let call = self.call("ec2:DescribeStoreImageTasks");
        let running = filter("task-state", &["InProgress".to_owned()]);
        let query = self.queries().describe_store_image_tasks().filters(running).max_results(PAGE);
        let mut tasks = Listing::default();
        self.read_pages(&call, query, &mut tasks).await?;
        Ok(tasks)
    }

    async fn newest(&self, ids: &[ImageId]) -> Result<Listing<StoreTask>, Fault> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let mut tasks = Listing::default();
        for chunk in ids.chunks(TASK_IDS) {
            let call = Call::new("ec2:DescribeStoreImageTasks", few(chunk));
            let query = self.queries().describe_store_image_tasks();
            let query = query.set_image_ids(Some(chunk.to_vec()));
            self.read_pages(&call, query, &mut tasks).await?;
        }
        Ok(tasks)
    }

    async fn start_store(&self, request: &StoreRequest) -> Result<String, Fault> {
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
            .effects()
            .create_store_image_task()
            .image_id(request.image.as_str())
            .bucket(bucket)
            .set_s3_object_tags(Some(tags.collect()))
            .send();
        let answer = self.session.send(&call, sent).await?;
        answer.object_key.filter(|key| !key.is_empty()).ok_or_else(|| call.unproven("objectKey"))
    }
}

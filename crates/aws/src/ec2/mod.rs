//! EC2 of one account and Region: images, snapshots, store and restore tasks.
//!
//! `describe` asks, `task` starts and follows store and restore tasks, `translate` turns the
//! SDK's shapes into the core's.

mod describe;
mod task;
mod translate;

use amiferry_core::fault::Fault;
use amiferry_core::ids::{AccountId, Arn, ImageId, SnapshotId};
use amiferry_core::model::{Image, Snapshot, StoreTask};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{Images, RestoreRequest, StoreRequest};
use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Tag};
use aws_smithy_types::retry::RetryConfig;

use crate::call::Call;
use crate::client::Session;

/// Images of one account in the Region of a session.
#[derive(Debug, Clone)]
pub struct Ec2Images {
    session: Session,
    account: AccountId,
    queries: Client,
    /// Pages through the whole account, on a budget of retries that looks do not depend on.
    sweeps: Client,
    /// Makes one attempt only: the create calls have no client token, so after a lost answer the
    /// caller has to look before anyone repeats.
    effects: Client,
}

impl Ec2Images {
    /// The images that `account` owns, as `session` sees them.
    pub fn new(session: &Session, account: AccountId) -> Self {
        let once = RetryConfig::standard().with_max_attempts(1);
        Self {
            queries: Client::from_conf(session.ec2("describe").build()),
            sweeps: Client::from_conf(session.ec2("sweep").build()),
            effects: Client::from_conf(session.ec2("tasks").retry_config(once).build()),
            session: session.clone(),
            account,
        }
    }

    /// A call about all of the account and Region.
    fn call(&self, operation: &'static str) -> Call {
        Call::new(operation, format!("{} in {}", self.account, self.session.region()))
    }
}

#[async_trait]
impl Images for Ec2Images {
    async fn describe(&self, ids: &[ImageId]) -> Result<Vec<Image>, Fault> {
        self.images_where("image-id", ids.iter().map(|id| id.as_str().to_owned())).await
    }

    async fn named(&self, names: &[String]) -> Result<Vec<Image>, Fault> {
        self.images_where("name", names.iter().map(|name| describe::escaped(name))).await
    }

    async fn pending(&self) -> Result<Vec<Image>, Fault> {
        self.images_where("state", std::iter::once("pending".to_owned())).await
    }

    async fn page(&self, token: Option<String>) -> Result<(Vec<Image>, Option<String>), Fault> {
        self.image_page(token).await
    }

    async fn snapshots(&self, ids: &[SnapshotId]) -> Result<Vec<Snapshot>, Fault> {
        self.snapshots_by_id(ids).await
    }

    async fn launch_permissions(&self, id: &ImageId) -> Result<Vec<String>, Fault> {
        self.permissions(id).await
    }

    async fn running_store_tasks(&self) -> Result<Vec<StoreTask>, Fault> {
        self.running_tasks().await
    }

    async fn store_tasks(&self, ids: &[ImageId]) -> Result<Vec<StoreTask>, Fault> {
        self.tasks_of(ids).await
    }

    async fn start_store(&self, request: &StoreRequest) -> Result<String, Fault> {
        self.create_store(request).await
    }

    async fn start_restore(&self, request: &RestoreRequest) -> Result<ImageId, Fault> {
        self.create_restore(request).await
    }

    async fn protect(&self, id: &ImageId, with_cooldown: bool) -> Result<(), Fault> {
        self.enable_protection(id, with_cooldown).await
    }

    async fn demand_imds_v2(&self, id: &ImageId) -> Result<(), Fault> {
        self.set_imds_v2(id).await
    }

    async fn default_encryption(&self) -> Result<Option<Arn>, Fault> {
        self.default_key().await
    }
}

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// The token of the next page. EC2 ends a series with an absent or an empty one.
fn next(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty() && !has(Bug::FirstPageOnly))
}

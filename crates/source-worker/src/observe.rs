//! Observes many images of the source with few calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amiferry_core::event::SourceScope;
use amiferry_core::fault::Fault;
use amiferry_core::ids::{BucketName, ImageId};
use amiferry_core::model::{Image, StoreTask, StoredObject};
use amiferry_core::names::{self, VaultId};
use amiferry_core::policy::Policies;
use amiferry_core::ports::{Images, Objects, StoreTasks};
use futures::{StreamExt, stream};

/// How many `HeadObject` calls run at once: S3 allows thousands a second on a prefix, our own
/// sockets are what is spared.
const HEADS_IN_FLIGHT: usize = 16;

/// One vault as its source sees it: the keys under the source's own prefix, and nothing else.
#[derive(Clone)]
pub struct VaultView {
    /// Which vault.
    pub id: VaultId,
    /// Its bucket.
    pub bucket: BucketName,
    /// The prefix of all keys in it.
    pub prefix: String,
    /// S3 of the vault's Region, with the source's credentials.
    pub objects: Arc<dyn Objects>,
}

/// Where a source's facts come from.
#[derive(Clone)]
pub struct Observer {
    /// The source, as configured.
    pub scope: SourceScope,
    /// What is protected.
    pub policies: Policies,
    /// The images of the source.
    pub images: Arc<dyn Images>,
    /// What stores them.
    pub store_tasks: Arc<dyn StoreTasks>,
    /// S3 of the source's Region.
    pub objects: Arc<dyn Objects>,
    /// Every vault that copies this source.
    pub vaults: Vec<VaultView>,
}

/// What AWS said in one round.
#[derive(Debug, Default)]
pub struct Round {
    /// The images that were asked for and those with a task in progress.
    pub images: BTreeMap<ImageId, Image>,
    /// All store tasks in progress in the account and Region, whoever started them.
    pub running: Vec<StoreTask>,
    /// The newest task into our staging key, for images that have neither object nor running task.
    pub ended: BTreeMap<ImageId, StoreTask>,
    /// The staged objects.
    pub staged: BTreeMap<ImageId, StoredObject>,
    /// The images whose staged object could not be asked for.
    pub silent: BTreeMap<ImageId, Fault>,
}

impl Round {
    /// The newest task into our staging bucket.
    pub fn task(&self, id: &ImageId, scope: &SourceScope) -> Option<&StoreTask> {
        self.running
            .iter()
            .find(|task| task.image == *id && is_ours(task, scope))
            .or_else(|| self.ended.get(id))
    }

    /// The tasks in progress as the store quota counts them, in GB: ours with their image, others
    /// without. A task whose image is not shown counts nothing, because its size is not to be had.
    pub fn in_progress(&self, scope: &SourceScope) -> Vec<(Option<ImageId>, u64)> {
        let size = |task: &StoreTask| self.images.get(&task.image).map(Image::size_gib);
        let entry = |task: &StoreTask| {
            let ours = is_ours(task, scope).then(|| task.image.clone());
            size(task).map(|size| (ours, size))
        };
        self.running.iter().filter_map(entry).collect()
    }
}

impl Observer {
    /// The images among `ids` and the store tasks in progress: two calls for up to 200 images.
    ///
    /// # Errors
    /// The first call that failed; nothing was changed.
    pub async fn observe(&self, ids: &[ImageId]) -> Result<Round, Fault> {
        let running = self.store_tasks.running().await?;
        let asked: BTreeSet<&ImageId> =
            ids.iter().chain(running.iter().map(|task| &task.image)).collect();
        let asked: Vec<ImageId> = asked.into_iter().cloned().collect();
        let images = self.images.describe(&asked).await?;
        let images: BTreeMap<ImageId, Image> =
            images.into_iter().map(|image| (image.id.clone(), image)).collect();
        Ok(Round { images, running, ..Round::default() })
    }

    /// What became of `ids`, which are eligible and have no task in progress: one `HeadObject`
    /// for each, and one more call for every 20 without an object.
    ///
    /// # Errors
    /// The first call about many that failed; nothing was changed.
    pub async fn observe_ended(&self, round: &mut Round, ids: &[ImageId]) -> Result<(), Fault> {
        self.staged(round, ids).await;
        let known = |id: &&ImageId| round.staged.contains_key(id) || round.silent.contains_key(id);
        let others: Vec<ImageId> = ids.iter().filter(|id| !known(id)).cloned().collect();
        if !others.is_empty() {
            let tasks = self.store_tasks.newest(&others).await?;
            let ours = tasks.into_iter().filter(|task| is_ours(task, &self.scope));
            round.ended = ours.map(|task| (task.image.clone(), task)).collect();
        }
        Ok(())
    }

    /// All images that have a staged object, one call for every 1,000.
    ///
    /// # Errors
    /// A page that could not be had.
    pub async fn all_staged(&self) -> Result<BTreeSet<ImageId>, Fault> {
        let SourceScope { account, region, staging_bucket, staging_prefix } = &self.scope;
        let prefix = format!("{}/", names::staging_path(staging_prefix, region));
        let mut staged = BTreeSet::new();
        let mut token = None;
        loop {
            let (keys, next) = self.objects.list(account, staging_bucket, &prefix, token).await?;
            staged.extend(keys.iter().filter_map(|key| self.scope.image_of(key)));
            token = next;
            if token.is_none() {
                return Ok(staged);
            }
        }
    }

    /// What a vault shows of this source: the images whose object and manifest both lie there, and
    /// of which no later record says that they are lost. One call for every 1,000 keys.
    ///
    /// # Errors
    /// A page that could not be had, most often because the vault bucket's policy does not let the
    /// source list its own prefix.
    pub async fn complete_in(&self, vault: &VaultView) -> Result<BTreeSet<ImageId>, Fault> {
        let SourceScope { account, region, .. } = &self.scope;
        let prefix = format!("{}{account}/{region}/", names::folder(&vault.prefix));
        let mut kept = names::Kept::default();
        let mut token = None;
        loop {
            let owner = &vault.id.account;
            let (keys, next) = vault.objects.list(owner, &vault.bucket, &prefix, token).await?;
            for key in &keys {
                if let Some((id, entry)) = names::vault_entry(&vault.prefix, &vault.id, key) {
                    kept.add(id.source_image_id, entry);
                }
            }
            token = next;
            if token.is_none() {
                return Ok(kept.complete());
            }
        }
    }

    async fn staged(&self, round: &mut Round, ids: &[ImageId]) {
        let heads = ids.iter().map(|id| async move {
            let key = self.scope.staged_key(id);
            let (owner, bucket) = (&self.scope.account, &self.scope.staging_bucket);
            (id.clone(), self.objects.head(owner, bucket, &key).await)
        });
        // Collected first: a lazy iterator of borrowing futures is not general enough for Send.
        let heads: Vec<_> = heads.collect();
        let mut heads = stream::iter(heads).buffered(HEADS_IN_FLIGHT);
        while let Some((id, answer)) = heads.next().await {
            match answer {
                Ok(Some(object)) => drop(round.staged.insert(id, object)),
                Ok(None) => {}
                Err(fault) => drop(round.silent.insert(id, fault)),
            }
        }
    }
}

/// Whether a task writes to our staging key. What `bucket` shows for a path is undocumented, so
/// the bare name and the path form both count.
fn is_ours(task: &StoreTask, scope: &SourceScope) -> bool {
    let bucket = task.bucket.split('/').next().unwrap_or_default();
    bucket == scope.staging_bucket.as_str() && task.key == scope.staged_key(&task.image).as_str()
}

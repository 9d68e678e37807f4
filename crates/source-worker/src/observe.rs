//! Observes many images of the source with few calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amiferry_core::event::SourceScope;
use amiferry_core::fault::Fault;
use amiferry_core::fleet::source::Holding;
use amiferry_core::ids::{BucketName, ImageId};
use amiferry_core::manifest::Note;
use amiferry_core::model::{Image, StoreTask, StoreTaskState, StoredObject};
use amiferry_core::names::{self, VaultId, tag};
use amiferry_core::policy::Policies;
use amiferry_core::ports::{
    Images, ListedObject, Listing, NewUpload, Objects, StoreRequest, StoreTasks, Unreadable,
};
use amiferry_service::unreadable::{Pages, UnreadableItems};
use futures::{StreamExt, stream};

/// How many `HeadObject` calls run at once. S3 allows thousands a second on a prefix; the limit
/// saves the worker's own sockets.
const HEADS_IN_FLIGHT: usize = 16;

/// One vault as its source sees it: the keys under the source's own prefix, and nothing else.
#[derive(Clone)]
pub struct VaultView {
    /// Which vault.
    pub id: VaultId,
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
    /// All store tasks in progress in the account and Region, not only the worker's own.
    pub running: Vec<StoreTask>,
    /// The newest task into our staging key, of images that were asked for by id.
    pub ended: BTreeMap<ImageId, StoreTask>,
    /// The newest task of those images that is not one into our staging key.
    pub others: BTreeMap<ImageId, StoreTask>,
    /// The staged objects.
    pub staged: BTreeMap<ImageId, StoredObject>,
    /// The images about which a call failed or an answer could not be read.
    pub silent: BTreeMap<ImageId, Fault>,
    /// The tasks in progress that could not be read, by their images where they say which.
    pub unread_tasks: Vec<Unreadable>,
}

impl Round {
    /// The newest task into our staging bucket.
    pub fn task(&self, id: &ImageId, scope: &SourceScope) -> Option<&StoreTask> {
        self.running
            .iter()
            .find(|task| task.image == *id && is_ours(task, scope))
            .or_else(|| self.ended.get(id))
    }

    /// The newest task that EC2 lists instead: into another bucket, or under another key.
    pub fn other(&self, id: &ImageId, scope: &SourceScope) -> Option<&StoreTask> {
        self.running
            .iter()
            .find(|task| task.image == *id && !is_ours(task, scope))
            .or_else(|| self.others.get(id))
    }

    /// The tasks in progress as the store quota counts them, in GB: ours with their image, others
    /// without. A task of unknown size, whose image EC2 does not show, counts nothing.
    pub fn in_progress(
        &self,
        scope: &SourceScope,
        known: impl Fn(&ImageId) -> Option<u64>,
    ) -> Vec<(Option<ImageId>, u64)> {
        let size = |id: &ImageId| self.images.get(id).map(Image::size_gib).or_else(|| known(id));
        let read = self.running.iter().filter_map(|task| {
            let ours = is_ours(task, scope).then(|| task.image.clone());
            Some((ours, size(&task.image)?))
        });
        let unread = ids_of(&self.unread_tasks).filter_map(|id| Some((None, size(&id)?)));
        read.chain(unread).collect()
    }
}

impl Observer {
    /// The store tasks in progress, if they are to be `listed`, and the images that matter, in two
    /// calls for up to 200 images: those among `ids` that are not being stored, and those of tasks
    /// whose sizes are not known.
    ///
    /// # Errors
    /// The first call that failed; nothing was changed.
    pub async fn observe(
        &self,
        ids: &[ImageId],
        listed: bool,
        known: &(dyn Fn(&ImageId) -> Option<u64> + Sync),
    ) -> Result<Round, Fault> {
        let Listing { items: running, unreadable } = match listed {
            true => self.store_tasks.running().await?,
            false => Listing::default(),
        };
        let ours = running.iter().filter(|task| is_ours(task, &self.scope));
        let stored: BTreeSet<&ImageId> = ours.map(|task| &task.image).collect();
        let others = running.iter().map(|task| task.image.clone()).chain(ids_of(&unreadable));
        let asked: BTreeSet<ImageId> = ids
            .iter()
            .filter(|id| !stored.contains(id))
            .cloned()
            .chain(others.filter(|id| known(id).is_none()))
            .collect();
        let asked: Vec<ImageId> = asked.into_iter().collect();
        let images = match asked.is_empty() {
            true => Listing::default(),
            false => self.images.describe(&asked).await?,
        };
        let mut round = Round { running, silent: unread(&unreadable), ..Round::default() };
        round.unread_tasks = unreadable;
        for (id, image) in images.by_id(&asked, |image| image.id.clone(), "ec2:DescribeImages") {
            match image {
                Ok(image) => drop(round.images.insert(id, image)),
                Err(fault) => drop(round.silent.insert(id, fault)),
            }
        }
        Ok(round)
    }

    /// The newest tasks of these, running or ended, one call for every 20.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn tasks_of(&self, ids: &[ImageId]) -> Result<Round, Fault> {
        let tasks = self.store_tasks.newest(ids).await?.items.into_iter();
        let ours = tasks.filter(|task| is_ours(task, &self.scope));
        let ended = ours.map(|task| (task.image.clone(), task)).collect();
        Ok(Round { ended, ..Round::default() })
    }

    /// The staged objects or ended tasks of `ids`, which are eligible and have no task in progress:
    /// one `HeadObject` for each that may be staged or has a task, and one more call for every 20
    /// without an object. Only a task makes an object, so without one there is nothing to ask for.
    ///
    /// # Errors
    /// The first call about many that failed; nothing was changed.
    pub async fn observe_ended(
        &self,
        round: &mut Round,
        ids: &[ImageId],
        may_be_staged: impl Fn(&ImageId) -> bool,
    ) -> Result<(), Fault> {
        let first: Vec<ImageId> = ids.iter().filter(|id| may_be_staged(id)).cloned().collect();
        self.staged(round, &first).await;
        let known = |id: &&ImageId| round.staged.contains_key(id) || round.silent.contains_key(id);
        let others: Vec<ImageId> = ids.iter().filter(|id| !known(id)).cloned().collect();
        if others.is_empty() {
            return Ok(());
        }
        let tasks = self.store_tasks.newest(&others).await?;
        let stored: BTreeSet<&ImageId> = tasks.items.iter().map(|task| &task.image).collect();
        let first: BTreeSet<ImageId> = first.into_iter().collect();
        let then = others.into_iter().filter(|id| stored.contains(id) && !first.contains(id));
        let then: Vec<ImageId> = then.collect();
        self.staged(round, &then).await;
        for task in tasks.items {
            let known =
                if is_ours(&task, &self.scope) { &mut round.ended } else { &mut round.others };
            known.insert(task.image.clone(), task);
        }
        round.silent.extend(unread(&tasks.unreadable));
        Ok(())
    }

    /// All images that have a staged object, one call for every 1,000. An unreadable key belongs to
    /// no image.
    ///
    /// # Errors
    /// A page that could not be read.
    pub async fn all_staged(&self, odd: &UnreadableItems) -> Result<BTreeMap<ImageId, u64>, Fault> {
        let SourceScope { account, staging_bucket, .. } = &self.scope;
        let prefix = self.scope.staging_folder();
        let mut staged = BTreeMap::new();
        let mut token = None;
        loop {
            let first = token.is_none();
            let (keys, next) = self.objects.list(account, staging_bucket, &prefix, token).await?;
            let pages = Pages { first, last: next.is_none() };
            odd.met(&format!("{staging_bucket}/{prefix}"), pages, &keys.unreadable);
            let image =
                |object: &ListedObject| Some((self.scope.image_of(&object.key)?, object.size));
            staged.extend(keys.items.iter().filter_map(image));
            token = next;
            if token.is_none() {
                return Ok(staged);
            }
        }
    }

    /// The images of this source that a vault shows as complete: their object and manifest are both
    /// listed, and no later record says that they are lost; and those that were given up. One call for every 1,000 keys.
    ///
    /// # Errors
    /// A page that could not be read, most often because the vault bucket's policy does not let the
    /// source list its own prefix.
    pub async fn held_by(&self, vault: &VaultView) -> Result<Holding, Fault> {
        let SourceScope { account, region, .. } = &self.scope;
        let prefix = format!("{}{account}/{region}/", names::folder(&vault.prefix));
        let mut kept = names::Kept::default();
        let mut odd: Option<Unreadable> = None;
        let mut unread = 0_usize;
        let mut token = None;
        loop {
            let owner = &vault.id.account;
            let (keys, next) = vault.objects.list(owner, &vault.bucket, &prefix, token).await?;
            for ListedObject { key, .. } in &keys.items {
                if let Some((id, entry)) = names::vault_entry(&vault.prefix, &vault.id, key) {
                    kept.add(id.source_image_id, entry);
                }
            }
            unread += keys.unreadable.len();
            odd = odd.or_else(|| keys.unreadable.into_iter().next());
            token = next;
            if token.is_none() {
                return Ok(match odd {
                    None => {
                        let pruned = kept.pruned();
                        Holding::Whole { complete: kept.complete(), pruned }
                    }
                    Some(first) => {
                        let why = format!("{unread} keys cannot be read, the first: {}", first.why);
                        Holding::Partial { kept, why }
                    }
                });
            }
        }
    }

    /// What to ask EC2 for, so that the image is stored under its staged key.
    pub(crate) fn request(&self, id: &ImageId, policy: String) -> StoreRequest {
        let scope = &self.scope;
        let tags = [
            (tag::MANAGED, "true".to_owned()),
            (tag::SOURCE_ACCOUNT, scope.account.to_string()),
            (tag::SOURCE_IMAGE, id.to_string()),
            (tag::POLICY, policy),
        ];
        StoreRequest {
            image: id.clone(),
            bucket: scope.staging_bucket.clone(),
            path: names::staging_path(&scope.staging_prefix, &scope.region),
            tags: tags.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
        }
    }

    /// Leaves the note of an image where its staged object will be, unless one is there.
    ///
    /// # Errors
    /// The call failed: then the vault can copy the image only while EC2 shows it.
    pub(crate) async fn leave_note(&self, note: &Note) -> Result<(), Fault> {
        let scope = &self.scope;
        let key = scope.note_key(&note.source_image_id);
        let settings =
            NewUpload { content_type: Some("application/json".to_owned()), ..NewUpload::default() };
        let (owner, bucket) = (&scope.account, &scope.staging_bucket);
        self.objects.create(owner, bucket, &key, note.to_json(), &settings).await.map(drop)
    }

    /// The staged objects of `ids`, with one `HeadObject` for each.
    pub async fn staged(&self, round: &mut Round, ids: &[ImageId]) {
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

/// The images that unreadable items name, if they do.
fn ids_of(items: &[Unreadable]) -> impl Iterator<Item = ImageId> {
    items.iter().filter_map(Unreadable::about)
}

/// Nothing is decided about an image whose task cannot be read.
fn unread(tasks: &[Unreadable]) -> BTreeMap<ImageId, Fault> {
    let fault = |item: &Unreadable| {
        let id: ImageId = item.about()?;
        let fault = item.fault("ec2:DescribeStoreImageTasks", id.as_str());
        Some((id, fault))
    };
    tasks.iter().filter_map(fault).collect()
}

/// The key of a task that has put its object into our staging bucket under another key than ours.
pub(crate) fn holder<'t>(task: &'t StoreTask, scope: &SourceScope) -> Option<&'t str> {
    let bucket = task.bucket.split('/').next().unwrap_or_default();
    let is_there = bucket == scope.staging_bucket.as_str()
        && task.state == StoreTaskState::Completed
        && !is_ours(task, scope);
    is_there.then_some(task.key.as_str())
}

/// Whether a task writes to our staging key. What `bucket` shows for a path is undocumented, so
/// the bare name and the path form both count.
fn is_ours(task: &StoreTask, scope: &SourceScope) -> bool {
    let bucket = task.bucket.split('/').next().unwrap_or_default();
    bucket == scope.staging_bucket.as_str() && task.key == scope.staged_key(&task.image).as_str()
}

//! Observes many recovery points of one vault with few calls; the audit looks through the same
//! eyes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amiferry_core::decide::vault::{ManifestFact, Observed, Vault};
use amiferry_core::event::SourceScope;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, Arn, BucketName, ImageId, ObjectKey, Region, SnapshotId};
use amiferry_core::manifest::{self, Manifest};
use amiferry_core::model::{Image, ImageState, KeyVerdict, RetentionMode, Snapshot, StoredObject};
use amiferry_core::names::{self, RecoveryPointId, VaultKeys};
use amiferry_core::policy::Policies;
use amiferry_core::ports::{Images, Keys, Objects};
use futures::{StreamExt, TryStreamExt, stream};

/// How many S3 or EC2 calls of one kind run at once while observing.
const CALLS_IN_FLIGHT: usize = 16;

/// One source as the vault sees it.
#[derive(Clone)]
pub struct SourceView {
    /// The source, as configured.
    pub scope: SourceScope,
    /// EC2 of the source, through the role that the vault assumes there.
    pub images: Arc<dyn Images>,
    /// S3 of the source's Region, with the vault's own credentials: the staging bucket's policy
    /// lets them read.
    pub objects: Arc<dyn Objects>,
}

/// The vault's own side.
#[derive(Clone)]
pub struct VaultView {
    /// The vault account.
    pub account: AccountId,
    /// The target Region.
    pub region: Region,
    /// The vault bucket.
    pub bucket: BucketName,
    /// The prefix of all keys in it.
    pub prefix: String,
    /// The key of the vault bucket.
    pub key: Arn,
    /// The Object Lock mode of new copies.
    pub lock_mode: RetentionMode,
    /// EC2 of the vault.
    pub images: Arc<dyn Images>,
    /// S3 of the target Region.
    pub objects: Arc<dyn Objects>,
    /// KMS.
    pub keys: Arc<dyn Keys>,
}

/// Where a vault's facts come from.
#[derive(Clone)]
pub struct Observer {
    /// Every source that this vault serves.
    pub sources: Vec<SourceView>,
    /// The vault.
    pub vault: VaultView,
    /// What is promised.
    pub policies: Policies,
}

impl Observer {
    /// The source of a recovery point, if it is configured.
    pub fn source(&self, id: &RecoveryPointId) -> Option<&SourceView> {
        self.sources.iter().find(|source| {
            source.scope.account == id.source_account && source.scope.region == id.source_region
        })
    }

    /// The keys of a recovery point in the vault.
    ///
    /// # Errors
    /// A configured prefix that makes them longer than S3 allows.
    pub fn keys_of(&self, id: &RecoveryPointId) -> Result<VaultKeys, Fault> {
        VaultKeys::of(&self.vault.prefix, id).map_err(|error| Fault {
            class: FaultClass::Invalid,
            operation: "vault:Key",
            resource: id.to_string(),
            code: "InvalidKey".to_owned(),
            detail: error.to_string(),
            request_id: None,
        })
    }

    /// The recovery point of a source image in this vault.
    pub fn recovery_point(&self, scope: &SourceScope, image: ImageId) -> RecoveryPointId {
        RecoveryPointId {
            source_account: scope.account.clone(),
            source_region: scope.region.clone(),
            source_image_id: image,
            target_region: self.vault.region.clone(),
        }
    }

    /// The vault's preconditions: its keys and its EBS encryption setting.
    ///
    /// # Errors
    /// A call that failed for another reason than a denial of KMS, which is an unknown.
    pub async fn vault(&self) -> Result<Vault, Fault> {
        let key_verdict = self.vault.keys.examine(&self.vault.key).await?.verdict();
        let default_encryption = match self.vault.images.default_encryption().await? {
            Some(key) if key == self.vault.key => Some((key, key_verdict.clone())),
            Some(key) => {
                let verdict = self.vault.keys.examine(&key).await?.verdict();
                Some((key, verdict))
            }
            None => None,
        };
        Ok(Vault {
            account: self.vault.account.clone(),
            bucket: self.vault.bucket.clone(),
            prefix: self.vault.prefix.clone(),
            key: self.vault.key.clone(),
            key_verdict,
            default_encryption,
            lock_mode: self.vault.lock_mode,
        })
    }

    /// What AWS says about these recovery points, in their order. Those of a source that is not
    /// configured (any more) are judged by their manifests.
    ///
    /// # Errors
    /// The first call that failed; nothing was changed.
    pub async fn observe(&self, ids: &[RecoveryPointId]) -> Result<Vec<Observed>, Fault> {
        let sources = self.source_images(ids).await?;
        let mut restored = self.restored(ids).await?;
        let snapshots =
            self.snapshots(restored.values().filter_map(|images| images.last())).await?;
        let observations: Vec<_> = ids
            .iter()
            .map(|id| {
                let source = sources.get(id).cloned();
                let restored = restored.remove(id).unwrap_or_default();
                self.observe_one(id, source, restored, &snapshots)
            })
            .collect();
        stream::iter(observations).buffered(CALLS_IN_FLIGHT).try_collect().await
    }

    async fn observe_one(
        &self,
        id: &RecoveryPointId,
        source: Option<Image>,
        restored: Vec<Image>,
        snapshots: &BTreeMap<SnapshotId, Snapshot>,
    ) -> Result<Observed, Fault> {
        let keys = self.keys_of(id)?;
        let object = self.in_vault(&keys.image).await?;
        let manifest = self.manifest(&keys.manifest).await?;
        let staged = self.staged(id).await?;
        let staged_key = match staged.as_ref().and_then(|staged| staged.key.as_deref()) {
            // Once the copy exists, the staged object's key no longer matters.
            Some(key) if object.is_none() => self.verdict(key).await?,
            Some(_) | None => None,
        };
        let newest = restored.last();
        let launch_permissions = match newest.filter(|image| image.state == ImageState::Available) {
            Some(image) => match self.vault.images.launch_permissions(&image.id).await {
                Ok(permissions) => Some(permissions),
                // One call of EC2 shows a new image while another does not know it yet.
                Err(fault) if fault.class == FaultClass::NotFound => None,
                Err(fault) => return Err(fault),
            },
            None => None,
        };
        let snapshots = newest
            .into_iter()
            .flat_map(Image::snapshots)
            .filter_map(|id| snapshots.get(id).cloned())
            .collect();
        Ok(Observed {
            id: id.clone(),
            source,
            staged,
            staged_key,
            object,
            restored,
            snapshots,
            launch_permissions,
            manifest,
            settling: false,
        })
    }

    async fn source_images(
        &self,
        ids: &[RecoveryPointId],
    ) -> Result<BTreeMap<RecoveryPointId, Image>, Fault> {
        let mut found = BTreeMap::new();
        for source in &self.sources {
            let scope = &source.scope;
            let wanted: Vec<ImageId> = ids
                .iter()
                .filter(|id| id.source_account == scope.account && id.source_region == scope.region)
                .map(|id| id.source_image_id.clone())
                .collect();
            if wanted.is_empty() {
                continue;
            }
            for image in source.images.describe(&wanted).await? {
                found.insert(self.recovery_point(scope, image.id.clone()), image);
            }
        }
        Ok(found)
    }

    /// The images under the names of our restores, the newest generation last.
    async fn restored(
        &self,
        ids: &[RecoveryPointId],
    ) -> Result<BTreeMap<RecoveryPointId, Vec<Image>>, Fault> {
        let owners: BTreeMap<String, &RecoveryPointId> = ids
            .iter()
            .flat_map(|id| names::restored_names(id).into_iter().map(move |name| (name, id)))
            .collect();
        let names: Vec<String> = owners.keys().cloned().collect();
        let mut found: BTreeMap<RecoveryPointId, Vec<Image>> = BTreeMap::new();
        for image in self.vault.images.named(&names).await? {
            if let Some(id) = owners.get(&image.name) {
                found.entry((*id).clone()).or_default().push(image);
            }
        }
        for (id, images) in &mut found {
            images.sort_by_key(|image| names::generation(id, &image.name));
        }
        Ok(found)
    }

    async fn snapshots(
        &self,
        images: impl Iterator<Item = &Image>,
    ) -> Result<BTreeMap<SnapshotId, Snapshot>, Fault> {
        let ids: BTreeSet<SnapshotId> =
            images.flat_map(|image| image.snapshots().cloned()).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<SnapshotId> = ids.into_iter().collect();
        let snapshots = self.vault.images.snapshots(&ids).await?;
        Ok(snapshots.into_iter().map(|snapshot| (snapshot.id.clone(), snapshot)).collect())
    }

    async fn in_vault(&self, key: &ObjectKey) -> Result<Option<StoredObject>, Fault> {
        self.vault.objects.head(&self.vault.account, &self.vault.bucket, key).await
    }

    async fn staged(&self, id: &RecoveryPointId) -> Result<Option<StoredObject>, Fault> {
        let Some(source) = self.source(id) else { return Ok(None) };
        let scope = &source.scope;
        let key = scope.staged_key(&id.source_image_id);
        source.objects.head(&scope.account, &scope.staging_bucket, &key).await
    }

    async fn manifest(&self, key: &ObjectKey) -> Result<ManifestFact, Fault> {
        let (account, bucket) = (&self.vault.account, &self.vault.bucket);
        let bytes = self.vault.objects.read(account, bucket, key, manifest::LARGEST).await?;
        Ok(match bytes.as_deref().map(Manifest::from_json) {
            None => ManifestFact::Absent,
            Some(Ok(manifest)) => ManifestFact::Present(Box::new(manifest)),
            Some(Err(error)) => ManifestFact::Unreadable(error.to_string()),
        })
    }

    /// Whether the key of a staged object can be used; a key that is no ARN is AWS's own and
    /// cannot be asked about.
    async fn verdict(&self, key: &str) -> Result<Option<KeyVerdict>, Fault> {
        match key.parse::<Arn>() {
            Ok(arn) => Ok(Some(self.vault.keys.examine(&arn).await?.verdict())),
            Err(_) => Ok(None),
        }
    }
}

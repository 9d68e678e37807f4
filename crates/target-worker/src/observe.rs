//! Observes many recovery points of one vault with few calls, for the worker and for the audit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amiferry_core::cost::Prices;
use amiferry_core::decide::Pace;
use amiferry_core::decide::vault::observation::{Observation, Part};
use amiferry_core::decide::vault::{
    self, Asked, DefaultEncryption, ManifestFact, Observed, Unanswered, Vault,
};
use amiferry_core::event::SourceScope;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::forecast::Capacity;
use amiferry_core::ids::{AccountId, Arn, BucketName, ImageId, Malformed, ObjectKey, Region};
use amiferry_core::manifest;
use amiferry_core::model::{Image, KeyPurpose, KeyVerdict, RetentionMode, StoredObject};
use amiferry_core::names::{RecoveryPointId, SourceId, VaultId, VaultKeys};
use amiferry_core::policy::Policies;
use amiferry_core::ports::{
    ImageDetails, ImageProtection, Images, Keys, Listing, Objects, Parts, RestoreTasks, StoreTasks,
    Uploads, Versions,
};
use amiferry_core::span::Span;
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::key_verdicts::verdict;
use crate::noted::seen;
use crate::patience::{self, Patience};
use crate::share::Share;

/// The call that shows images.
pub(crate) const DESCRIBE_IMAGES: &str = "ec2:DescribeImages";

/// How many S3 or EC2 calls of one kind run at once while observing.
pub(crate) const CALLS_IN_FLIGHT: usize = 16;

/// One source as the vault sees it.
#[derive(Clone)]
pub struct SourceView {
    /// The source, as configured.
    pub scope: SourceScope,
    /// Its share and budgets in the vault.
    pub share: Share,
    /// EC2 of the source, through the role that the vault assumes there.
    pub images: Arc<dyn Images>,
    /// Attributes of those images, where the role may ask for them.
    pub details: Arc<dyn ImageDetails>,
    /// Its store tasks, where the role may ask for them: only forecasts do.
    pub store_tasks: Arc<dyn StoreTasks>,
    /// S3 of the source's Region, with the vault's own credentials: the staging bucket's policy
    /// lets them read.
    pub objects: Arc<dyn Objects>,
}

impl SourceView {
    /// Which source it is.
    pub fn id(&self) -> SourceId {
        self.scope.id()
    }
}

/// The vault's own side.
#[derive(Clone)]
pub struct VaultView {
    pub account: AccountId,
    /// The target Region.
    pub region: Region,
    pub bucket: BucketName,
    /// The prefix of all keys in it.
    pub prefix: String,
    /// The key of the vault bucket.
    pub key: Arn,
    /// The Object Lock mode of new copies.
    pub lock_mode: RetentionMode,
    /// The images of the vault.
    pub images: Arc<dyn Images>,
    /// Their snapshots and launch permissions.
    pub details: Arc<dyn ImageDetails>,
    /// The tasks that restore images.
    pub restore_tasks: Arc<dyn RestoreTasks>,
    /// The effects that protect images.
    pub protection: Arc<dyn ImageProtection>,
    /// S3 of the target Region.
    pub objects: Arc<dyn Objects>,
    /// All versions there, also those that a delete marker hides.
    pub versions: Arc<dyn Versions>,
    /// Multipart uploads there.
    pub uploads: Arc<dyn Uploads>,
    /// Their parts.
    pub parts: Arc<dyn Parts>,
    pub keys: Arc<dyn Keys>,
}

/// Where a vault's facts come from.
#[derive(Clone)]
pub struct Observer {
    /// Every source that this vault serves.
    pub sources: Vec<SourceView>,
    pub vault: VaultView,
    /// What is promised.
    pub policies: Policies,
    /// How often the workers look and try again: it decides whether a failed restore is due.
    pub pace: Pace,
    /// What limits the work of the sources and of the vault, for forecasts.
    pub capacity: Capacity,
    /// The prices of estimates.
    pub prices: Arc<Prices>,
    /// Nothing that was complete for less than this goes in a prune.
    pub floor: Span,
}

impl Observer {
    /// The source of a recovery point, if it is configured.
    pub fn source(&self, id: &RecoveryPointId) -> Option<&SourceView> {
        self.sources.iter().find(|source| {
            source.scope.account == id.source_account && source.scope.region == id.source_region
        })
    }

    /// The vault's account and Region.
    pub fn vault_id(&self) -> VaultId {
        VaultId { account: self.vault.account.clone(), region: self.vault.region.clone() }
    }

    /// The keys of a recovery point in the vault.
    ///
    /// # Errors
    /// A configured prefix that makes them longer than S3 allows.
    pub fn keys_of(&self, id: &RecoveryPointId) -> Result<VaultKeys, Fault> {
        VaultKeys::of(&self.vault.prefix, id).map_err(|error| bad_key(id, &error))
    }

    /// The recovery point of a source image in this vault.
    pub fn recovery_point(&self, scope: &SourceScope, image: ImageId) -> RecoveryPointId {
        RecoveryPointId {
            source_account: scope.account.clone(),
            source_region: scope.region.clone(),
            source_image_id: image,
            target_account: self.vault.account.clone(),
            target_region: self.vault.region.clone(),
        }
    }

    /// The vault's preconditions: its keys and its EBS encryption setting. What cannot be asked is
    /// unknown, and stops only what has to know it.
    pub async fn vault(&self) -> Vault {
        let default = self.vault.restore_tasks.default_encryption().await;
        let also_default = matches!(&default, Ok(Some(key)) if *key == self.vault.key);
        let purposes: &[KeyPurpose] = match also_default {
            true => &[KeyPurpose::Writing, KeyPurpose::Snapshots],
            false => &[KeyPurpose::Writing],
        };
        let facts = self.vault.keys.examine(&self.vault.key, purposes).await;
        let default_encryption = match default {
            Err(fault) => DefaultEncryption::NotTold(Box::new(fault)),
            Ok(None) => DefaultEncryption::Off,
            Ok(Some(key)) if also_default => {
                DefaultEncryption::With(key, verdict(&facts, KeyPurpose::Snapshots))
            }
            Ok(Some(key)) => {
                let facts = self.vault.keys.examine(&key, &[KeyPurpose::Snapshots]).await;
                let verdict = verdict(&facts, KeyPurpose::Snapshots);
                // EC2 may name it by an alias, and snapshots by its own ARN.
                DefaultEncryption::With(facts.map_or(key, |facts| facts.arn), verdict)
            }
        };
        Vault {
            account: self.vault.account.clone(),
            bucket: self.vault.bucket.clone(),
            prefix: self.vault.prefix.clone(),
            key: self.vault.key.clone(),
            key_verdict: verdict(&facts, KeyPurpose::Writing),
            default_encryption,
            lock_mode: self.vault.lock_mode,
        }
    }

    /// What AWS shows of these recovery points, in their order. A failed call or an unreadable
    /// answer is the result for the recovery points that it concerns. It asks only for what matters
    /// to the decision and was not seen a moment before `now`, and not in the vault if that is known
    /// to hold nothing of them. `verdicts` are known verdicts on the keys of staged objects and of what the
    /// vault holds; new ones are added.
    pub async fn observe_each(
        &self,
        observations: Vec<Observation>,
        holds_nothing: &BTreeSet<RecoveryPointId>,
        verdicts: &mut BTreeMap<Arn, KeyVerdict>,
        patience: &Patience,
        now: Timestamp,
    ) -> Vec<Result<Observation, Unanswered>> {
        let asked = observations.iter().filter(|one| !one.counts(Part::Source, now));
        let asked: Vec<RecoveryPointId> = asked.map(|one| one.observed.id.clone()).collect();
        let answers = self.source_images(&asked, patience).await;
        let mut answers: BTreeMap<RecoveryPointId, _> = asked.into_iter().zip(answers).collect();
        let objects: Vec<_> = observations
            .into_iter()
            .map(|observation| {
                let source = answers.remove(&observation.observed.id);
                let holds_nothing = holds_nothing.contains(&observation.observed.id);
                self.objects(observation, source, holds_nothing, patience, now)
            })
            .collect();
        let mut seen: Vec<_> = stream::iter(objects).buffered(CALLS_IN_FLIGHT).collect().await;
        self.judge_staged_keys(&mut seen, verdicts, patience).await;
        self.look_at_restored(&mut seen, now).await;
        self.look_at_records(&mut seen).await;
        self.see_renamed(&mut seen, now).await;
        self.see_uefi_data(&mut seen, patience).await;
        self.judge_kept_keys(&mut seen, verdicts).await;
        seen
    }

    /// The part of an observation that comes from S3, with the source image if that was asked for.
    /// If the source is silent, a recovery point is judged by its record, or by the note of its image.
    async fn objects(
        &self,
        mut observation: Observation,
        source: Option<Result<Option<Image>, Fault>>,
        holds_nothing: bool,
        patience: &Patience,
        now: Timestamp,
    ) -> Result<Observation, Unanswered> {
        match self.see_objects(&mut observation, source, holds_nothing, patience, now).await {
            Ok(()) => Ok(observation),
            Err(unanswered) => {
                let image = observation.observed.source.map(Box::new);
                Err(Unanswered { image, ..unanswered })
            }
        }
    }

    async fn see_objects(
        &self,
        observation: &mut Observation,
        source: Option<Result<Option<Image>, Fault>>,
        holds_nothing: bool,
        patience: &Patience,
        now: Timestamp,
    ) -> Result<(), Unanswered> {
        let silent = observation.source_answered(source, now);
        if holds_nothing && silent.is_none() {
            self.see_staged(observation, patience, now).await?;
            return self.see_note(observation, true, patience).await;
        }
        // What is not recorded is the source's to tell; the vault's key explains nothing about it.
        let untold = silent.clone().filter(|_| observation.observed.manifests == 0);
        let in_vault = |fault: Fault| match &untold {
            Some(silent) => unanswered(Asked::Source)(silent.clone()),
            None => unanswered(Asked::VaultObjects)(fault),
        };
        let keys = self.keys_of(&observation.observed.id).map_err(&in_vault)?;
        if !observation.counts(Part::Object, now) {
            observation.observed.object = self.in_vault(&keys.image).await.map_err(&in_vault)?;
            observation.saw(Part::Object, now);
        }
        if !observation.counts(Part::Manifest, now) {
            let versions = observation.observed.manifests;
            let manifest = self.manifest(&keys.manifest, versions, now).await;
            observation.observed.manifest = manifest.map_err(&in_vault)?;
            (observation.observed.newest_record, observation.observed.doubted) = (None, None);
            observation.saw(Part::Manifest, now);
        }
        let observed = &mut observation.observed;
        if vault::needs_records(observed) && !observed.is_recorded_object() {
            self.continue_record(observed).await.map_err(&in_vault)?;
        }
        let Observed { manifest, object, .. } = &observation.observed;
        let unrecorded = *manifest == ManifestFact::Absent;
        if let Some(fault) = silent.filter(|_| unrecorded) {
            self.see_note(observation, false, patience).await?;
            // Nothing else says what it is.
            return match vault::terms(&self.policies, &observation.observed, now) {
                Ok(_) => Ok(()),
                Err(_) if vault::rewritten(&observation.observed).is_some() => Ok(()),
                Err(_) => Err(unanswered(Asked::Source)(fault)),
            };
        }
        let can_replace = observation.observed.source.is_some() || unrecorded;
        if can_replace && vault::needs_staged(object.as_ref(), manifest) {
            self.see_staged(observation, patience, now).await?;
        }
        self.see_note(observation, false, patience).await
    }

    async fn see_staged(
        &self,
        observation: &mut Observation,
        patience: &Patience,
        now: Timestamp,
    ) -> Result<(), Unanswered> {
        if !observation.counts(Part::Staged, now) {
            let staged = self.staged(&observation.observed.id, patience).await;
            observation.observed.staged = staged.map_err(unanswered(Asked::Staged))?;
            observation.saw(Part::Staged, now);
        }
        Ok(())
    }

    /// Asks only for what these recovery points wait for: the restored images of those with an
    /// object in the vault, source image and staged object of the others. The rest of the result may
    /// be out of date, so it may only lead to more waiting or to a whole observation.
    pub async fn observe_part(
        &self,
        before: Vec<Observation>,
        patience: &Patience,
        now: Timestamp,
    ) -> Vec<Result<Observation, Unanswered>> {
        let (held, others): (Vec<&Observation>, Vec<&Observation>) =
            before.iter().partition(|observation| observation.observed.object.is_some());
        let id_of = |observation: &&Observation| observation.observed.id.clone();
        let held: Vec<RecoveryPointId> = held.iter().map(id_of).collect();
        let restored = self.restored(&held).await;
        let others: Vec<RecoveryPointId> = others.iter().map(id_of).collect();
        let answers = self.source_images(&others, patience).await;
        let mut sources: BTreeMap<RecoveryPointId, _> = others.into_iter().zip(answers).collect();
        let parts: Vec<_> = before
            .into_iter()
            .map(|mut observation| {
                let source = sources.remove(&observation.observed.id);
                let restored = match &restored {
                    Ok(all) => all.get(&observation.observed.id).cloned().unwrap_or(Ok(Vec::new())),
                    Err(fault) => Err(fault.clone()),
                };
                async move {
                    match source {
                        None => {
                            let restored = restored.map_err(unanswered(Asked::Restored))?;
                            observation.observed.restored = restored;
                            observation.saw(Part::Restored, now);
                        }
                        Some(source) => {
                            if let Some(fault) = observation.source_answered(Some(source), now) {
                                return Err(unanswered(Asked::Source)(fault));
                            }
                            observation.forget(Part::Staged);
                            self.see_staged(&mut observation, patience, now).await?;
                        }
                    }
                    Ok(observation)
                }
            })
            .collect();
        stream::iter(parts).buffered(CALLS_IN_FLIGHT).collect().await
    }

    /// The source images of these, in their order. It asks the sources in parallel; if one does not
    /// answer in time, that fault is the result for its images.
    async fn source_images(
        &self,
        ids: &[RecoveryPointId],
        patience: &Patience,
    ) -> Vec<Result<Option<Image>, Fault>> {
        let mut wanted: BTreeMap<SourceId, Vec<ImageId>> = BTreeMap::new();
        for id in ids {
            wanted.entry(id.source()).or_default().push(id.source_image_id.clone());
        }
        let asked = self.sources.iter().filter_map(|source| {
            let images = wanted.get(&source.id())?;
            Some((source.id(), async move { (images, source.images.describe(images).await) }))
        });
        let asked: Vec<_> = asked.collect();
        let mut faults: BTreeMap<SourceId, Fault> = asked
            .iter()
            .map(|(source, _)| (source.clone(), patience::no_answer(DESCRIBE_IMAGES, source)))
            .collect();
        let mut found = BTreeMap::new();
        let answered = |source: SourceId, (asked, answer): (&Vec<ImageId>, Result<_, Fault>)| {
            let images: Listing<Image> = match answer {
                Ok(images) => images,
                Err(fault) => return drop(faults.insert(source, fault)),
            };
            for (id, image) in images.by_id(asked, |image| image.id.clone(), DESCRIBE_IMAGES) {
                found.insert((source.clone(), id), image);
            }
            faults.remove(&source);
        };
        patience.with_each(asked, answered).await;
        let answer = |id: &RecoveryPointId| match faults.get(&id.source()) {
            Some(fault) => Err(fault.clone()),
            // Only an answer can say that an image is gone.
            None if self.source(id).is_none() => Err(not_configured(&id.source())),
            None => found.get(&(id.source(), id.source_image_id.clone())).cloned().transpose(),
        };
        ids.iter().map(answer).collect()
    }

    async fn in_vault(&self, key: &ObjectKey) -> Result<Option<StoredObject>, Fault> {
        self.vault.objects.head(&self.vault.account, &self.vault.bucket, key).await
    }

    async fn staged(
        &self,
        id: &RecoveryPointId,
        patience: &Patience,
    ) -> Result<Option<StoredObject>, Fault> {
        let Some(source) = self.source(id) else { return Ok(None) };
        let scope = &source.scope;
        let key = scope.staged_key(&id.source_image_id);
        let head = source.objects.head(&scope.account, &scope.staging_bucket, &key);
        patience.with(&scope.id(), "s3:HeadObject", &key, head).await
    }

    pub(crate) async fn manifest(
        &self,
        key: &ObjectKey,
        versions: u16,
        now: Timestamp,
    ) -> Result<ManifestFact, Fault> {
        let (account, bucket) = (&self.vault.account, &self.vault.bucket);
        match seen(self.vault.objects.read(account, bucket, key, manifest::LARGEST).await) {
            Ok(found) => Ok(ManifestFact::read(found.as_ref(), versions, now)),
            Err(fault) if is_no_document(&fault) => Ok(ManifestFact::Unreadable(fault.to_string())),
            Err(fault) => Err(fault),
        }
    }
}

/// Whether what could not be read is there, and is no document that a program of ours wrote.
pub(crate) fn is_no_document(fault: &Fault) -> bool {
    matches!(fault.code.as_str(), "ObjectTooLarge" | "InvalidObjectState")
}

/// The images of a source that the configuration does not name cannot be asked for.
pub(crate) fn not_configured(source: &SourceId) -> Fault {
    Fault {
        class: FaultClass::Invalid,
        operation: DESCRIBE_IMAGES,
        resource: source.to_string(),
        code: "SourceNotConfigured".to_owned(),
        detail:
            "the configuration does not name this source, so it cannot be asked whether the image \
                 still exists"
                .to_owned(),
        request_id: None,
    }
}

/// A configured prefix makes a key of a recovery point longer than S3 allows.
pub(crate) fn bad_key(id: &RecoveryPointId, error: &Malformed) -> Fault {
    Fault {
        class: FaultClass::Invalid,
        operation: "vault:Key",
        resource: id.to_string(),
        code: "InvalidKey".to_owned(),
        detail: error.to_string(),
        request_id: None,
    }
}

/// Adds to a fault which question got no answer.
pub(crate) fn unanswered(asked: Asked) -> impl Fn(Fault) -> Unanswered {
    move |fault| Unanswered { asked, fault, image: None }
}

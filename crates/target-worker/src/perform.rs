//! Takes one step for a recovery point: copy, lock, restore, protect, require IMDSv2, record. Each
//! is safe to repeat, and AWS refuses the second of two workers.

use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::decide::vault::{Effect, RestoreOrder};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::fleet::{State, Step};
use amiferry_core::ids::ObjectKey;
use amiferry_core::manifest::{Manifest, Record, VaultObject};
use amiferry_core::model::{ObjectVersion, Retention};
use amiferry_core::names::{RecoveryPointId, VaultKeys};
use amiferry_core::plan::Ended;
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{NewUpload, WriteOutcome};
use amiferry_service::metrics as measure;
use tracing::Span;
use tracing::field::display;

use crate::copy::Origin;
use crate::effects;
use crate::observe::not_configured;
use crate::role::{Restoring, TargetRole};

impl TargetRole {
    pub(crate) async fn take_step(
        &self,
        id: &RecoveryPointId,
        effect: Effect,
    ) -> Result<(), Fault> {
        let ended = self.take(id, &effect).await;
        let mut memory = self.memory();
        match &ended {
            Ok(Confirmed::ByAws) => memory.observations.after(id, &effect, self.clock.now()),
            Ok(Confirmed::NotByUs) | Err(_) => memory.observations.drop(id),
        }
        ended.map(|_| ())
    }

    async fn take(&self, id: &RecoveryPointId, effect: &Effect) -> Result<Confirmed, Fault> {
        let keys = self.observer.keys_of(id)?;
        let vault = &self.observer.vault;
        match effect {
            Effect::Copy(order) => {
                let source = self.observer.source(id);
                let source = source.ok_or_else(|| not_configured(&id.source()))?;
                let objects = source.objects.as_ref();
                let origin = Origin { owner: &id.source_account, objects };
                let copied = self.copier.copy(order, id, &keys, origin);
                return Ok(self.followed(id, Step::Copy, copied).await?.into());
            }
            Effect::Restore(order) => {
                let restored = self.restore(id, order, keys.image);
                self.followed(id, Step::Restore, restored).await?;
            }
            Effect::Lock(version, retention) => {
                Span::current()
                    .record("aws.s3.bucket", display(&version.bucket))
                    .record("aws.s3.key", display(&version.key));
                self.lock(id, &keys, version, retention).await?;
            }
            Effect::Protect(image) => {
                Span::current().record("amiferry.restored.image.id", display(image));
                vault.protection.protect(image, false).await?;
            }
            Effect::DemandImdsV2(image) => {
                Span::current().record("amiferry.restored.image.id", display(image));
                vault.protection.demand_imds_v2(image).await?;
            }
            Effect::RecordAgain(record) => return self.record_again(record, &keys).await,
            Effect::Record(manifest) => {
                return self.record(manifest, &keys.image, &keys.manifest).await;
            }
        }
        Ok(Confirmed::ByAws)
    }

    /// Tells the fleet that a step has begun, and how it ended. If it is dropped half way, which
    /// only a drain does, the step counts as begun until the next look.
    async fn followed<T>(
        &self,
        id: &RecoveryPointId,
        step: Step,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.fleet().began(id, step);
        let ended = work.await;
        let well = match &ended {
            Ok(_) => Some(true),
            Err(fault) => (!is_passing(fault.class)).then_some(false),
        };
        self.fleet().ended(id, well);
        if let (Step::Copy, Some(false), Some(facts)) = (step, well, &mut self.memory().vault) {
            facts.verdicts.clear();
        }
        ended
    }

    async fn restore(
        &self,
        id: &RecoveryPointId,
        order: &RestoreOrder,
        key: ObjectKey,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        let started = effects::start_restore(&self.observer.vault, order, key).await;
        let mut memory = self.memory();
        // The name may be taken by an earlier call of ours whose answer was lost, by another worker
        // or by a foreign image: the next look finds out.
        let ended = Ended::of(started.as_ref().err().map(|fault| fault.class));
        memory.restores.ledger.called(id.clone(), order.size_gb, ended, now);
        let image = started?;
        Span::current().record("amiferry.restored.image.id", display(&image));
        let detail = format!("{image} was just started");
        let restoring = Restoring { id: id.clone(), size_gb: order.size_gb, progress: 0 };
        memory.restoring.insert(image, restoring);
        drop(memory);
        self.fleet().answered(id, State::InProgress, Code::RestoreRunning, &detail);
        Ok(())
    }

    async fn record(
        &self,
        manifest: &Manifest,
        image: &ObjectKey,
        key: &ObjectKey,
    ) -> Result<Confirmed, Fault> {
        // A copy whose answer was lost has not reached this point, and no later step looks for its
        // uploads.
        if !has(Bug::UploadsLeft) {
            self.copier.clear(image).await?;
        }
        let vault = &self.observer.vault;
        let settings = NewUpload {
            content_type: Some("application/json".to_owned()),
            key: Some(vault.key.to_string()),
            retention: self.locked_like(&manifest.vault_object).await?,
            ..NewUpload::default()
        };
        let (account, bucket) = (&vault.account, &vault.bucket);
        Span::current().record("aws.s3.bucket", display(bucket)).record("aws.s3.key", display(key));
        let body = manifest.to_json();
        let written = vault.objects.create(account, bucket, key, body, &settings).await?;
        if let WriteOutcome::Written(_) = written {
            let took = manifest.completed_at.duration_since(manifest.source.created_at);
            measure::completed(&manifest.policy, Duration::try_from(took).unwrap_or_default());
        }
        Ok(written.into())
    }
}

impl TargetRole {
    /// The lock of what belongs to an object: at least the object's own.
    async fn locked_like(&self, object: &VaultObject) -> Result<Option<Retention>, Fault> {
        self.copier.lock.joined(object.retention.as_ref(), self.clock.now()).await
    }

    /// Extends the lock of an object, after those of the files beside it: while the object's own is
    /// short, the step is repeated.
    async fn lock(
        &self,
        id: &RecoveryPointId,
        keys: &VaultKeys,
        version: &ObjectVersion,
        retention: &Retention,
    ) -> Result<(), Fault> {
        let vault = &self.observer.vault;
        let records = self.observer.record_keys(id).await?;
        let records = records.into_iter().map(|(key, ..)| key);
        for key in [keys.note.clone(), keys.manifest.clone()].into_iter().chain(records) {
            let file = vault.objects.head(&vault.account, &vault.bucket, &key).await?;
            // Later files can have longer locks, and S3 refuses to shorten one.
            let is_longer = |lock: &Retention| lock.until >= retention.until;
            if let Some(file) = file.filter(|file| !file.retention.as_ref().is_some_and(is_longer))
            {
                let mode = file.retention.map_or(retention.mode, |lock| lock.mode);
                let lock = Retention { mode, until: retention.until };
                vault.objects.lock(&vault.account, &file.at, &lock).await?;
            }
        }
        vault.objects.lock(&vault.account, version, retention).await
    }

    /// Writes a further record, under the lock of the object that it is about.
    async fn record_again(&self, record: &Record, keys: &VaultKeys) -> Result<Confirmed, Fault> {
        let (vault, lock) = (&self.observer.vault, &self.copier.lock);
        let written = effects::record_again(vault, lock, record, keys, self.clock.now()).await?;
        Ok(written.into())
    }
}

/// Who did what a step was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmed {
    /// AWS says that this step did.
    ByAws,
    /// Another worker was faster.
    NotByUs,
}

impl From<WriteOutcome> for Confirmed {
    fn from(outcome: WriteOutcome) -> Self {
        match outcome {
            WriteOutcome::Written(_) => Self::ByAws,
            WriteOutcome::AlreadyThere => Self::NotByUs,
        }
    }
}

/// Whether a fault says nothing about the image, because any other image would have met it too.
fn is_passing(class: FaultClass) -> bool {
    match class {
        FaultClass::Throttled
        | FaultClass::QuotaFull
        | FaultClass::Conflict
        | FaultClass::OutcomeUnknown
        | FaultClass::Unavailable
        | FaultClass::Credentials => true,
        FaultClass::Denied
        | FaultClass::NotFound
        | FaultClass::Invalid
        | FaultClass::KeyUnusable
        | FaultClass::Bug => false,
    }
}

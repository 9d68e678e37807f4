//! Reads what was noted of a source image, once EC2 does not show it.

use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::decide::vault::{self, Asked, NoteFact, Unanswered};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::manifest::LARGEST_NOTE;
use amiferry_core::names::RecoveryPointId;
use amiferry_core::ports::{BEHIND_A_MARKER, SmallObject};

use crate::observe::{Observer, is_no_document, unanswered};
use crate::patience::Patience;

/// What was read, where what a delete marker hides is told by the walk over the vault.
pub(crate) fn seen(read: Result<Option<SmallObject>, Fault>) -> Result<Option<SmallObject>, Fault> {
    match read {
        Err(fault) if fault.code == BEHIND_A_MARKER => Ok(None),
        read => read,
    }
}

impl Observer {
    /// Reads the note of a source image where it matters: the vault's own, or else, of an image that is
    /// gone, the one that the source left beside the staged object. What was read once is not read
    /// again.
    pub(crate) async fn see_note(
        &self,
        observation: &mut Observation,
        holds_nothing: bool,
        patience: &Patience,
    ) -> Result<(), Unanswered> {
        let observed = &mut observation.observed;
        // Of a source that is not configured nothing is begun or finished.
        let is_ours = self.source(&observed.id).is_some();
        if !is_ours || !vault::needs_note(observed) || observed.note.note().is_some() {
            return Ok(());
        }
        if let Some(why) = vault::rewritten(observed) {
            observed.note = NoteFact::Unreadable(why);
            return Ok(());
        }
        observed.note = match holds_nothing {
            true => NoteFact::Absent,
            false => self.kept_note(&observed.id).await.map_err(unanswered(Asked::VaultObjects))?,
        };
        if observed.note.note().is_none() && observed.source_asked {
            let staged = self.staged_note(&observed.id, patience).await;
            match staged.map_err(unanswered(Asked::Staged))? {
                NoteFact::Absent => {}
                found => observed.note = found,
            }
        }
        Ok(())
    }

    async fn kept_note(&self, id: &RecoveryPointId) -> Result<NoteFact, Fault> {
        let (account, bucket) = (&self.vault.account, &self.vault.bucket);
        let key = self.keys_of(id)?.note;
        match self.vault.objects.read(account, bucket, &key, LARGEST_NOTE).await {
            Ok(found) => Ok(NoteFact::kept(found.as_ref(), id)),
            Err(fault) if is_no_document(&fault) || fault.code == BEHIND_A_MARKER => {
                Ok(NoteFact::Unreadable(fault.to_string()))
            }
            Err(fault) => Err(fault),
        }
    }

    /// The source may refuse to show its note, or hide it: that is as if it were unreadable.
    async fn staged_note(
        &self,
        id: &RecoveryPointId,
        patience: &Patience,
    ) -> Result<NoteFact, Fault> {
        let Some(source) = self.source(id) else { return Ok(NoteFact::Absent) };
        let scope = &source.scope;
        let key = scope.note_key(&id.source_image_id);
        let read = source.objects.read(&scope.account, &scope.staging_bucket, &key, LARGEST_NOTE);
        let read: Result<Option<SmallObject>, Fault> =
            patience.with(&scope.id(), "s3:GetObject", &key, read).await;
        match read {
            Ok(found) => Ok(NoteFact::staged(found.as_ref(), id)),
            Err(fault) => match fault.class {
                FaultClass::Denied
                | FaultClass::NotFound
                | FaultClass::Invalid
                | FaultClass::KeyUnusable
                | FaultClass::Bug => Ok(NoteFact::Unreadable(fault.to_string())),
                FaultClass::Throttled
                | FaultClass::QuotaFull
                | FaultClass::Conflict
                | FaultClass::OutcomeUnknown
                | FaultClass::Unavailable
                | FaultClass::Credentials => Err(fault),
            },
        }
    }
}

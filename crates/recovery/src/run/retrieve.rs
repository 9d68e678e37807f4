//! Has S3 retrieve archived objects, and waits for them.

use amiferry_core::code::Code;
use amiferry_core::model::{Archived, ObjectVersion, Speed};
use amiferry_core::names::RecoveryPointId;
use jiff::SignedDuration;

use super::{Event, Run};
use crate::Recoverer;

/// How often a retrieval is looked at; an expedited one takes minutes.
const RETRIEVAL_POLL: SignedDuration = SignedDuration::from_mins(5);
const EXPEDITED_POLL: SignedDuration = SignedDuration::from_mins(1);

impl Run<'_> {
    /// Has S3 retrieve an object. S3 shows when it is there, for this run or the next one.
    pub(super) async fn retrieve(
        &mut self,
        id: &RecoveryPointId,
        version: &ObjectVersion,
        archived: &Archived,
    ) {
        let Recoverer { archive, observer, retrieval, .. } = self.recoverer;
        let owner = &observer.vault.account;
        match archive.retrieve(owner, version, archived, *retrieval).await {
            Ok(()) => {
                self.settle(id, Ok(()));
                self.retrieving(id, archived);
            }
            // No pause brings capacity that no one has bought.
            Err(fault) if fault.code == "GlacierExpeditedRetrievalNotAvailable" => {
                self.give_up(id, Code::ObjectArchived, fault.to_string());
            }
            // It is not archived any more: the next look says so.
            Err(fault) if fault.code == "InvalidObjectState" => {
                self.failed(id, Code::ObjectArchived, fault.to_string());
            }
            Err(fault) => self.settle(id, Err(fault)),
        }
    }

    /// Waits for a retrieval. When it began is not known: another run may have begun it.
    pub(super) fn retrieving(&mut self, id: &RecoveryPointId, archived: &Archived) {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(id) else { return };
        let size = task.manifest.vault_object.size;
        let speed = self.recoverer.retrieval.speed.at(archived.depth());
        let poll = if speed == Speed::Expedited { EXPEDITED_POLL } else { RETRIEVAL_POLL };
        task.at = now.saturating_add(poll).ok();
        let ready_by = speed.takes(archived.depth(), size).after(now);
        let size_gb = task.manifest.source.size_gib;
        if self.turns.retrieving.contains_key(id) {
            return;
        }
        self.turns.retrieving.insert(id.clone(), (ready_by, size_gb));
        let from = archived.place.clone();
        (self.tell)(&Event::Retrieving { id: id.clone(), from, speed, ready_by });
    }
}

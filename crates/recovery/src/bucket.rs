//! Reads everything that the vault bucket records. Asks S3 alone.

use std::collections::BTreeMap;

use amiferry_core::decide::vault::ManifestFact;
use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::fault::Fault;
use amiferry_core::manifest::Manifest;
use amiferry_core::names::RecoveryPointId;
use amiferry_target_worker::walk::Written;
use futures::{StreamExt, stream};

use crate::Recoverer;

/// How many records are read at once.
const READS_IN_FLIGHT: usize = 32;

/// What the bucket says of one recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It was complete, and consists of this.
    Recorded(Box<Manifest>),
    /// The retention rules gave it up.
    Pruned(Box<Manifest>),
    /// There is something of it, and no record: it was never complete.
    Unrecorded,
    /// What lies under the manifest's key, or beside it, cannot be believed.
    Unreadable(String),
    /// S3 did not answer.
    Unanswered(Box<Fault>),
}

/// Everything in the bucket that belongs to a recovery point.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// What is said of each.
    pub said: BTreeMap<RecoveryPointId, Said>,
    /// How many versions there are of what is written once.
    pub written: BTreeMap<RecoveryPointId, Written>,
    /// How many keys of the listing could not be read.
    pub unreadable_keys: usize,
}

impl Records {
    /// The recovery points that were complete, with what is recorded of them.
    pub fn recorded(&self) -> impl Iterator<Item = (&RecoveryPointId, &Manifest)> + Clone {
        self.said.iter().filter_map(|(id, said)| match said {
            Said::Recorded(manifest) => Some((id, manifest.as_ref())),
            Said::Pruned(_) | Said::Unrecorded | Said::Unreadable(_) | Said::Unanswered(_) => None,
        })
    }

    /// What is recorded of one that was complete.
    pub(crate) fn manifest(&self, id: &RecoveryPointId) -> Option<&Manifest> {
        match self.said.get(id)? {
            Said::Recorded(manifest) => Some(manifest),
            Said::Pruned(_) | Said::Unrecorded | Said::Unreadable(_) | Said::Unanswered(_) => None,
        }
    }
}

impl Records {
    /// What a look at a recovery point begins with.
    pub(crate) fn observation(&self, id: &RecoveryPointId) -> Observation {
        let mut observation = Observation::nothing(id.clone());
        let written = self.written.get(id).copied().unwrap_or_default();
        let Written { manifests, notes, endings } = written;
        (observation.observed.manifests, observation.observed.notes) = (manifests, notes);
        observation.observed.endings = endings;
        observation
    }
}

impl Recoverer {
    /// Reads the manifest of every recovery point, with its further records put over it.
    ///
    /// # Errors
    /// The bucket cannot be listed. What cannot be read of one recovery point is that one's trouble.
    pub async fn records(&self) -> Result<Records, Fault> {
        let held = self.observer.held().await?;
        let now = self.clock.now();
        let reads: Vec<_> = held
            .points
            .iter()
            .map(|(id, written)| async move {
                let said = match self.observer.recorded(id, written.manifests, now).await {
                    Ok(ManifestFact::Present(manifest)) if manifest.recovery_point != *id => {
                        Said::Unreadable("its manifest is of another recovery point".to_owned())
                    }
                    Ok(ManifestFact::Present(manifest)) => Said::Recorded(manifest),
                    Ok(ManifestFact::Pruned(manifest)) => Said::Pruned(manifest),
                    Ok(ManifestFact::Absent) => Said::Unrecorded,
                    Ok(ManifestFact::Unreadable(why)) => Said::Unreadable(why),
                    Err(fault) => Said::Unanswered(Box::new(fault)),
                };
                (id.clone(), said)
            })
            .collect();
        let said = stream::iter(reads).buffer_unordered(READS_IN_FLIGHT).collect().await;
        let unreadable_keys = held.unreadable.len();
        Ok(Records { said, written: held.points, unreadable_keys })
    }
}

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
    /// A record gives it up, and its object is gone.
    Pruned(Box<Manifest>),
    /// A record gives it up, and its object is still there.
    GivenUp(Box<Manifest>),
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
        self.told().filter(move |(id, _)| !self.is_given_up(id))
    }

    /// The same, with those that a record gives up while their objects are still there.
    pub fn told(&self) -> impl Iterator<Item = (&RecoveryPointId, &Manifest)> + Clone {
        self.said.iter().filter_map(|(id, said)| Some((id, said.told()?)))
    }

    /// Whether a record gives it up, and its object is still there.
    pub(crate) fn is_given_up(&self, id: &RecoveryPointId) -> bool {
        matches!(self.said.get(id), Some(Said::GivenUp(_)))
    }

    /// What is recorded of one that was complete, and whose object is not known to be gone.
    pub(crate) fn manifest(&self, id: &RecoveryPointId) -> Option<&Manifest> {
        self.said.get(id)?.told()
    }
}

impl Said {
    fn told(&self) -> Option<&Manifest> {
        match self {
            Self::Recorded(manifest) | Self::GivenUp(manifest) => Some(manifest),
            Self::Pruned(_) | Self::Unrecorded | Self::Unreadable(_) | Self::Unanswered(_) => None,
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
        let shown = &held;
        let now = self.clock.now();
        let reads: Vec<_> = shown
            .points
            .iter()
            .map(|(id, written)| async move {
                let said = match self.observer.recorded(id, written.manifests, now).await {
                    Ok(ManifestFact::Present(manifest)) if manifest.recovery_point != *id => {
                        Said::Unreadable("its manifest is of another recovery point".to_owned())
                    }
                    Ok(ManifestFact::Present(manifest)) => Said::Recorded(manifest),
                    Ok(ManifestFact::Pruned(manifest)) => {
                        let version = manifest.vault_object.at.version.as_deref();
                        match shown.has_object(id, version) {
                            true => Said::GivenUp(manifest),
                            false => Said::Pruned(manifest),
                        }
                    }
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

//! Reads the further records of recovery points whose manifests do not say what AWS shows.

use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::decide::vault::{self, Asked, ManifestFact, Observed, Unanswered};
use amiferry_core::fault::Fault;
use amiferry_core::ids::ObjectKey;
use amiferry_core::manifest::{LARGEST_RECORD, Manifest, Record, RestoredRecord, is_pruned};
use amiferry_core::names::{self, RecordKind, RecoveryPointId, VaultEntry};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::ListedObject;
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::noted::seen;
use crate::observe::{CALLS_IN_FLIGHT, Observer, unanswered};

/// A manifest with its records put over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continued {
    /// What it says with them.
    pub manifest: ManifestFact,
    /// The newest of them, which the next one follows: none follows the one that gives all of it up.
    pub newest: Option<(u32, RecordKind)>,
    /// The restored images that they gave up.
    pub given_up: Vec<RestoredRecord>,
    /// The manifest by itself, where they cannot be believed.
    pub doubted: Option<Box<Manifest>>,
}

impl Continued {
    fn only(manifest: ManifestFact) -> Self {
        Self { manifest, newest: None, given_up: Vec::new(), doubted: None }
    }

    /// A manifest beside which this cannot be believed.
    fn doubted(manifest: Manifest, why: String) -> Self {
        let doubted = Some(Box::new(manifest));
        Self { doubted, ..Self::only(ManifestFact::Unreadable(why)) }
    }
}

impl Observer {
    /// Puts the records over the manifests of those that need them: one listing for each, and one
    /// read for each of its records.
    pub(crate) async fn look_at_records(&self, seen: &mut [Result<Observation, Unanswered>]) {
        let wanted: Vec<(usize, RecoveryPointId, Manifest)> = seen
            .iter()
            .enumerate()
            .filter_map(|(index, observation)| {
                let observed = &observation.as_ref().ok()?.observed;
                match &observed.manifest {
                    ManifestFact::Present(manifest) if vault::needs_records(observed) => {
                        Some((index, observed.id.clone(), manifest.as_ref().clone()))
                    }
                    _ => None,
                }
            })
            .collect();
        let asked: Vec<_> = wanted
            .into_iter()
            .map(
                |(index, id, manifest)| async move { (index, self.continued(&id, manifest).await) },
            )
            .collect();
        let answers: Vec<_> = stream::iter(asked).buffered(CALLS_IN_FLIGHT).collect().await;
        for (index, answer) in answers {
            match (seen[index].as_mut(), answer) {
                (Ok(observation), Ok(continued)) => {
                    observation.observed.manifest =
                        restorable(&observation.observed, continued.manifest);
                    observation.observed.newest_record = continued.newest;
                    observation.observed.given_up = continued.given_up;
                    observation.observed.doubted = continued.doubted;
                }
                (Ok(_), Err(fault)) => seen[index] = Err(unanswered(Asked::VaultObjects)(fault)),
                (Err(_), _) => {}
            }
        }
    }

    /// What is recorded of a recovery point whose manifest has so many versions: the manifest with
    /// its further records put over it. Asks S3 alone.
    ///
    /// # Errors
    /// S3 did not answer.
    pub async fn recorded(
        &self,
        id: &RecoveryPointId,
        versions: u16,
        now: Timestamp,
    ) -> Result<ManifestFact, Fault> {
        self.record_of(id, versions, now).await.map(|continued| continued.manifest)
    }

    /// The same, with what the records gave up.
    ///
    /// # Errors
    /// S3 did not answer.
    pub async fn record_of(
        &self,
        id: &RecoveryPointId,
        versions: u16,
        now: Timestamp,
    ) -> Result<Continued, Fault> {
        let keys = self.keys_of(id)?;
        match self.manifest(&keys.manifest, versions, now).await? {
            ManifestFact::Present(manifest) => self.continued(id, *manifest).await,
            other => Ok(Continued::only(other)),
        }
    }

    /// Puts its records over the manifest of one recovery point.
    pub(crate) async fn continue_record(&self, observed: &mut Observed) -> Result<(), Fault> {
        let ManifestFact::Present(manifest) = &observed.manifest else { return Ok(()) };
        let manifest = manifest.as_ref().clone();
        let continued = self.continued(&observed.id, manifest).await?;
        observed.manifest = restorable(observed, continued.manifest);
        (observed.newest_record, observed.given_up) = (continued.newest, continued.given_up);
        observed.doubted = continued.doubted;
        Ok(())
    }

    /// Reads all its records, and puts them over the manifest.
    ///
    /// # Errors
    /// S3 did not answer.
    pub async fn continued(
        &self,
        id: &RecoveryPointId,
        manifest: Manifest,
    ) -> Result<Continued, Fault> {
        let mut records = Vec::new();
        for (key, number, kind) in self.record_keys(id).await? {
            let (account, bucket) = (&self.vault.account, &self.vault.bucket);
            let found = seen(self.vault.objects.read(account, bucket, &key, LARGEST_RECORD).await)?;
            let read = match found.map(|found| Record::from_json(&found.bytes)) {
                // Hidden since the listing.
                None => Err("it is gone".to_owned()),
                Some(read) => read.map_err(|error| error.to_string()),
            };
            match read {
                Ok(record) if (record.number, Some(record.kind)) == (number, kind) => {
                    records.push(record);
                }
                Ok(_) => {
                    let why = format!("{key}: its key names another record");
                    return Ok(Continued::doubted(manifest, why));
                }
                Err(why) => return Ok(Continued::doubted(manifest, format!("{key}: {why}"))),
            }
        }
        let is_of_it = |record: &Record| record.recovery_point == *id;
        if let Some(other) = records.iter().find(|record| !is_of_it(record)) {
            let why = format!("record {} is of another recovery point", other.number);
            return Ok(Continued::doubted(manifest, why));
        }
        let followed = records.iter().filter(|record| record.kind != RecordKind::Pruned);
        let newest = followed.map(|record| (record.number, record.kind)).max();
        let pruned = is_pruned(&records) && !has(Bug::TombstoneUnread);
        let given_up = records.iter().flat_map(|record| record.given_up.iter().cloned()).collect();
        let manifest = match manifest.clone().with_records(&records) {
            Ok(manifest) if pruned => ManifestFact::Pruned(Box::new(manifest)),
            Ok(manifest) => ManifestFact::Present(Box::new(manifest)),
            Err(why) => return Ok(Continued::doubted(manifest, why)),
        };
        Ok(Continued { manifest, newest, given_up, doubted: None })
    }

    /// The keys of its records in their order. Another key beside them is no record.
    pub(crate) async fn record_keys(
        &self,
        id: &RecoveryPointId,
    ) -> Result<Vec<(ObjectKey, u32, Option<RecordKind>)>, Fault> {
        let keys = self.keys_of(id)?;
        let vault = self.vault_id();
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let (account, bucket) = (&self.vault.account, &self.vault.bucket);
            let listed = self.vault.objects.list(account, bucket, &keys.records, token).await?;
            let (page, next) = listed;
            found.extend(page.items.into_iter().filter_map(|ListedObject { key, .. }| {
                match names::vault_entry(&self.vault.prefix, &vault, &key)?.1 {
                    VaultEntry::Record { number, kind } => Some((key, number, kind)),
                    VaultEntry::Image | VaultEntry::Manifest | VaultEntry::Note => None,
                }
            }));
            token = next;
            if token.is_none() {
                found.sort_by_key(|(_, number, kind)| (*number, *kind));
                return Ok(found);
            }
        }
    }
}

/// What a person wants as an image is judged by its record, also where another one gives it up.
fn restorable(observed: &Observed, manifest: ManifestFact) -> ManifestFact {
    match manifest {
        ManifestFact::Pruned(manifest) if observed.recovery.is_some() => {
            ManifestFact::Present(manifest)
        }
        other => other,
    }
}

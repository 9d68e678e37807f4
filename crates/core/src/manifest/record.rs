//! What happened to a recovery point after its manifest: a further create-once record, numbered,
//! that names the one before. Neither the manifest nor a record is ever rewritten.
//!
//! A reader takes the manifest and puts the records over it, in their order. One that is missing,
//! twice there or of something else makes the whole unreadable: a recovery point is not believed by
//! halves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LARGEST, Manifest, RestoredRecord, Unreadable, VaultObject, parsed};
use crate::names::{MANIFEST_FILE, RecordKind, RecoveryPointId, record_file};
use crate::policy::Tier;

/// The version of the records' format.
const VERSION: u32 = 1;

/// A further record of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    schema_version: u32,
    pub recovery_point: RecoveryPointId,
    /// From 1.
    pub number: u32,
    /// The file beside it that was the newest: the manifest, or the record before.
    pub before: String,
    /// What happened.
    pub kind: RecordKind,
    /// What the recovery point consists of now.
    pub vault_object: VaultObject,
    /// The restored image now: for tier `ready`, and for what a person has restored.
    pub restored: Option<RestoredRecord>,
    /// The restored images that were given up, and are to be deregistered: with this record or with
    /// one before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<RestoredRecord>,
    /// When every fact had been observed again.
    pub recorded_at: Timestamp,
}

impl Record {
    /// The record that follows a manifest with its records, the newest of which is `newest`.
    pub fn after(
        manifest: &Manifest,
        newest: Option<(u32, RecordKind)>,
        kind: RecordKind,
        (vault_object, restored): (VaultObject, Option<RestoredRecord>),
        now: Timestamp,
    ) -> Self {
        Self {
            schema_version: VERSION,
            recovery_point: manifest.recovery_point.clone(),
            number: newest.map_or(0, |(number, _)| number).saturating_add(1),
            before: file_of(newest),
            kind,
            vault_object,
            restored,
            given_up: Vec::new(),
            recorded_at: now,
        }
    }

    /// The record that gives up the restored image, or all of a recovery point. `before` are the
    /// images that earlier records gave up.
    pub fn giving_up(
        manifest: &Manifest,
        newest: Option<(u32, RecordKind)>,
        whole: bool,
        before: &[RestoredRecord],
        now: Timestamp,
    ) -> Self {
        let kind = if whole { RecordKind::Pruned } else { RecordKind::Retired };
        let object = manifest.vault_object.clone();
        let given_up = before.iter().chain(&manifest.restored).cloned().collect();
        Self { given_up, ..Self::after(manifest, newest, kind, (object, None), now) }
    }

    /// Whether it gives up the restored image, or all of the recovery point.
    fn gives_up(&self) -> bool {
        matches!(self.kind, RecordKind::Retired | RecordKind::Pruned)
    }

    /// The JSON that is stored, as a manifest's.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads a record, by the rules for a manifest.
    ///
    /// # Errors
    /// Bytes that are none, more than [`LARGEST`], or an unknown schema version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Unreadable> {
        parsed(bytes, VERSION, |text| serde_json::from_str(text))
    }
}

impl Manifest {
    /// The same with its records put over it: what the recovery point consists of now. Two workers
    /// can write two kinds under one number; the first of them here counts.
    ///
    /// # Errors
    /// Why these are not the records of this recovery point from the first on, or that one gives up an
    /// object which neither the manifest nor another record names.
    pub fn with_records(mut self, records: &[Record]) -> Result<Self, String> {
        let stranger = records.iter().filter(|record| record.gives_up()).find(|record| {
            let known = records.iter().filter(|other| !other.gives_up());
            let mut known = known.map(|other| &other.vault_object).chain([&self.vault_object]);
            !known.any(|object| object.is_the_same_object(&record.vault_object))
        });
        if let Some(Record { number, kind, .. }) = stranger {
            let file = record_file(*number, *kind);
            return Err(format!("{file} gives up an object that nothing beside it records"));
        }
        let mut newest = None;
        // What was given up consists of what it was made of, as far as that is still there.
        for record in records.iter().filter(|record| record.kind != RecordKind::Pruned) {
            let file = record_file(record.number, record.kind);
            let before = newest.map_or(0, |(number, _)| number);
            if record.number == before && record.recovery_point == self.recovery_point {
                continue;
            }
            let expected = before + 1;
            if record.number != expected {
                return Err(format!("{file} is there, and no record {expected}"));
            }
            if record.before != file_of(newest) {
                return Err(format!("{file} follows {}, not {}", record.before, file_of(newest)));
            }
            // Tier `archive` has a restored image only once a person has restored it.
            let is_retired = record.kind == RecordKind::Retired;
            let fits_tier = match self.tier {
                _ if is_retired => record.restored.is_none(),
                Tier::Ready => record.restored.is_some() == self.restored.is_some(),
                Tier::Archive => true,
            };
            let is_of_it = record.recovery_point == self.recovery_point && fits_tier;
            if !is_of_it {
                return Err(format!("{file} is of another recovery point"));
            }
            if is_retired {
                self.tier = Tier::Archive;
            }
            self.vault_object = record.vault_object.clone();
            self.restored.clone_from(&record.restored);
            newest = Some((record.number, record.kind));
        }
        Ok(self)
    }
}

/// Whether one of these says that all of the recovery point was given up. Nothing that follows undoes
/// it, and nothing that was written at the same time.
pub fn is_pruned(records: &[Record]) -> bool {
    records.iter().any(|record| record.kind == RecordKind::Pruned)
}

/// The file beside the object that is the newest.
fn file_of(newest: Option<(u32, RecordKind)>) -> String {
    newest.map_or_else(|| MANIFEST_FILE.to_owned(), |(number, kind)| record_file(number, kind))
}

/// The largest record that is read, in bytes.
pub const LARGEST_RECORD: u64 = LARGEST;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::decide::tests::fixture::{With, image, manifest, now, restored_image};

    fn ready() -> Manifest {
        manifest(&image(), Some(&restored_image(&image(), 1)))
    }

    /// The records of an image that was restored again so often.
    fn restored_again(times: u32) -> Vec<Record> {
        let mut newest = None;
        let record = |number| {
            let image = restored_image(&image(), number + 1);
            let restored = RestoredRecord {
                image_id: image.id.clone(),
                name: image.name.clone(),
                snapshots: image.snapshots().cloned().collect(),
                keys: BTreeSet::new(),
                accepted_differences: Vec::new(),
                shared_with: Default::default(),
            };
            let parts = (ready().vault_object, Some(restored));
            let record = Record::after(&ready(), newest, RecordKind::Restored, parts, now());
            newest = Some((record.number, record.kind));
            record
        };
        (1..=times).map(record).collect()
    }

    #[test]
    fn the_newest_record_says_what_a_recovery_point_consists_of() {
        assert_eq!(ready().with_records(&[]), Ok(ready()));
        let records = restored_again(3);
        let now = ready().with_records(&records).unwrap();
        assert_eq!(now.restored.unwrap().image_id.as_str(), "ami-0ccccccccccccccc4");
        assert_eq!(records[0].before, "manifest.json");
        assert_eq!(records[2].before, "record-0002-restored.json");
    }

    #[test]
    fn records_that_are_not_one_after_the_other_are_not_believed() {
        let all = restored_again(3);
        let changed = |change: fn(&mut Record)| all.clone().with(|all| change(&mut all[1]));
        for (records, why) in [
            (all[1..].to_vec(), "the first is missing"),
            (vec![all[0].clone(), all[2].clone()], "one between is missing"),
            (changed(|record| record.before = "manifest.json".to_owned()), "it forks"),
            (changed(|record| record.restored = None), "it drops the restored image"),
            (
                changed(|record| {
                    record.recovery_point.source_image_id = "ami-0abcdef1".parse().unwrap();
                }),
                "it is of another image",
            ),
        ] {
            assert!(ready().with_records(&records).is_err(), "{why}");
        }
    }

    #[test]
    fn of_two_kinds_under_one_number_the_first_counts_and_the_next_record_follows_it() {
        let [first, second] = restored_again(2).try_into().unwrap();
        let rival = first.clone().with(|record| {
            record.kind = RecordKind::Stored;
            record.vault_object.size += 1;
        });
        let read = ready().with_records(&[first.clone(), rival, second.clone()]);
        assert_eq!(read, ready().with_records(&[first, second]));
    }

    #[test]
    fn what_gives_a_recovery_point_up_wins_over_what_was_written_at_the_same_time() {
        let [restored] = restored_again(1).try_into().unwrap();
        let pruned = Record::giving_up(&ready(), None, true, &[], now());
        assert_eq!((pruned.number, pruned.kind), (1, RecordKind::Pruned));
        assert_eq!(pruned.given_up, ready().restored.into_iter().collect::<Vec<_>>());
        for records in [vec![restored.clone(), pruned.clone()], vec![pruned, restored]] {
            assert!(is_pruned(&records) && ready().with_records(&records).is_ok());
        }
    }

    #[test]
    fn what_gives_up_an_object_that_nothing_records_is_not_believed() {
        let [restored] = restored_again(1).try_into().unwrap();
        let stored = restored.with(|record| {
            record.kind = RecordKind::Stored;
            record.vault_object.at.version = Some("vault-2".to_owned());
        });
        for whole in [true, false] {
            let gives_up = Record::giving_up(&ready(), None, whole, &[], now());
            for change in [
                |object: &mut VaultObject| object.at.version = Some("another".to_owned()),
                |object: &mut VaultObject| object.size += 1,
                |object: &mut VaultObject| object.checksum.value = "YW5vdGhlcg==".to_owned(),
            ] {
                let forged = gives_up.clone().with(|record| change(&mut record.vault_object));
                let why = ready().with_records(std::slice::from_ref(&forged)).unwrap_err();
                assert!(why.contains("nothing beside it records"), "{why}");
                // Another that gives it up, too, is no witness.
                assert!(ready().with_records(&[forged.clone(), forged]).is_err());
            }
            // A worker that stored the object again at the same time has recorded another one.
            let read = ready().with_records(&[stored.clone(), gives_up]);
            assert_eq!(read.unwrap().vault_object.at.version.as_deref(), Some("vault-2"));
            let later = Record::giving_up(&ready(), None, whole, &[], now())
                .with(|record| record.vault_object = stored.vault_object.clone());
            assert!(ready().with_records(&[stored.clone(), later]).is_ok());
        }
    }

    #[test]
    fn an_image_that_is_given_up_makes_an_archive_of_its_recovery_point_until_a_person_restores_it()
    {
        let retired = Record::giving_up(&ready(), None, false, &[], now());
        let archived = ready().with_records(std::slice::from_ref(&retired)).unwrap();
        assert_eq!((archived.tier, &archived.restored), (Tier::Archive, &None));
        let [again] = restored_again(1).try_into().unwrap();
        let parts = (archived.vault_object.clone(), again.restored);
        let newest = Some((1, RecordKind::Retired));
        let again = Record::after(&archived, newest, RecordKind::Restored, parts, now());
        let read = ready().with_records(&[retired.clone(), again.clone()]).unwrap();
        assert_eq!((read.tier, read.restored.is_some()), (Tier::Archive, true));
        // One that names an image gives none up.
        let odd = retired.with(|record| record.restored.clone_from(&again.restored));
        assert!(ready().with_records(&[odd]).is_err());
    }

    #[test]
    fn a_record_reads_back_and_nothing_else_is_one() {
        let [record] = restored_again(1).try_into().unwrap();
        assert_eq!(Record::from_json(&record.to_json()), Ok(record.clone()));
        let text = String::from_utf8(record.to_json()).unwrap();
        let newer = text.replace("\"schema_version\": 1", "\"schema_version\": 2");
        assert_eq!(Record::from_json(newer.as_bytes()), Err(Unreadable::Version(2)));
        let twice = text.replace("\"number\": 1", "\"number\": 1, \"number\": 2");
        for bytes in [&b""[..], b"{}", twice.as_bytes(), &ready().to_json()] {
            assert!(matches!(Record::from_json(bytes), Err(Unreadable::Malformed(_))));
        }
    }
}

//! Files as every version so far has written them, read for good. None of them is ever changed: a
//! vault holds such files for years.

use super::{Manifest, Note, Record, Teller, is_pruned};
use crate::names::RecordKind;
use crate::policy::Tier;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name, ".json"))
    };
}

const MANIFESTS: [(&str, &[u8]); 3] = [
    ("first", fixture!("manifest-1-first")),
    ("archive", fixture!("manifest-1-archive")),
    ("full", fixture!("manifest-1-full")),
];

const RECORDS: [(RecordKind, &[u8]); 5] = [
    (RecordKind::Restored, fixture!("record-1-restored")),
    (RecordKind::Stored, fixture!("record-1-stored")),
    (RecordKind::Shared, fixture!("record-1-shared")),
    (RecordKind::Retired, fixture!("record-1-retired")),
    (RecordKind::Pruned, fixture!("record-1-pruned")),
];

#[test]
fn every_manifest_ever_written_is_read_and_written_again_byte_by_byte() {
    for (name, bytes) in MANIFESTS {
        let manifest = Manifest::from_json(bytes).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(manifest.recovery_point.source_image_id.as_str(), "ami-0123456789abcdef0");
        assert_eq!((manifest.family.as_str(), manifest.policy.as_str()), ("web", "gold"));
        assert_eq!(manifest.vault_object.size, 3_000_000_000, "{name}");
        assert_eq!(manifest.tier == Tier::Archive, manifest.restored.is_none(), "{name}");
        let written = String::from_utf8(manifest.to_json()).unwrap();
        assert_eq!(written, String::from_utf8_lossy(bytes), "{name}");
    }
}

#[test]
fn every_further_record_ever_written_is_read_and_put_over_its_manifest() {
    let records: Vec<Record> = RECORDS
        .iter()
        .map(|(kind, bytes)| {
            let record = Record::from_json(bytes).unwrap();
            assert_eq!(record.kind, *kind);
            assert_eq!(record.to_json(), bytes.to_vec(), "{kind:?}");
            record
        })
        .collect();
    let first = Manifest::from_json(MANIFESTS[0].1).unwrap();
    let now = first.with_records(&records[..3]).unwrap();
    assert_eq!(now.vault_object.at.version.as_deref(), Some("vault-2"));
    let restored = now.restored.unwrap();
    assert_eq!(restored.image_id.as_str(), "ami-0ccccccccccccccc2");
    assert_eq!(restored.shared_with.len(), 1);

    // A person restored one of tier `archive`; its manifest named no image.
    let archived = Manifest::from_json(MANIFESTS[1].1).unwrap();
    let now = archived.with_records(&records[..1]).unwrap();
    assert!(now.tier == Tier::Archive && now.restored.is_some());

    // Its AMI was given up, and then all of it.
    let given_up = &records[3..];
    let now = Manifest::from_json(MANIFESTS[0].1).unwrap().with_records(given_up).unwrap();
    assert!(now.tier == Tier::Archive && now.restored.is_none());
    assert!(is_pruned(given_up) && !is_pruned(&records[..4]));
    assert_eq!(given_up[1].given_up[0].image_id.as_str(), "ami-0ccccccccccccccc1");
}

#[test]
fn every_note_ever_written_is_read() {
    let id = Manifest::from_json(MANIFESTS[0].1).unwrap().recovery_point;
    for (teller, bytes) in [
        (Teller::Vault, &fixture!("note-1-vault")[..]),
        (Teller::Source, &fixture!("note-1-source")[..]),
    ] {
        let note = Note::from_json(bytes, &id).unwrap_or_else(|why| panic!("{teller:?}: {why}"));
        assert_eq!((note.told_by, note.source.size_gib), (teller, 8));
        assert_eq!(note.to_json(), bytes.to_vec(), "{teller:?}");
    }
}

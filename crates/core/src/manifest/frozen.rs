//! Files as every version so far has written them, read for good. None of them is ever changed: a
//! vault holds such files for years.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Manifest, Note, Record, Teller, is_pruned};
use crate::names::RecordKind;
use crate::policy::Tier;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name, ".json"))
    };
}

const MANIFESTS: [(&str, &[u8]); 4] = [
    ("first", fixture!("manifest-1-first")),
    ("archive", fixture!("manifest-1-archive")),
    ("full", fixture!("manifest-1-full")),
    ("ruled", fixture!("manifest-1-ruled")),
];

const RECORDS: [(RecordKind, &[u8]); 6] = [
    (RecordKind::Restored, fixture!("record-1-restored")),
    (RecordKind::Stored, fixture!("record-1-stored")),
    (RecordKind::Shared, fixture!("record-1-shared")),
    (RecordKind::Retired, fixture!("record-1-retired")),
    (RecordKind::Pruned, fixture!("record-1-pruned")),
    // With everything that a record may have, in the place of the first.
    (RecordKind::Restored, fixture!("record-1-ruled")),
];

const NOTES: [(Teller, &[u8]); 3] = [
    (Teller::Vault, fixture!("note-1-vault")),
    (Teller::Source, fixture!("note-1-source")),
    (Teller::Vault, fixture!("note-1-ruled")),
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
    let given_up = &records[3..5];
    let now = Manifest::from_json(MANIFESTS[0].1).unwrap().with_records(given_up).unwrap();
    assert!(now.tier == Tier::Archive && now.restored.is_none());
    assert!(is_pruned(given_up) && !is_pruned(&records[..4]));
    assert_eq!(given_up[1].given_up[0].image_id.as_str(), "ami-0ccccccccccccccc1");

    let first = Manifest::from_json(MANIFESTS[0].1).unwrap();
    let now = first.with_records(&records[5..]).unwrap();
    assert_eq!(now.vault_object.class.as_deref(), Some("DEEP_ARCHIVE"));
    let restored = now.restored.unwrap();
    let counts = (restored.keys.len(), restored.accepted_differences.len());
    assert_eq!((counts, restored.shared_with.len()), ((1, 1), 1));
}

#[test]
fn every_note_ever_written_is_read() {
    let id = Manifest::from_json(MANIFESTS[0].1).unwrap().recovery_point;
    for (teller, bytes) in NOTES {
        let note = Note::from_json(bytes, &id).unwrap_or_else(|why| panic!("{teller:?}: {why}"));
        assert_eq!((note.told_by, note.source.size_gib), (teller, 8));
        assert_eq!(note.to_json(), bytes.to_vec(), "{teller:?}");
    }
}

/// The names of all fields in a JSON document, but not those of tags, which are an owner's.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                found.insert(name.clone());
                if name != "tags" {
                    fields(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

/// The names that a JSON Schema has fields for.
fn described(schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.extend(properties.keys().cloned());
    }
    match schema {
        Value::Object(entries) => entries.values().for_each(|value| described(value, found)),
        Value::Array(items) => items.iter().for_each(|value| described(value, found)),
        _ => {}
    }
}

#[test]
fn every_field_that_a_file_of_the_vault_may_have_is_in_a_frozen_one() {
    let manifests: Vec<&[u8]> = MANIFESTS.iter().map(|(_, bytes)| *bytes).collect();
    let records: Vec<&[u8]> = RECORDS.iter().map(|(_, bytes)| *bytes).collect();
    let notes: Vec<&[u8]> = NOTES.iter().map(|(_, bytes)| *bytes).collect();
    for (kind, schema, frozen) in [
        ("manifest", include_str!("../../../../docs/schema/manifest-1.json"), manifests),
        ("record", include_str!("../../../../docs/schema/record-1.json"), records),
        ("note", include_str!("../../../../docs/schema/note-1.json"), notes),
    ] {
        let (mut known, mut held) = (BTreeSet::new(), BTreeSet::new());
        described(&serde_json::from_str(schema).unwrap(), &mut known);
        for bytes in frozen {
            fields(&serde_json::from_slice(bytes).unwrap(), &mut held);
        }
        // A note is always of an image that was seen.
        let other = |name: &&String| kind == "note" && ["unseen", "why"].contains(&name.as_str());
        let missing: Vec<&String> = known.difference(&held).filter(|name| !other(name)).collect();
        assert!(
            missing.is_empty(),
            "{missing:?} of a {kind} in no frozen file: add one with it, and change none"
        );
    }
}

/// A document with a field in each of its objects that this version does not know; tags are an owner's.
fn of_a_later_version(bytes: &[u8]) -> Vec<u8> {
    fn grow(value: &mut Value) {
        match value {
            Value::Object(entries) => {
                entries.iter_mut().filter(|(name, _)| *name != "tags").for_each(|(_, v)| grow(v));
                entries.insert("added_later".to_owned(), Value::from(["x"].to_vec()));
            }
            Value::Array(items) => items.iter_mut().for_each(grow),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(bytes).unwrap();
    grow(&mut value);
    serde_json::to_vec(&value).unwrap()
}

#[test]
fn a_part_that_a_later_version_adds_to_a_file_is_passed_over() {
    for (name, bytes) in MANIFESTS {
        let later = Manifest::from_json(&of_a_later_version(bytes)).unwrap();
        assert_eq!(later, Manifest::from_json(bytes).unwrap(), "{name}");
    }
    for (kind, bytes) in RECORDS {
        let later = Record::from_json(&of_a_later_version(bytes)).unwrap();
        assert_eq!(later, Record::from_json(bytes).unwrap(), "{kind:?}");
    }
    let id = Manifest::from_json(MANIFESTS[0].1).unwrap().recovery_point;
    for (teller, bytes) in NOTES {
        let later = Note::from_json(&of_a_later_version(bytes), &id).unwrap();
        assert_eq!(later, Note::from_json(bytes, &id).unwrap(), "{teller:?}");
    }
}

//! What was complete and is not any more: lost, tampered with, or unusable.

use amiferry_audit::inventory::State;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::lifecycle::{self, Sharing};
use amiferry_simulator::kms::{self, KeyState};
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3::archive::{self, Tier};
use amiferry_simulator::s3::storage_class::StorageClass;

use super::play::play;
use super::{End, Failure, LOST, change, copy_of, hide, put_over, remove_newest};
use crate::losses::{deregister_copy, lose_source};
use crate::records::replace;
use crate::stage::{Stage, truth};

fn set_key(stage: &Stage, to: KeyState) {
    kms::set_key_state(&mut stage.world.lock(), &stage.landscape.vault_key, to).unwrap();
}

/// With whom the restored image is shared: with a stranger, or not at all.
fn share(stage: &Stage, id: &ImageId, with_stranger: bool) {
    let (copy, mut stranger) = (copy_of(stage, id), Sharing::default());
    stranger.add_account("333333333333").unwrap();
    let (add, remove) = match with_stranger {
        true => (stranger, Sharing::default()),
        false => (Sharing::default(), stranger),
    };
    let place = &stage.landscape.vault;
    lifecycle::share(&mut stage.world.lock(), place, &copy, &add, &remove).unwrap();
}

/// Changes a tag of the restored image.
fn retag(stage: &Stage, id: &ImageId, value: &str) {
    let copy = copy_of(stage, id);
    let mut state = stage.world.lock();
    let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
    let image = site.images.get_mut(&copy).unwrap();
    image.tags.insert("workload".to_owned(), value.to_owned());
}

fn set_class(stage: &Stage, id: &ImageId, class: StorageClass) {
    change(stage, id, "image.bin", |object| object.attributes.storage_class = class);
}

/// Takes thirty days off the lock of the object, or puts them back.
fn shorten_lock(stage: &Stage, id: &ImageId, days: i64) {
    change(stage, id, "image.bin", |object| {
        let retention = object.attributes.retention.as_mut().unwrap();
        retention.until -= jiff::SignedDuration::from_hours(24 * days);
    });
}

/// Encrypts the snapshots of the restored image with another key, which the landscape's source owns.
fn encrypt_with_another(stage: &Stage, id: &ImageId) {
    let copy = copy_of(stage, id);
    let mut state = stage.world.lock();
    let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
    let snapshots: Vec<_> = site.images[&copy].snapshots().cloned().collect();
    for snapshot in snapshots {
        let snapshot = site.snapshots.get_mut(&snapshot).unwrap();
        snapshot.key = Some(stage.landscape.workload_key.clone());
    }
}

const TAMPERED: Failure = Failure { state: State::Tampered, ..LOST };
const UNUSABLE: Failure = Failure { state: State::Unusable, ..LOST };

pub const TABLE: &[Failure] = &[
    Failure {
        what: "a delete marker hides the object, and the source is gone",
        code: Code::ObjectLost,
        harm: |stage, id| {
            lose_source(stage, id);
            hide(stage, id, "image.bin");
        },
        end: End::Mended("delete the marker by its version id", |stage, id| {
            remove_newest(stage, id, "image.bin");
        }),
        ..LOST
    },
    Failure {
        what: "the object is deleted, and the source is gone",
        code: Code::ObjectLost,
        harm: |stage, id| {
            lose_source(stage, id);
            remove_newest(stage, id, "image.bin");
        },
        end: End::GivenUp("delete its manifest", |stage, id| {
            remove_newest(stage, id, "manifest.json");
        }),
        ..LOST
    },
    Failure {
        what: "the object is in an archive tier",
        code: Code::ObjectArchived,
        harm: |stage, id| set_class(stage, id, StorageClass::GlacierFlexibleRetrieval),
        end: End::Mended("restore it with `RestoreObject`", |stage, id| {
            let (key, now) = (truth::vault_key(stage, id, "image.bin"), stage.world.now());
            let mut state = stage.world.lock();
            archive::restore(&mut state, now, (VAULT_BUCKET, &key), 35, Tier::Expedited).unwrap();
        }),
        ..UNUSABLE
    },
    Failure {
        what: "the vault's key is disabled after the record",
        code: Code::KeyUnusable,
        harm: |stage, _| set_key(stage, KeyState::Disabled),
        end: End::Mended("enable the key", |stage, _| set_key(stage, KeyState::Enabled)),
        ..UNUSABLE
    },
    Failure {
        what: "the vault's key is to be deleted after the record",
        code: Code::KeyUnusable,
        harm: |stage, _| set_key(stage, KeyState::PendingDeletion),
        end: End::Mended("cancel the deletion and enable the key", |stage, _| {
            set_key(stage, KeyState::Enabled);
        }),
        ..UNUSABLE
    },
    Failure {
        what: "the restored image is shared with a stranger",
        code: Code::Shared,
        harm: |stage, id| share(stage, id, true),
        end: End::Mended("remove its launch permissions", |stage, id| share(stage, id, false)),
        ..TAMPERED
    },
    Failure {
        what: "the restored image has another tag than its record",
        code: Code::MetadataMismatch,
        harm: |stage, id| retag(stage, id, "other"),
        end: End::Mended("deregister it, with its protection off", |stage, id| {
            deregister_copy(stage, id);
        }),
        ..TAMPERED
    },
    Failure {
        what: "a snapshot of the restored image has a key of another account",
        code: Code::SnapshotsUnencrypted,
        harm: |stage, id| encrypt_with_another(stage, id),
        end: End::Mended("deregister the image, with its protection off", |stage, id| {
            deregister_copy(stage, id);
        }),
        ..TAMPERED
    },
    Failure {
        what: "the restored image is disabled",
        code: Code::RestoreFailed,
        harm: |stage, id| {
            let (copy, now) = (copy_of(stage, id), stage.world.now());
            lifecycle::disable(&mut stage.world.lock(), now, &stage.landscape.vault, &copy)
                .unwrap();
        },
        end: End::Mended("enable it, as the detail says", |stage, id| {
            let (copy, now) = (copy_of(stage, id), stage.world.now());
            lifecycle::enable(&mut stage.world.lock(), now, &stage.landscape.vault, &copy).unwrap();
        }),
        ..UNUSABLE
    },
    Failure {
        what: "the lock of the object ends earlier than its record says",
        code: Code::VaultObjectUnprotected,
        harm: |stage, id| shorten_lock(stage, id, 30),
        end: End::Mended("give it back the retention of its record", |stage, id| {
            shorten_lock(stage, id, -30);
        }),
        ..TAMPERED
    },
    Failure {
        what: "another object is written over the recorded one",
        code: Code::ManifestMismatch,
        harm: |stage, id| put_over(stage, id, "image.bin"),
        end: End::Mended("delete the later version by its version id", |stage, id| {
            remove_newest(stage, id, "image.bin");
        }),
        ..TAMPERED
    },
    Failure {
        what: "a delete marker hides the manifest",
        code: Code::ManifestUnreadable,
        harm: |stage, id| hide(stage, id, "manifest.json"),
        end: End::Mended("delete the marker by its version id", |stage, id| {
            remove_newest(stage, id, "manifest.json");
        }),
        ..TAMPERED
    },
    Failure {
        what: "something is written over the manifest",
        code: Code::ManifestUnreadable,
        harm: |stage, id| put_over(stage, id, "manifest.json"),
        end: End::Mended("delete the later version by its version id", |stage, id| {
            remove_newest(stage, id, "manifest.json");
        }),
        ..TAMPERED
    },
    Failure {
        what: "something is written over the vault's note of the source image",
        code: Code::NoteRewritten,
        harm: |stage, id| put_over(stage, id, "source.json"),
        end: End::Mended("delete the later version by its version id", |stage, id| {
            remove_newest(stage, id, "source.json");
        }),
        ..TAMPERED
    },
    Failure {
        what: "a delete marker hides the vault's note of the source image",
        code: Code::NoteRewritten,
        harm: |stage, id| hide(stage, id, "source.json"),
        end: End::Mended("delete the marker by its version id", |stage, id| {
            remove_newest(stage, id, "source.json");
        }),
        ..TAMPERED
    },
    Failure {
        what: "the only version of the manifest says another family",
        code: Code::ManifestMismatch,
        harm: |stage, id| {
            replace(stage, id, |manifest| manifest["family"] = serde_json::json!("web"));
        },
        end: End::Mended("delete the manifest", |stage, id| {
            remove_newest(stage, id, "manifest.json");
        }),
        ..TAMPERED
    },
];

#[test]
fn what_was_complete_and_is_not_any_more_is_told_everywhere_and_the_remedy_leads_out() {
    play(TABLE);
}

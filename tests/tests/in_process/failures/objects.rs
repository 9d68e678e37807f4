//! Objects, images and tags that are not what they must be, before the recovery point is complete.

use amiferry_audit::inventory::State;
use amiferry_core::code::Code;
use amiferry_core::shape::Acceptable;
use amiferry_simulator::ec2::{ImageSpec, lifecycle};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::archive::{self, Tier};
use amiferry_simulator::s3::storage_class::StorageClass;

use super::play::play;
use super::{
    Asked, End, Failure, PARKED, When, change_at, copy_by_hand, hide, put_over, ready,
    remove_newest,
};
use crate::differences::sold;
use crate::hostile::squat;
use crate::restores::lose_object;
use crate::stage::{Options, Role, truth};
use crate::stores::{copy_onto_itself, lose_checksum, many_tags, store_elsewhere, untag_snapshots};

pub const TABLE: &[Failure] = &[
    Failure {
        what: "the staging bucket holds the image under another key",
        code: Code::StoredElsewhere,
        worker: Role::Source,
        harm: |stage, id| store_elsewhere(stage, id, &format!("{STAGING_BUCKET}/by-hand")),
        end: End::Mended("delete that object", |stage, id| {
            lose_object(stage, STAGING_BUCKET, &format!("by-hand/{id}.bin"));
        }),
        ..PARKED
    },
    Failure {
        what: "the staged object has only a SHA-256 of all its bytes, which no copy in parts can have",
        when: When::Staged,
        code: Code::StagedWithoutChecksum,
        harm: |stage, id| lose_checksum(stage, id),
        end: End::Mended("copy it onto itself", |stage, id| copy_onto_itself(stage, id)),
        ..PARKED
    },
    Failure {
        what: "the staged object is in an archive class",
        when: When::Staged,
        code: Code::StagedArchived,
        asked: Asked::Due(Code::InTurn),
        harm: |stage, id| {
            let archived = StorageClass::GlacierFlexibleRetrieval;
            change_at(stage, STAGING_BUCKET, &truth::staged_key(stage, id), |object| {
                object.attributes.storage_class = archived;
            });
        },
        end: End::Mended("restore it with `RestoreObject`", |stage, id| {
            let (key, now) = (truth::staged_key(stage, id), stage.world.now());
            let (object, tier) = ((STAGING_BUCKET, key.as_str()), Tier::Expedited);
            archive::restore(&mut stage.world.lock(), now, object, 7, tier).unwrap();
        }),
        ..PARKED
    },
    Failure {
        what: "another object lies under the key of the copy, and it is not the staged one",
        when: When::Staged,
        code: Code::VaultObjectMismatch,
        state: State::Tampered,
        exit: 21,
        harm: |stage, id| put_over(stage, id, "image.bin"),
        end: End::Mended("remove that version", |stage, id| remove_newest(stage, id, "image.bin")),
        ..PARKED
    },
    Failure {
        what: "another object lies under the key of the copy, and nothing is staged",
        when: When::NoSource,
        code: Code::StagedObjectUnverifiable,
        harm: |stage, id| put_over(stage, id, "image.bin"),
        end: End::Mended("delete it, behind a delete marker", |stage, id| {
            hide(stage, id, "image.bin");
            stage.start(Role::Source);
        }),
        ..PARKED
    },
    Failure {
        what: "the image's snapshots have more tags than a restore can take",
        code: Code::TooManyTags,
        asked: Asked::Due(Code::InTurn),
        image: |_| many_tags(),
        end: End::Mended(
            "remove the tags, and delete the staged object and its copy",
            |stage, id| {
                untag_snapshots(stage, id);
                lose_object(stage, VAULT_BUCKET, &truth::vault_key(stage, id, "image.bin"));
                lose_object(stage, STAGING_BUCKET, &truth::staged_key(stage, id));
            },
        ),
        ..PARKED
    },
    Failure {
        what: "another image of the vault has the name of the restored image",
        code: Code::NameTaken,
        harm: |stage, id| {
            let name = truth::restored_name(stage, id);
            squat(stage, &name, &[("amiferry:managed", "true")]);
        },
        end: End::Mended("deregister it", |stage, id| {
            let (name, now) = (truth::restored_name(stage, id), stage.world.now());
            let place = stage.landscape.vault.clone();
            let mut state = stage.world.lock();
            let images = &state.ec2[&place].images;
            let squatter = images.values().find(|image| image.name == name).unwrap().id.clone();
            lifecycle::deregister(&mut state, now, &place, &squatter, false).unwrap();
        }),
        ..PARKED
    },
    Failure {
        what: "the restored image lacks product codes of its source",
        code: Code::MetadataMismatch,
        options: || Options::with(|settings| settings.ec2.product_codes_survive = false),
        image: |_| sold(),
        end: End::Mended(
            "accept the difference in the policy, and start the worker again",
            |stage, _| {
                stage.kill(Role::Target);
                for policy in &mut stage.config.policies.0 {
                    policy.accept_differences.insert(Acceptable::ProductCodes);
                }
                stage.start(Role::Target);
            },
        ),
        ..PARKED
    },
    Failure {
        what: "the image was created in the future, by the clock of the worker",
        code: Code::CreatedInFuture,
        exit: 20,
        image: |stage| {
            let created = stage.world.now() + jiff::SignedDuration::from_hours(24 * 365);
            ImageSpec { created: Some(created), ..ready() }
        },
        end: End::Stays("a new image of the family takes its place"),
        ..PARKED
    },
    Failure {
        what: "the policy's retention is not on the copy",
        when: When::Staged,
        code: Code::VaultObjectUnprotected,
        harm: |stage, id| copy_by_hand(stage, id),
        end: End::Mended("delete that copy, and the worker copies again", |stage, id| {
            hide(stage, id, "image.bin");
        }),
        ..PARKED
    },
];

#[test]
fn objects_and_images_that_are_not_what_they_must_be_are_told_everywhere_and_the_remedy_leads_out()
{
    play(TABLE);
}

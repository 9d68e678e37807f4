//! Attackers in the source or the vault account who imitate or swap amiferry's resources.

use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::{self, ImageSpec};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::content::Content;
use amiferry_simulator::s3::{self, NewObject};

use crate::stage::{Fault, Mishap, Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// Puts an image of this name into the vault account.
pub fn squat(stage: &Stage, name: &str, tags: &[(&str, &str)]) -> ImageId {
    let now = stage.world.now();
    let (account, region) = &stage.landscape.vault;
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let squatter = ImageSpec { name: name.to_owned(), tags, ..ImageSpec::default() };
    ec2::add_image(&mut stage.world.lock(), now, account, region, squatter)
}

#[test]
fn a_stranger_under_our_name_is_never_taken_for_ours() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        let name = truth::restored_name(stage, &id);
        let squatter = squat(stage, &name, &[("amiferry:managed", "true")]);
        stage.start_both();
        stage.until_parked(Role::Target, Code::NameTaken, hours(1)).await;
        stage.pass(hours(1)).await;
        assert!(!truth::is_recorded(stage, &id));
        let place = stage.landscape.vault.clone();
        let mut state = stage.world.lock();
        let images = &mut state.ec2.get_mut(&place).unwrap().images;
        assert!(images.remove(&squatter).is_some(), "the stranger's image was removed by us");
        drop(state);
        stage.complete_within(hours(1)).await;
    });
}

/// An image in the vault with the name and the tags of the restore, as far as a stranger to the vault
/// bucket can know them.
fn imitate(stage: &Stage, id: &ImageId) -> ImageId {
    let name = truth::restored_name(stage, id);
    let (account, region) = stage.landscape.source.clone();
    let manifest = format!("s3://{VAULT_BUCKET}/{}", truth::vault_key(stage, id, "manifest.json"));
    let tags = [
        ("amiferry:managed", "true"),
        ("amiferry:source-account", account.as_str()),
        ("amiferry:source-region", region.as_str()),
        ("amiferry:source-image", id.as_str()),
        ("amiferry:manifest", manifest.as_str()),
    ];
    squat(stage, &name, &tags)
}

#[test]
fn an_image_that_was_made_beforehand_with_our_name_and_all_our_tags_is_never_taken_for_ours() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        let squatter = imitate(stage, &id);
        stage.pass(minutes(2)).await;
        stage.start_both();
        stage.until_parked(Role::Target, Code::NameTaken, hours(1)).await;
        // The remedy.
        let place = stage.landscape.vault.clone();
        stage.world.lock().ec2.get_mut(&place).unwrap().images.remove(&squatter).unwrap();
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn an_image_that_is_made_after_the_copy_with_our_name_and_tags_is_not_taken_for_ours_either() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        let dies = Fault::first("CreateRestoreImageTask", Mishap::DiesBefore);
        stage.wire.upset(Role::Target.as_str(), dies);
        stage.start_both();
        stage.until("the copy is made", hours(1), |stage| stage.is_copied(&id)).await;
        let squatter = imitate(stage, &id);
        stage.kill(Role::Target);
        stage.start(Role::Target);
        stage.until_parked(Role::Target, Code::NameTaken, hours(1)).await;
        // The remedy.
        let place = stage.landscape.vault.clone();
        stage.world.lock().ec2.get_mut(&place).unwrap().images.remove(&squatter).unwrap();
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn our_tags_on_a_source_image_mean_nothing_and_do_not_travel() {
    run_test(Options::default(), async |stage| {
        let mut forged = spec("web", "web-1", &[8]);
        for (key, value) in [
            ("amiferry:managed", "true"),
            ("amiferry:source-account", "999999999999"),
            ("amiferry:source-image", "ami-0ffffffffffffffff"),
            ("amiferry:manifest", "s3://elsewhere/manifest.json"),
            ("amiferry:anything", "at all"),
        ] {
            forged.tags.insert(key.to_owned(), value.to_owned());
        }
        let id = stage.image(forged);
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let image = truth::restored(stage, &id).remove(0);
        let account = stage.landscape.source.0.to_string();
        assert_eq!(image.tags["amiferry:source-account"], account);
        assert_eq!(image.tags["amiferry:source-image"], id.to_string());
        assert!(image.tags["amiferry:manifest"].contains(VAULT_BUCKET));
    });
}

/// Writes another object over a staged one.
pub fn replace_staged(stage: &Stage, id: &ImageId, length: u64) {
    let now = stage.world.now();
    let object = NewObject {
        content: Content::synthetic(0xbad, length),
        metadata: Default::default(),
        tags: Default::default(),
    };
    let key = truth::staged_key(stage, id);
    s3::put_by_service(&mut stage.world.lock(), now, STAGING_BUCKET, &key, object).unwrap();
}

#[test]
fn a_staged_object_that_is_replaced_after_it_was_recorded_changes_nothing() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        replace_staged(stage, &id, 3 << 30);
        stage.pass(hours(1)).await;
        stage.complete_within(minutes(1)).await;
        assert_eq!(stage.wire.calls("CompleteMultipartUpload").len(), 1);
    });
}

#[test]
fn a_staged_object_that_is_replaced_after_its_copy_neither_strands_nor_changes_the_recovery_point()
{
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage
            .until("the copy is there", hours(1), |stage| {
                let key = truth::vault_key(stage, &id, "image.bin");
                stage.world.lock().s3.bucket(VAULT_BUCKET).is_some_and(|bucket| bucket.has(&key))
            })
            .await;
        assert!(!truth::is_recorded(stage, &id));
        replace_staged(stage, &id, 3 << 30);
        // The truth holds the vault's bytes to the image as it was stored, and not to these.
        stage.complete_within(hours(2)).await;
    });
}

#[test]
fn a_staged_object_that_is_replaced_while_it_is_copied_is_never_mixed() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[100]));
        stage.start_both();
        stage
            .until("some parts are copied", hours(1), |stage| {
                stage.wire.calls("UploadPartCopy").len() > 20
            })
            .await;
        let length = (100 << 30) * 40 / 100;
        replace_staged(stage, &id, length);
        // Whatever is copied now is one version from its first byte to its last.
        let key = truth::vault_key(stage, &id, "image.bin");
        stage
            .until("something is copied", hours(3), |stage| {
                stage.world.lock().s3.bucket(VAULT_BUCKET).is_some_and(|bucket| bucket.has(&key))
            })
            .await;
        let state = stage.world.lock();
        let object = state.s3.bucket(VAULT_BUCKET).unwrap().latest(&key).unwrap().object().unwrap();
        let content = object.content.as_synthetic().expect("one piece");
        assert_eq!((content.start, content.len), (0, length));
    });
}

#[test]
fn a_copy_with_bytes_missing_is_never_completed() {
    run_test(Options::default(), async |stage| {
        // The answer to a part is lost again and again: the part is there, the worker is not sure.
        let lost = Fault { times: 40, ..Fault::first("UploadPartCopy", Mishap::AnswerLost) };
        stage.wire.upset("target", lost);
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(3)).await;
    });
}

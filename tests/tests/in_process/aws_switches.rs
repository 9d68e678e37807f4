//! Where AWS's documentation is silent, amiferry completes its work with either behaviour.

use amiferry_simulator::Settings;
use amiferry_simulator::ec2::settings::{OneCopy, RestoredTags, StoredChecksum};
use amiferry_simulator::kms::{self, KeyState};
use serde_json::Value;

use crate::stage::{Options, Role, hours, minutes, run_test, spec, truth};

/// A few images, of which one is stored twice and one fails to restore at first.
fn play(change: impl FnOnce(&mut Settings)) {
    run_test(Options::with(change), async |stage| {
        stage.start_both();
        stage.pass(minutes(1)).await;
        stage.image(spec("web", "web-1", &[8]));
        let id = stage.image(spec("orders-db", "orders-db-1", &[20, 40]));
        stage.image(spec("analytics", "analytics-1", &[8]));
        stage
            .until("the restore runs", hours(2), |stage| !truth::restored(stage, &id).is_empty())
            .await;
        let key = stage.landscape.vault_key.clone();
        kms::set_key_state(&mut stage.world.lock(), &key, KeyState::Disabled).unwrap();
        stage.pass(minutes(20)).await;
        kms::set_key_state(&mut stage.world.lock(), &key, KeyState::Enabled).unwrap();
        stage.kill(Role::Source);
        stage.start(Role::Source);
        stage.complete_within(hours(4)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 3);
        assert_eq!(truth::restored(stage, &id).len(), 2, "one failed, one is good");
    });
}

#[test]
fn it_ends_well_whatever_counts_as_a_second_copy() {
    for one_copy in [OneCopy::PerBucket, OneCopy::PerKey, OneCopy::Unlimited] {
        play(|settings| settings.ec2.one_copy = one_copy);
    }
}

#[test]
fn it_ends_well_whether_or_not_a_failed_image_keeps_its_name() {
    for keeps in [true, false] {
        play(|settings| settings.ec2.failed_image_keeps_name = keeps);
    }
}

#[test]
fn it_ends_well_whatever_becomes_of_the_stored_tags() {
    for tags in [RestoredTags::Merge, RestoredTags::Replace] {
        play(|settings| settings.ec2.restored_tags = tags);
    }
}

#[test]
fn a_copy_is_proven_by_whatever_checksum_ec2_gives_the_staged_object() {
    use StoredChecksum::{Crc32, Crc32CParts, Crc64Nvme, Sha256Parts};
    for (checksum, gib, shown) in [
        (Crc64Nvme, &[8, 20][..], "CRC64NVME"),
        (Crc32, &[8, 20], "CRC32"),
        (Crc32CParts, &[8, 20], "CRC32C"),
        (Sha256Parts, &[1], "SHA256"),
    ] {
        let options = Options::with(|settings| settings.ec2.stored_checksum = checksum);
        run_test(options, async |stage| {
            stage.start_both();
            let id = stage.image(spec("orders-db", "orders-db-1", gib));
            stage.complete_within(hours(4)).await;
            let manifest: Value =
                serde_json::from_str(&truth::manifest(stage, &id).unwrap()).unwrap();
            assert_eq!(manifest["vault_object"]["checksum"]["algorithm"], shown);
        });
    }
}

#[test]
fn it_ends_well_when_ec2_shows_new_images_late_and_not_at_every_look() {
    for seed in 0..5 {
        let mut options = Options::with(|settings| settings.ec2.consistency_window = minutes(2));
        options.seed = seed;
        run_test(options, async |stage| {
            stage.start_both();
            stage.pass(minutes(1)).await;
            stage.image(spec("web", "web-1", &[2]));
            stage.image(spec("orders-db", "orders-db-1", &[8, 20]));
            stage.complete_within(hours(2)).await;
            let stores = stage.wire.calls("CreateStoreImageTask");
            assert_eq!(stores.iter().filter(|call| call.succeeded()).count(), 2);
            let restores = stage.wire.calls("CreateRestoreImageTask");
            assert_eq!(restores.iter().filter(|call| call.succeeded()).count(), 2);
        });
    }
}

//! Unusable keys, encryption that is off, and failing restores: the work is parked under the right
//! code, becomes no dead letter, and continues when the cause is gone.

use amiferry_core::code::Code;
use amiferry_simulator::ec2;
use amiferry_simulator::ec2::image::ImageState;
use amiferry_simulator::kms::{self, KeyState};

use crate::stage::images::But;
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

fn set(stage: &Stage, key: &amiferry_core::ids::Arn, to: KeyState) {
    kms::set_key_state(&mut stage.world.lock(), key, to).unwrap();
}

#[test]
fn a_disabled_vault_key_parks_the_work_until_it_is_enabled() {
    run_test(Options::default(), async |stage| {
        let key = stage.landscape.vault_key.clone();
        set(stage, &key, KeyState::Disabled);
        stage.image(spec("web", "web-1", &[8]));
        stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_both();
        stage.until_parked(Role::Target, Code::KeyUnusable, minutes(30)).await;
        stage.pass(hours(1)).await;
        assert_eq!(stage.parked(Role::Target).get(&Code::KeyUnusable), Some(&2));
        assert!(stage.wire.calls("CompleteMultipartUpload").is_empty());
        set(stage, &key, KeyState::Enabled);
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn a_vault_key_that_is_disabled_in_the_middle_of_a_restore_costs_that_restore_and_no_more() {
    run_test(Options::default(), async |stage| {
        let key = stage.landscape.vault_key.clone();
        let id = stage.image(spec("web", "web-1", &[100]));
        stage.start_both();
        stage
            .until("the restore runs", hours(2), |stage| {
                truth::restored(stage, &id).iter().any(|image| image.state == ImageState::Pending)
            })
            .await;
        set(stage, &key, KeyState::Disabled);
        stage.until_parked(Role::Target, Code::KeyUnusable, hours(2)).await;
        let images = truth::restored(stage, &id);
        assert_eq!(images.len(), 1);
        stage.pass(hours(1)).await;
        assert_eq!(truth::restored(stage, &id).len(), 1, "restored again under a disabled key");
        set(stage, &key, KeyState::Enabled);
        stage.complete_within(hours(2)).await;
        let names: Vec<_> = truth::restored(stage, &id).into_iter().map(|i| i.name).collect();
        let first = truth::restored_name(stage, &id);
        assert_eq!(names.len(), 2);
        assert!(names.contains(&first) && names.contains(&format!("{first}/2")), "{names:?}");
    });
}

#[test]
fn a_staging_key_that_is_disabled_parks_the_copy_until_it_is_enabled() {
    run_test(Options::default(), async |stage| {
        let key = stage.landscape.staging_key.clone();
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start(Role::Source);
        stage.until_staged(&id).await;
        set(stage, &key, KeyState::Disabled);
        stage.start(Role::Target);
        // The refused HEAD has no body; the question that follows it is told that it is the key.
        stage.until_parked(Role::Target, Code::KeyUnusable, hours(1)).await;
        set(stage, &key, KeyState::Enabled);
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn a_source_key_that_is_disabled_fails_the_store_which_is_tried_again_later() {
    run_test(Options::default(), async |stage| {
        let key = stage.landscape.workload_key.clone();
        stage.image(spec("orders-db", "orders-db-1", &[8]).encrypted(&key));
        stage.start_both();
        stage
            .until("the store runs", hours(1), |stage| {
                !stage.wire.calls("CreateStoreImageTask").is_empty()
            })
            .await;
        set(stage, &key, KeyState::Disabled);
        stage.until_parked(Role::Source, Code::StoreFailed, hours(1)).await;
        set(stage, &key, KeyState::Enabled);
        stage.complete_within(hours(2)).await;
    });
}

#[test]
fn without_encryption_by_default_the_copy_is_made_and_the_restore_is_parked() {
    run_test(Options::default(), async |stage| {
        let (account, region) = stage.landscape.vault.clone();
        ec2::set_default_encryption(&mut stage.world.lock(), &account, &region, None);
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_both();
        stage.until_parked(Role::Target, Code::EncryptionByDefaultOff, hours(1)).await;
        stage.pass(hours(1)).await;
        assert!(truth::restored(stage, &id).is_empty());
        assert_eq!(stage.wire.calls("CompleteMultipartUpload").len(), 2);
        let key = stage.landscape.vault_key.clone();
        ec2::set_default_encryption(&mut stage.world.lock(), &account, &region, Some(key));
        stage.complete_within(hours(1)).await;
    });
}

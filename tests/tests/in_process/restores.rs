//! Restores that fail: each waits longer than the one before, the same failure of several images
//! pauses those of the whole vault, and once the cause is mended nothing is left to do by hand.

use amiferry_audit::inventory::State;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::image::{ImageState, Protection};
use amiferry_simulator::ec2::lifecycle::deregister;
use amiferry_simulator::kms;
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::content::Content;
use amiferry_simulator::s3::{self, NewObject};

use crate::stage::story::{Line, lines, text, with_message};
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// A key policy under which the vault's account uses its key through S3 only, so EBS cannot.
pub const S3_ONLY: &str = include_str!("cases/vault-key-s3-only.json");

/// The remedy: the account's own policies decide about its key.
pub const MENDED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"kms:*","Resource":"*"}]}"#;

/// The minutes between the starts of all restores in the vault.
fn pauses(stage: &Stage) -> Vec<i64> {
    let mut starts: Vec<_> = stage
        .expected()
        .keys()
        .flat_map(|id| truth::restored(stage, id))
        .map(|image| image.created)
        .collect();
    starts.sort_unstable();
    starts.windows(2).map(|two| two[1].duration_since(two[0]).as_mins()).collect()
}

fn set_policy(stage: &Stage, json: &str) {
    let key = stage.landscape.vault_key.clone();
    kms::set_policy(&mut stage.world.lock(), &key, json).unwrap();
}

#[test]
fn a_key_that_serves_s3_only_costs_one_restore_at_a_time_and_nothing_by_hand_once_it_is_mended() {
    run_test(Options { kept: true, ..Options::default() }, async |stage| {
        set_policy(stage, S3_ONLY);
        for number in 0..4 {
            stage.image(spec("web", &format!("web-{number}"), &[8]));
        }
        stage.start_both();
        stage.until_parked(Role::Target, Code::RestoresPaused, hours(2)).await;
        stage.pass(hours(3)).await;
        let pauses = pauses(stage);
        assert!((2..8).contains(&pauses.len()), "{pauses:?}");
        assert!(pauses.is_sorted() && pauses[0] >= 5, "{pauses:?}");
        let lines = lines(stage);
        let told = with_message(&lines, "parked");
        let reason = |line: &&Line| text(line, "amiferry.reason") == "restores_paused";
        assert!(told.iter().any(reason), "{told:#?}");
        set_policy(stage, MENDED);
        stage.complete_within(hours(7)).await;
        let failed = stage.expected().keys().flat_map(|id| truth::restored(stage, id));
        let failed = failed.filter(|image| image.state == ImageState::Failed).count();
        assert_eq!(failed, pauses.len() + 1, "a failed image was removed, or a mended one failed");
    });
}

#[test]
fn an_object_that_is_no_stored_image_is_restored_less_and_less_often_and_delays_no_other() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start(Role::Source);
        stage.until_staged(&id).await;
        // Corrupt in the source already, with a size that says nothing.
        crate::hostile::replace_staged(stage, &id, (8 << 30) * 40 / 100);
        stage.start(Role::Target);
        stage.until_parked(Role::Target, Code::RestoreFailed, hours(2)).await;
        stage.pass(hours(24)).await;
        let pauses = pauses(stage);
        assert!((5..10).contains(&pauses.len()), "{pauses:?}");
        assert!(pauses.is_sorted() && pauses[0] >= 5, "{pauses:?}");
        assert!(!truth::is_recorded(stage, &id));
        stage.forget(&id);
        let healthy = stage.image(spec("payments", "payments-1", &[8]));
        stage
            .until("the healthy one is complete", minutes(30), |stage| {
                truth::is_recorded(stage, &healthy)
            })
            .await;
    });
}

/// An intruder, or a person by mistake, deregisters the restored image of a recovery point.
fn lose_restored(stage: &Stage, id: &ImageId) {
    let place = stage.landscape.vault.clone();
    let (now, restored) = (stage.world.now(), truth::restored(stage, id));
    let mut state = stage.world.lock();
    for image in restored.iter().filter(|image| image.state == ImageState::Available) {
        let known = state.ec2.get_mut(&place).unwrap().images.get_mut(&image.id).unwrap();
        known.protection = Protection::OFF;
        deregister(&mut state, now, &place, &image.id, true).unwrap();
    }
}

fn has_record(stage: &Stage, id: &ImageId, file: &str) -> bool {
    let key = truth::vault_key(stage, id, file);
    stage.world.lock().s3.bucket(VAULT_BUCKET).is_some_and(|bucket| bucket.has(&key))
}

/// How the audit sees a recovery point.
async fn audited(stage: &Stage, id: &ImageId) -> (State, Option<ImageId>) {
    let report = stage.report().await;
    let mut points = report.recovery_points.iter();
    let point = points.find(|point| point.source_image_id == *id).expect("the audit knows it");
    (point.state, point.restored_image_id.clone())
}

#[test]
fn a_restored_image_that_is_lost_after_its_record_is_restored_again_from_the_recorded_object() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let (manifest, stores) =
            (truth::record(stage, &id), stage.wire.calls("CreateStoreImageTask").len());
        for (file, source_is_gone) in
            [("record-0001-restored.json", false), ("record-0002-restored.json", true)]
        {
            if source_is_gone {
                stage.deregister(&id, true);
            }
            lose_restored(stage, &id);
            assert_ne!(audited(stage, &id).await.0, State::Complete);
            stage.until(file, hours(2), |stage| has_record(stage, &id, file)).await;
            let again = truth::restored(stage, &id).pop().unwrap();
            assert!(!matches!(again.protection, Protection::Disabled { .. }));
            assert_eq!(audited(stage, &id).await, (State::Complete, Some(again.id)));
        }
        // Another worker reads the same, and there is nothing more to do.
        stage.kill(Role::Target);
        stage.start(Role::Target);
        stage.pass(hours(2)).await;
        assert!(!has_record(stage, &id, "record-0003-restored.json"));
        assert!(stage.parked(Role::Target).is_empty());
        assert_eq!(truth::record(stage, &id), manifest, "what was recorded stays as it was");
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), stores);
        assert_eq!(truth::restored(stage, &id).len(), 1);
    });
}

#[test]
fn a_further_record_that_was_forged_or_taken_away_makes_the_recovery_point_incomplete() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        lose_restored(stage, &id);
        let file = "record-0001-restored.json";
        stage.until(file, hours(2), |stage| has_record(stage, &id, file)).await;
        assert_eq!(audited(stage, &id).await.0, State::Complete);
        let forged = truth::vault_key(stage, &id, "record-0003-restored.json");
        let object = NewObject {
            content: Content::synthetic(1, 100),
            metadata: Default::default(),
            tags: Default::default(),
        };
        let now = stage.world.now();
        s3::put_by_service(&mut stage.world.lock(), now, VAULT_BUCKET, &forged, object).unwrap();
        assert_ne!(audited(stage, &id).await.0, State::Complete);
    });
}

/// Every version of an object is gone, whatever locked it.
pub fn lose_object(stage: &Stage, bucket: &str, key: &str) {
    let mut state = stage.world.lock();
    let bucket = state.s3.bucket_mut(bucket).unwrap();
    let versions: Vec<String> = bucket.versions(key).iter().map(|v| v.id.clone()).collect();
    for version in versions {
        bucket.remove(key, &version).unwrap();
    }
}

#[test]
fn an_object_that_is_lost_after_its_record_is_copied_again_and_stored_again_if_need_be() {
    for staged_too in [false, true] {
        run_test(Options::default(), async |stage| {
            let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
            stage.start_both();
            stage.complete_within(hours(1)).await;
            let restored = truth::restored(stage, &id).pop().unwrap().id;
            lose_object(stage, VAULT_BUCKET, &truth::vault_key(stage, &id, "image.bin"));
            if staged_too {
                lose_object(stage, STAGING_BUCKET, &truth::staged_key(stage, &id));
            }
            assert_ne!(audited(stage, &id).await.0, State::Complete);
            let file = "record-0001-stored.json";
            stage.until(file, hours(4), |stage| has_record(stage, &id, file)).await;
            assert_eq!(audited(stage, &id).await, (State::Complete, Some(restored)));
            let stores = stage.wire.calls("CreateStoreImageTask").len();
            assert_eq!(stores, 1 + usize::from(staged_too));
            // It is complete without the source and its staged object, too.
            lose_object(stage, STAGING_BUCKET, &truth::staged_key(stage, &id));
            stage.deregister(&id, true);
            stage.pass(hours(2)).await;
            assert_eq!(audited(stage, &id).await.0, State::Complete);
            assert!(!has_record(stage, &id, "record-0002-stored.json"));
        });
    }
}

#[test]
fn an_object_that_is_lost_with_its_source_stays_lost() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.deregister(&id, true);
        lose_object(stage, VAULT_BUCKET, &truth::vault_key(stage, &id, "image.bin"));
        stage.pass(hours(6)).await;
        assert_ne!(audited(stage, &id).await.0, State::Complete);
        assert!(!has_record(stage, &id, "image.bin"));
    });
}

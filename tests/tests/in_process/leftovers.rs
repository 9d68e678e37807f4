//! Uploads that no reconciliation will revisit: the worker aborts those of deregistered images, and
//! keeps those that it still needs, however long nothing moves.

use std::collections::BTreeSet;

use amiferry_aws::S3Objects;
use amiferry_core::ids::ImageId;
use amiferry_core::model::{Checksum, ChecksumAlgorithm};
use amiferry_core::ports::{NewUpload, Uploads};
use amiferry_simulator::landscape::STAGING_BUCKET;

use crate::restores::lose_object;
use crate::stage::images::But;
use crate::stage::wire::Call;
use crate::stage::{Fault, Mishap, Options, Role, Stage, hours, minutes, run_test, spec, truth};

fn open(stage: &Stage) -> usize {
    truth::open_uploads(&stage.world.lock()).len()
}

/// An image whose copy was cut off, and no target worker.
async fn cut_off(stage: &mut Stage) -> ImageId {
    let id = stage.image(spec("web", "web-1", &[45]).unannounced());
    stage.start(Role::Source);
    stage.until_staged(&id).await;
    stage.start(Role::Target);
    stage.until("a part is copied", hours(1), |stage| parts(stage) > 0).await;
    stage.kill(Role::Target);
    assert_eq!(open(stage), 1);
    id
}

fn parts(stage: &Stage) -> usize {
    copies(stage).len()
}

/// The requests that copied a part.
fn copies(stage: &Stage) -> Vec<String> {
    let calls = stage.wire.calls("UploadPartCopy").into_iter().filter(Call::succeeded);
    calls.map(|call| call.text).collect()
}

#[test]
fn an_upload_of_an_image_that_was_taken_away_with_all_that_was_staged_is_aborted_after_an_hour() {
    run_test(Options::default(), async |stage| {
        let id = cut_off(stage).await;
        stage.deregister(&id, false);
        lose_object(stage, STAGING_BUCKET, &truth::staged_key(stage, &id));
        // What fails is tried again after the next sweep.
        let refused = Fault::first("AbortMultipartUpload", Mishap::RequestLost);
        stage.wire.upset(Role::Target.as_str(), Fault { times: 3, ..refused });
        stage.start(Role::Target);
        stage.pass(minutes(58)).await;
        assert_eq!(open(stage), 1, "it may be another worker's that is slow");
        stage.pass(minutes(35)).await;
        assert_eq!(open(stage), 0);
    });
}

#[test]
fn an_upload_of_an_image_that_was_taken_away_is_finished_while_its_staged_object_is_there() {
    run_test(Options::default(), async |stage| {
        let id = cut_off(stage).await;
        let held = parts(stage);
        stage.deregister(&id, true);
        stage.start(Role::Target);
        stage.until("it is recorded", hours(2), |stage| truth::is_recorded(stage, &id)).await;
        assert!(truth::missing(stage, &id).is_empty(), "{:?}", truth::missing(stage, &id));
        let different: BTreeSet<String> = copies(stage).into_iter().collect();
        assert!(held < different.len(), "the copy was not cut off");
    });
}

#[test]
fn an_upload_of_an_image_that_no_policy_selects_any_more_is_aborted() {
    run_test(Options::default(), async |stage| {
        let id = cut_off(stage).await;
        stage.retag(&id, Default::default());
        stage.start(Role::Target);
        stage.pass(minutes(76)).await;
        assert_eq!(open(stage), 0);
    });
}

#[test]
fn uploads_that_are_no_copy_of_a_configured_source_are_left_alone() {
    run_test(Options::default(), async |stage| {
        let vault = stage.config.vaults[0].clone();
        let session = stage.session(&vault.account, &vault.region, "uploader");
        let objects = S3Objects::new(&session);
        for key in [
            "amiferry/999999999999/us-east-1/ami-0123456789abcdef0/image.bin",
            "amiferry/111111111111/us-east-1/ami-0123456789abcdef0/manifest.json",
            "amiferry/backup.tar",
        ] {
            let key = key.parse().unwrap();
            let settings = NewUpload::default();
            let sum = Checksum::whole(ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg=");
            objects.begin(&vault.account, &vault.bucket, &key, &sum, &settings).await.unwrap();
        }
        stage.start(Role::Target);
        stage.pass(hours(30)).await;
        assert_eq!(open(stage), 3);
    });
}

#[test]
fn an_upload_that_is_wanted_is_taken_up_after_any_time() {
    run_test(Options::default(), async |stage| {
        cut_off(stage).await;
        let held = parts(stage);
        stage.pass(hours(30)).await;
        stage.start(Role::Target);
        stage.complete_within(hours(1)).await;
        let different: BTreeSet<String> = copies(stage).into_iter().collect();
        assert!(held < different.len(), "the copy was not cut off");
        assert_eq!(parts(stage), different.len(), "parts were sent again, {held} were held");
    });
}

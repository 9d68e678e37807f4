//! After a repair `amiferry retry` has the workers go on at once, however long they would wait.

use std::time::Duration;

use amiferry_audit::retry::{Actor, retries};
use amiferry_core::code::Code;
use amiferry_core::event;
use amiferry_simulator::ec2::image::ImageState;
use amiferry_simulator::kms::{self, KeyState};
use amiferry_simulator::landscape::STAGING_BUCKET;
use amiferry_simulator::s3::bucket::BucketPolicy;

use crate::restores::{MENDED, S3_ONLY};
use crate::stage::images::But;
use crate::stage::{Options, Role, Stage, hours, inventory, minutes, run_test, spec, truth};

/// Sends what `amiferry retry all` sends.
pub async fn retry_all(stage: &Stage) {
    let report = inventory::partial_report(stage).await.unwrap();
    let vaults: Vec<_> = stage.config.vaults.iter().map(|vault| vault.id()).collect();
    let ours = &stage.config.sources[0];
    for retry in retries(&report, &vaults).iter().filter(|retry| retry.source == ours.id()) {
        let role = if retry.actor == Actor::Source { Role::Source } else { Role::Target };
        stage.send(role, event::operator(&retry.source, &retry.image));
    }
}

/// How many calls of an operation the workers make within half a minute.
async fn calls_soon(stage: &Stage, operation: &str) -> usize {
    let before = stage.wire.calls(operation).len();
    stage.pass(Duration::from_secs(30)).await;
    stage.wire.calls(operation).len() - before
}

fn set_key(stage: &Stage, key: &amiferry_core::ids::Arn, to: KeyState) {
    kms::set_key_state(&mut stage.world.lock(), key, to).unwrap();
}

#[test]
fn a_copy_that_a_disabled_key_parks_begins_at_once_after_a_retry() {
    for retried in [false, true] {
        run_test(Options::default(), async |stage| {
            let key = stage.landscape.vault_key.clone();
            set_key(stage, &key, KeyState::Disabled);
            stage.image(spec("web", "web-1", &[8]));
            stage.start_both();
            stage.until_parked(Role::Target, Code::KeyUnusable, minutes(30)).await;
            stage.pass(minutes(61)).await;
            set_key(stage, &key, KeyState::Enabled);
            if retried {
                retry_all(stage).await;
            }
            assert_eq!(calls_soon(stage, "CreateMultipartUpload").await, usize::from(retried));
            stage.complete_within(hours(1)).await;
        });
    }
}

#[test]
fn a_store_that_failed_again_and_again_begins_at_once_after_a_retry() {
    run_test(Options::default(), async |stage| {
        let key = stage.landscape.workload_key.clone();
        stage.image(spec("orders-db", "orders-db-1", &[8]).encrypted(&key));
        stage.start_both();
        stage
            .until("the store runs", hours(1), |stage| {
                !stage.wire.calls("CreateStoreImageTask").is_empty()
            })
            .await;
        set_key(stage, &key, KeyState::Disabled);
        stage.until_parked(Role::Source, Code::StoreFailed, hours(1)).await;
        stage.pass(hours(7)).await;
        set_key(stage, &key, KeyState::Enabled);
        assert_eq!(calls_soon(stage, "CreateStoreImageTask").await, 0);
        retry_all(stage).await;
        assert_eq!(calls_soon(stage, "CreateStoreImageTask").await, 1);
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn a_store_that_a_policy_denies_begins_at_once_after_a_retry() {
    run_test(Options::default(), async |stage| {
        let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",
            "Action":"s3:PutObject","Resource":"*"}]}"#;
        let swap = |stage: &Stage, with: Option<BucketPolicy>| {
            let mut state = stage.world.lock();
            std::mem::replace(&mut state.s3.bucket_mut(STAGING_BUCKET).unwrap().policy, with)
        };
        let kept = swap(stage, Some(BucketPolicy::parse(deny).unwrap()));
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.until_parked(Role::Source, Code::Denied, minutes(30)).await;
        stage.pass(hours(2)).await;
        swap(stage, kept);
        retry_all(stage).await;
        assert_eq!(calls_soon(stage, "CreateStoreImageTask").await, 1);
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn restores_that_are_paused_go_on_at_once_after_a_retry_and_no_more_than_one_while_the_key_is_bad()
{
    run_test(Options::default(), async |stage| {
        let policy = |stage: &Stage, json: &str| {
            let key = stage.landscape.vault_key.clone();
            kms::set_policy(&mut stage.world.lock(), &key, json).unwrap();
        };
        policy(stage, S3_ONLY);
        for number in 0..4 {
            stage.image(spec("web", &format!("web-{number}"), &[8]));
        }
        stage.start_both();
        stage.until_parked(Role::Target, Code::RestoresPaused, hours(2)).await;
        stage.pass(hours(9)).await;
        for _ in 0..5 {
            retry_all(stage).await;
            let calls = calls_soon(stage, "CreateRestoreImageTask").await;
            assert!(calls <= 1, "{calls} restores at once under a bad key");
        }
        // The last of them fails, too.
        stage.pass(minutes(30)).await;
        policy(stage, MENDED);
        retry_all(stage).await;
        assert_eq!(calls_soon(stage, "CreateRestoreImageTask").await, 1);
        stage.complete_within(hours(1)).await;
        let images = stage.expected().keys().flat_map(|id| truth::restored(stage, id));
        let well = images.filter(|image| image.state == ImageState::Available).count();
        assert_eq!(well, 4);
    });
}

#[test]
fn a_retry_of_what_is_complete_asks_for_nothing() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let report = stage.report().await;
        assert_eq!(retries(&report, &[]), []);
    });
}

//! Restores that fail: each waits longer than the one before, the same failure of several images
//! pauses those of the whole vault, and once the cause is mended nothing is left to do by hand.

use amiferry_core::code::Code;
use amiferry_simulator::ec2::image::ImageState;
use amiferry_simulator::kms;

use crate::stage::story::{Line, lines, text, with_message};
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// A key policy under which the vault's account uses its key through S3 only, so EBS cannot.
const S3_ONLY: &str = include_str!("cases/vault-key-s3-only.json");

/// The remedy: the account's own policies decide about its key.
const MENDED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
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

//! The keys of what is staged: told at the target worker's start, with the policy to change, before
//! the first copy meets them; and the source worker's own view of them.

use amiferry_audit::inventory::State;
use amiferry_core::code::Code;
use amiferry_core::ids::Arn;
use amiferry_simulator::kms::{self, KeyState};
use amiferry_simulator::landscape::STAGING_BUCKET;
use amiferry_simulator::s3::bucket::Encryption;
use amiferry_simulator::sqs;

use crate::stage::story::{Line, lines, text, with_message};
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec};

const NO_DECRYPT: &str = include_str!("cases/staging-key-no-decrypt.json");
const VIA_SERVICE: &str = include_str!("cases/staging-key-via-service.json");
const VIA_WRONG_REGION: &str = include_str!("cases/staging-key-via-wrong-region.json");

/// Everybody may do everything with the key.
const OPEN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}"#;

fn kept() -> Options {
    Options { kept: true, ..Options::default() }
}

fn staging_key(stage: &Stage) -> Arn {
    stage.landscape.staging_key.clone()
}

fn set_policy(stage: &Stage, policy: &str) {
    kms::set_policy(&mut stage.world.lock(), &staging_key(stage), policy).unwrap();
}

fn encrypt_with(stage: &Stage, key: &str) {
    let key = key.parse().unwrap();
    stage.world.lock().s3.bucket_mut(STAGING_BUCKET).unwrap().encryption = Encryption::Kms(key);
}

/// What the start of a worker warns of, which must not stop it.
async fn warned(stage: &Stage, role: Role) -> Vec<Line> {
    let before = lines(stage).len();
    stage.start_check(role).await.unwrap();
    let after = lines(stage);
    let warnings = after[before..].iter();
    warnings.filter(|line| matches!(text(line, "level"), "WARN" | "ERROR")).cloned().collect()
}

fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

fn parked_gauge(stage: &Stage, code: Code) -> Option<f64> {
    let series = format!("amiferry_parked{{worker=\"target\",reason=\"{code}\"}} ");
    stage.metrics().lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

#[test]
fn a_staging_key_that_lets_the_vault_not_decrypt_is_told_at_the_start_and_mended_by_what_is_said() {
    for policy in [NO_DECRYPT, VIA_WRONG_REGION] {
        run_test(kept(), async |stage| {
            let id = stage.image(spec("web", "web-1", &[8]));
            stage.start(Role::Source);
            stage.until_staged(&id).await;
            set_policy(stage, policy);
            let warnings = warned(stage, Role::Target).await;
            assert_eq!(warnings.len(), 1, "{warnings:#?}");
            let (key, vault) = (staging_key(stage).to_string(), &stage.landscape.vault.0);
            let allowed = format!("kms:Decrypt on {key} in the key's policy");
            let principal = format!("arn:aws:iam::{vault}:root");
            let condition = "kms:ViaService s3.us-east-1.amazonaws.com";
            let told = [allowed.as_str(), &principal, condition];
            assert_says(text(&warnings[0], "amiferry.remedy"), &told);
            let read =
                format!("staged objects that can be read, such as amiferry/us-east-1/{id}.bin");
            assert_says(text(&warnings[0], "amiferry.detail"), &[&read, "AccessDenied", &key]);

            // What follows says the same.
            stage.start(Role::Target);
            stage.until_parked(Role::Target, Code::Denied, minutes(10)).await;
            assert_eq!(parked_gauge(stage, Code::Denied), Some(1.0));
            let all = lines(stage);
            let failed = with_message(&all, "attempt failed");
            assert_says(text(failed[0], "amiferry.remedy"), &told);
            let report = crate::stage::inventory::partial_report(stage).await.unwrap();
            let unknown = &report.not_assessed;
            assert_eq!(unknown.len(), 1, "{unknown:#?}");
            assert_says(&unknown[0].reason, &told);

            set_policy(stage, VIA_SERVICE);
            stage.complete_within(hours(1)).await;
            assert_eq!(parked_gauge(stage, Code::Denied), Some(0.0));
        });
    }
}

#[test]
fn a_staging_key_that_admits_s3_of_its_region_alone_is_told_nothing_of() {
    run_test(kept(), async |stage| {
        set_policy(stage, VIA_SERVICE);
        let unproven = "no staged object proves yet that the staging key can be used";
        assert_eq!(warned(stage, Role::Target).await, Vec::<Line>::new(), "nothing is staged");
        let all = lines(stage);
        let told = with_message(&all, unproven);
        assert_eq!(told.len(), 1);
        let key = staging_key(stage).to_string();
        let words = ["kms:Decrypt", key.as_str(), "s3.us-east-1.amazonaws.com"];
        assert_says(text(told[0], "amiferry.remedy"), &words);

        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start(Role::Source);
        stage.until_staged(&id).await;
        assert_eq!(warned(stage, Role::Target).await, Vec::<Line>::new(), "something is staged");
        assert_eq!(with_message(&lines(stage), unproven).len(), 1, "it is proven now");
        stage.start(Role::Target);
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn a_staging_key_that_is_disabled_is_told_at_the_start_of_both_workers() {
    run_test(kept(), async |stage| {
        kms::set_key_state(&mut stage.world.lock(), &staging_key(stage), KeyState::Disabled)
            .unwrap();
        for role in [Role::Source, Role::Target] {
            let warnings = warned(stage, role).await;
            assert_eq!(warnings.len(), 1, "{role:?} {warnings:#?}");
            let key = staging_key(stage).to_string();
            assert_says(text(&warnings[0], "amiferry.detail"), &[&key, "is disabled"]);
            assert_says(text(&warnings[0], "amiferry.remedy"), &["enable the key"]);
        }
    });
}

#[test]
fn a_staging_bucket_under_the_key_that_aws_manages_is_told_at_the_start_of_both_workers() {
    run_test(kept(), async |stage| {
        let managed = format!("arn:aws:kms:us-east-1:{}:alias/aws/s3", stage.landscape.source.0);
        encrypt_with(stage, &managed);
        for role in [Role::Source, Role::Target] {
            let warnings = warned(stage, role).await;
            assert_eq!(warnings.len(), 1, "{role:?} {warnings:#?}");
            assert_says(text(&warnings[0], "amiferry.detail"), &["aws/s3"]);
            assert_says(text(&warnings[0], "amiferry.remedy"), &["customer managed key"]);
        }
        let key = staging_key(stage).to_string();
        encrypt_with(stage, &key);
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn a_vault_that_may_not_ask_for_the_staging_buckets_encryption_is_told_nothing_wrong() {
    run_test(kept(), async |stage| {
        let bucket = format!("arn:aws:s3:::{STAGING_BUCKET}");
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::222222222222:root"}},
               "Action":["s3:GetObject","s3:GetObjectVersion","s3:ListBucket"],"Resource":["{bucket}","{bucket}/*"]}}]}}"#
        );
        stage.world.lock().s3.bucket_mut(STAGING_BUCKET).unwrap().policy =
            Some(amiferry_simulator::s3::bucket::BucketPolicy::parse(&policy).unwrap());
        assert_eq!(warned(stage, Role::Target).await, Vec::<Line>::new());
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn a_staged_object_whose_key_is_gone_is_parked_as_an_unusable_key() {
    run_test(Options::default(), async |stage| {
        // A source may encrypt with a key of the vault's account, and the vault may lose it.
        let open = kms::KeySpec { policy: Some(OPEN.to_owned()), ..kms::KeySpec::default() };
        let (now, vault) = (stage.world.now(), stage.landscape.vault.0.clone());
        let region = stage.landscape.source.1.clone();
        let key = kms::create_key(&mut stage.world.lock(), now, &vault, &region, &open).unwrap();
        encrypt_with(stage, key.as_str());
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start(Role::Source);
        stage.until_staged(&id).await;
        kms::delete_key(&mut stage.world.lock(), &key).unwrap();
        stage.start(Role::Target);
        stage.until_parked(Role::Target, Code::KeyUnusable, minutes(10)).await;
        assert!(stage.wire.calls("CreateMultipartUpload").is_empty());
    });
}

#[test]
fn a_queue_under_the_key_of_sqs_gets_no_event_and_the_start_says_so() {
    run_test(kept(), async |stage| {
        let key = Some("alias/aws/sqs");
        for role in [Role::Source, Role::Target] {
            assert!(sqs::set_key(&mut stage.world.lock(), &stage.queue(role), key));
            let warnings = warned(stage, role).await;
            assert_eq!(warnings.len(), 1, "{role:?} {warnings:#?}");
            assert_says(text(&warnings[0], "message"), &["no event reaches the queue"]);
            assert_says(text(&warnings[0], "amiferry.detail"), &["alias/aws/sqs"]);
            let permissions = ["kms:GenerateDataKey", "kms:Decrypt", "events.amazonaws.com"];
            assert_says(text(&warnings[0], "amiferry.remedy"), &permissions);
        }
        stage.start_both();
        stage.pass(minutes(1)).await;
        stage.image(spec("web", "web-1", &[8]));
        stage.pass(minutes(2)).await;
        for role in [Role::Source, Role::Target] {
            assert_eq!(sqs::depth(&stage.world.lock(), &stage.queue(role)), 0);
        }
        assert!(stage.wire.calls("CreateStoreImageTask").is_empty(), "no event came");
        // The remedy's second way.
        for role in [Role::Source, Role::Target] {
            assert!(sqs::set_key(&mut stage.world.lock(), &stage.queue(role), None));
            assert_eq!(warned(stage, role).await, Vec::<Line>::new());
        }
        stage.image(spec("web", "web-2", &[8]));
        stage
            .until("the event of the second image came", minutes(2), |stage| {
                !stage.wire.calls("CreateStoreImageTask").is_empty()
            })
            .await;
        stage.complete_within(hours(3)).await;
    });
}

#[test]
fn the_key_of_an_object_in_the_vault_is_not_that_of_the_staged_one() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        // Once copied, a source's key concerns nothing.
        kms::set_key_state(&mut stage.world.lock(), &staging_key(stage), KeyState::Disabled)
            .unwrap();
        stage.pass(hours(2)).await;
        let report = stage.report().await;
        let point = report.recovery_points.iter().find(|point| point.source_image_id == id);
        assert_eq!(point.unwrap().state, State::Complete);
    });
}

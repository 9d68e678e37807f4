//! Refusals that people have met: which are parked, and what a person is told to do about each.

use amiferry_core::code::Code;
use amiferry_service::preflight::UnmetKind;
use amiferry_simulator::faults::{Entry, FaultPlan};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::bucket::BucketPolicy;

use crate::stage::story::{lines, number, text, with_message};
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec};

/// `AuthFailure` about credentials, a Region without STS, a token that is not valid there.
const AT_START: &str = include_str!("cases/refused-at-start.json");
/// An image that is not ours, and one whose snapshots are not.
const STORES: &str = include_str!("cases/refused-stores.json");
const DENY_UNENCRYPTED: &str = include_str!("cases/deny-unencrypted.json");
const ORGANIZATION: &str = include_str!("cases/org-policy.json");

fn kept() -> Options {
    Options { kept: true, ..Options::default() }
}

/// The faults of a case.
fn entries(case: &str) -> Vec<Entry> {
    serde_json::from_str(case).unwrap()
}

fn install(stage: &Stage, entry: &Entry) {
    stage.world.faults().install(FaultPlan::new().with(entry.clone())).unwrap();
}

/// Adds statements to a bucket's policy, or replaces it.
fn set_policy(stage: &Stage, bucket: &str, document: &str, keeps_old: bool) {
    let mut new: serde_json::Value =
        serde_json::from_str(&document.replace("BUCKET", bucket)).unwrap();
    let mut state = stage.world.lock();
    let bucket = state.s3.bucket_mut(bucket).unwrap();
    if keeps_old && let Some(old) = &bucket.policy {
        let old: serde_json::Value = serde_json::from_str(&old.json).unwrap();
        let statements = new["Statement"].as_array_mut().unwrap();
        statements.extend(old["Statement"].as_array().unwrap().iter().cloned());
    }
    bucket.policy = Some(BucketPolicy::parse(&new.to_string()).unwrap());
}

fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

/// What the target worker tells about its source at its start.
async fn told_of_source(stage: &Stage) -> (String, String) {
    stage.start_check(Role::Target).await.unwrap();
    let lines = lines(stage);
    let told = with_message(&lines, "a source cannot be reached");
    assert_eq!(told.len(), 1, "{lines:#?}");
    (text(told[0], "amiferry.detail").to_owned(), text(told[0], "amiferry.remedy").to_owned())
}

#[test]
fn a_region_that_is_off_asks_for_the_region_and_not_for_a_trust_policy() {
    for (number, code) in [(0, "AuthFailure"), (1, "RegionDisabledException")] {
        run_test(kept(), async |stage| {
            install(stage, &entries(AT_START)[number]);
            let (detail, remedy) = told_of_source(stage).await;
            assert_says(&detail, &[code]);
            assert_says(&remedy, &["enable the Region for that account, or STS in that Region"]);
            assert!(!remedy.contains("trust policy"), "{remedy}");
        });
    }
    run_test(kept(), async |stage| {
        install(stage, &entries(AT_START)[2]);
        let unmet = stage.start_check(Role::Target).await.unwrap_err();
        assert_eq!(unmet.kind, UnmetKind::Identity);
        assert_says(&unmet.fix, &["enable the Region for that account", "clock"]);
        install(stage, &entries(AT_START)[0]);
        let unmet = stage.start_check(Role::Source).await.unwrap_err();
        assert_eq!(unmet.kind, UnmetKind::Identity);
        assert_says(&unmet.found, &["ec2:DescribeImages", "AuthFailure"]);
        assert_says(&unmet.fix, &["enable the Region for that account", "clock"]);
    });
}

#[test]
fn an_image_of_another_account_is_parked_at_the_first_try_and_costs_no_credentials() {
    for (number_of_case, code, remedy) in [
        (0, Code::Denied, "share the image and its snapshots"),
        (1, Code::Failing, "share the image and its snapshots"),
    ] {
        run_test(kept(), async |stage| {
            install(stage, &entries(STORES)[number_of_case]);
            let image = stage.image(spec("web", "web-1", &[8]));
            stage.start(Role::Source);
            stage.until_parked(Role::Source, code, minutes(10)).await;
            assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
            let lines = lines(stage);
            let failed = with_message(&lines, "attempt failed");
            assert_eq!(failed.len(), 1, "{failed:#?}");
            let line = failed[0];
            assert_eq!(text(line, "amiferry.standing"), "parked");
            assert_eq!(text(line, "amiferry.reason"), code.as_str());
            assert_eq!(number(line, "amiferry.attempt"), 1);
            assert_says(text(line, "amiferry.remedy"), &[remedy, image.as_str()]);
            let renewed = with_message(&lines, "credentials refused; getting new ones");
            assert!(renewed.is_empty(), "{renewed:#?}");
        });
    }
}

#[test]
fn a_statement_that_denies_the_store_is_to_be_narrowed_and_not_to_be_outdone() {
    run_test(kept(), async |stage| {
        set_policy(stage, STAGING_BUCKET, DENY_UNENCRYPTED, true);
        stage.image(spec("web", "web-1", &[8]));
        stage.start(Role::Source);
        stage.until_parked(Role::Source, Code::Denied, minutes(10)).await;
        let lines = lines(stage);
        let line = with_message(&lines, "attempt failed")[0];
        let remedy = text(line, "amiferry.remedy");
        let object = format!("s3:PutObject on arn:aws:s3:::{STAGING_BUCKET}/");
        let root = format!("arn:aws:iam::{}:root", stage.landscape.source.0);
        let words = ["narrow the statement that denies", &root, &object, "in the bucket's policy"];
        assert_says(remedy, &words);
        assert!(!remedy.contains("allow arn"), "{remedy}");
    });
}

#[test]
fn parts_carry_the_encryption_of_their_upload_where_the_vault_bucket_demands_it() {
    run_test(Options::default(), async |stage| {
        set_policy(stage, VAULT_BUCKET, DENY_UNENCRYPTED, true);
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn a_bucket_that_only_an_organization_may_read_is_told_by_actions_that_iam_knows() {
    run_test(kept(), async |stage| {
        set_policy(stage, STAGING_BUCKET, ORGANIZATION, false);
        let (detail, remedy) = told_of_source(stage).await;
        assert_says(&detail, &["AccessDenied"]);
        let list = format!("s3:ListBucket on arn:aws:s3:::{STAGING_BUCKET} ");
        let vault = stage.landscape.vault.0.to_string();
        let root = format!("arn:aws:iam::{vault}:root");
        let organization = format!("aws:PrincipalOrgID that of account {vault}");
        assert_says(&remedy, &[&list, &root, "in the bucket's policy", &organization]);
        assert!(!remedy.contains("ListObjectsV2"), "{remedy}");
    });
}

#[test]
fn each_question_about_a_bucket_at_the_start_is_told_by_its_action() {
    for (denied, action) in [
        ("s3:ListBucket", "s3:ListBucket"),
        ("s3:GetBucketVersioning", "s3:GetBucketVersioning"),
        ("s3:GetBucketObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration"),
        ("s3:GetEncryptionConfiguration", "s3:GetEncryptionConfiguration"),
    ] {
        for (role, bucket) in [(Role::Source, STAGING_BUCKET), (Role::Target, VAULT_BUCKET)] {
            run_test(kept(), async |stage| {
                let deny = format!(
                    r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"{denied}","Resource":"*"}}]}}"#
                );
                set_policy(stage, bucket, &deny, true);
                let unmet = stage.start_check(role).await.unwrap_err();
                assert_eq!(unmet.kind, UnmetKind::Resource);
                let arn = format!("{action} on arn:aws:s3:::{bucket} in the bucket's policy");
                assert_says(&unmet.fix, &["narrow the statement", &unmet.principal, &arn]);
            });
        }
    }
}

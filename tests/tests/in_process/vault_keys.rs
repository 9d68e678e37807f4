//! What is known of the vault's own keys and settings: a certain refusal parks before the first
//! restore, what stays unknown stops nothing, and a question that fails stops only what has to know
//! its answer.

use amiferry_audit::inventory::{RecoveryPoint, State};
use amiferry_audit::report::Report;
use amiferry_core::code::Code;
use amiferry_core::ids::{Arn, ImageId};
use amiferry_simulator::faults::{Effect, FaultPlan, Refusal, Rule};
use amiferry_simulator::kms::KeyState;
use amiferry_simulator::wire::scope::Service;
use amiferry_simulator::{ec2, kms};

use crate::stage::story::{lines, text, with_message};
use crate::stage::{Options, Role, Stage, hours, inventory, minutes, run_test, spec, truth};

const NO_CREATE_GRANT: &str = include_str!("cases/vault-key-no-create-grant.json");

/// Everything is allowed to the key's account.
const ACCOUNT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"kms:*","Resource":"*"}]}"#;

/// Everything is allowed, but only through the services that AWS says need it.
const SERVICES_ONLY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":["kms:Describe*","kms:Put*"],"Resource":"*"},
    {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"kms:*","Resource":"*",
     "Condition":{"StringLike":{"kms:ViaService":["s3.*.amazonaws.com","ec2.*.amazonaws.com"]}}}]}"#;

fn vault_key(stage: &Stage) -> Arn {
    stage.landscape.vault_key.clone()
}

fn set_policy(stage: &Stage, policy: &str) {
    kms::set_policy(&mut stage.world.lock(), &vault_key(stage), policy).unwrap();
}

/// Another key of the vault's account, which the account may use.
fn another_key(stage: &Stage) -> Arn {
    let (account, region) = stage.landscape.vault.clone();
    let spec = kms::KeySpec { policy: Some(ACCOUNT.to_owned()), ..kms::KeySpec::default() };
    let now = stage.world.now();
    kms::create_key(&mut stage.world.lock(), now, &account, &region, &spec).unwrap()
}

fn set_state(stage: &Stage, key: &Arn, to: KeyState) {
    kms::set_key_state(&mut stage.world.lock(), key, to).unwrap();
}

fn encrypt_by_default(stage: &Stage, key: &Arn) {
    let (account, region) = &stage.landscape.vault;
    ec2::set_default_encryption(&mut stage.world.lock(), account, region, Some(key.clone()));
}

fn fail(stage: &Stage, service: Service, operation: &str, code: &str) {
    let message = "Refused for a test.".to_owned();
    let refusal = Refusal { status: 400, code: code.to_owned(), message };
    let rule = Rule::new(Effect::Refuse(refusal)).on(service, operation);
    let rule = rule.in_region(stage.landscape.vault.1.clone());
    stage.world.faults().install(FaultPlan::new().fault(rule)).unwrap();
}

async fn report(stage: &Stage) -> Report {
    inventory::partial_report(stage).await.unwrap()
}

fn point<'a>(report: &'a Report, id: &ImageId) -> &'a RecoveryPoint {
    report.recovery_points.iter().find(|point| point.source_image_id == *id).unwrap()
}

fn gauge(stage: &Stage, series: &str) -> Option<f64> {
    stage.metrics().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn a_key_that_certainly_refuses_grants_is_parked_before_the_first_restore_with_the_statement() {
    let options = Options { kept: true, ..Options::default() };
    run_test(options, async |stage| {
        set_policy(stage, NO_CREATE_GRANT);
        stage.start_check(Role::Target).await.unwrap();
        let told = ["kms:CreateGrant", "statement NoGrants of the key's policy denies"];
        let at_start = lines(stage);
        let line =
            with_message(&at_start, "the EBS default key cannot be used: restores are parked");
        assert_eq!(line.len(), 1, "{at_start:#?}");
        for word in told {
            assert!(text(line[0], "amiferry.detail").contains(word), "{line:#?}");
        }
        let id = stage.image(spec("web", "web-1", &[8]));
        let archived = stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_both();
        stage.until_parked(Role::Target, Code::KeyUnusable, hours(1)).await;
        let recorded = |stage: &Stage| truth::is_recorded(stage, &archived);
        stage.until("tier archive is complete all the same", hours(1), recorded).await;
        assert!(stage.wire.calls("CreateRestoreImageTask").is_empty());
        assert_eq!(gauge(stage, "amiferry_kms_key_usable{use=\"ebs\"}"), Some(0.0));
        assert_eq!(gauge(stage, "amiferry_kms_key_usable{use=\"vault_bucket\"}"), Some(1.0));
        let report = report(stage).await;
        let shown = point(&report, &id);
        assert_eq!((shown.state, shown.code), (State::Parked, Code::KeyUnusable));
        for word in told {
            assert!(shown.detail.contains(word), "{}", shown.detail);
        }
        set_policy(stage, ACCOUNT);
        stage.complete_within(hours(1)).await;
        assert_eq!(stage.wire.calls("CreateRestoreImageTask").len(), 1);
        assert_eq!(gauge(stage, "amiferry_kms_key_usable{use=\"ebs\"}"), Some(1.0));
    });
}

#[test]
fn a_key_that_only_services_may_use_is_unknown_and_everything_is_completed() {
    run_test(Options::default(), async |stage| {
        set_policy(stage, SERVICES_ONLY);
        stage.start_check(Role::Target).await.unwrap();
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        for purpose in ["ebs", "vault_bucket"] {
            let series = format!("amiferry_kms_key_usable{{use=\"{purpose}\"}}");
            assert_eq!(gauge(stage, &series), Some(-1.0), "{purpose}");
        }
    });
}

#[test]
fn what_cannot_be_asked_about_the_vault_stops_no_copy_and_no_archive_tier() {
    for (service, operation, code, restores) in [
        (Service::Ec2, "GetEbsEncryptionByDefault", "UnauthorizedOperation", false),
        (Service::Ec2, "GetEbsDefaultKmsKeyId", "InvalidParameterValue", false),
        (Service::Kms, "DescribeKey", "KMSInternalException", true),
        (Service::Kms, "ListGrants", "KMSInternalException", true),
        (Service::Kms, "GenerateDataKeyWithoutPlaintext", "KMSInternalException", true),
        (Service::Kms, "CreateGrant", "UnsupportedOperationException", true),
    ] {
        println!("{operation}");
        run_test(Options::default(), async |stage| {
            let ready = stage.image(spec("web", "web-1", &[8]));
            let archived = stage.image(spec("analytics", "analytics-1", &[8]));
            fail(stage, service, operation, code);
            if operation != "DescribeKey" {
                stage.start_check(Role::Target).await.unwrap();
            }
            stage.start_both();
            let recorded = |stage: &Stage| truth::is_recorded(stage, &archived);
            stage.until("tier archive is complete", hours(1), recorded).await;
            stage
                .until("the other image is copied", hours(1), |stage| {
                    stage.wire.calls("CompleteMultipartUpload").len() == 2
                })
                .await;
            stage.pass(hours(1)).await;
            assert_eq!(truth::is_recorded(stage, &ready), restores, "{operation}");
            if !restores {
                let report = report(stage).await;
                let shown = point(&report, &ready);
                assert_eq!(shown.state, State::Parked);
                assert!(shown.detail.contains(operation), "{}", shown.detail);
                assert!(stage.wire.calls("CreateRestoreImageTask").is_empty());
            }
            stage.world.faults().clear();
            stage.complete_within(hours(1)).await;
        });
    }
}

#[test]
fn an_ebs_default_key_that_is_gone_parks_restores_and_nothing_else() {
    run_test(Options::default(), async |stage| {
        let (now, (account, region)) = (stage.world.now(), stage.landscape.vault.clone());
        let spec_of_key = kms::KeySpec::default();
        let key =
            kms::create_key(&mut stage.world.lock(), now, &account, &region, &spec_of_key).unwrap();
        encrypt_by_default(stage, &key);
        kms::delete_key(&mut stage.world.lock(), &key).unwrap();
        let ready = stage.image(spec("web", "web-1", &[8]));
        let archived = stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_check(Role::Target).await.unwrap();
        stage.start_both();
        stage.until_parked(Role::Target, Code::KeyUnusable, hours(1)).await;
        let recorded = |stage: &Stage| truth::is_recorded(stage, &archived);
        stage.until("tier archive is complete", hours(1), recorded).await;
        let report = report(stage).await;
        let shown = point(&report, &ready);
        let words = format!("key {key} does not exist");
        assert!(shown.detail.contains(&words), "{}", shown.detail);
        encrypt_by_default(stage, &vault_key(stage));
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn an_ebs_default_key_of_another_account_that_lets_the_vault_use_it_is_the_vaults_choice() {
    run_test(Options::default(), async |stage| {
        let (now, region) = (stage.world.now(), stage.landscape.vault.1.clone());
        let central = stage.landscape.source.0.clone();
        let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}"#;
        let of_another = kms::KeySpec { policy: Some(open.to_owned()), ..kms::KeySpec::default() };
        let key =
            kms::create_key(&mut stage.world.lock(), now, &central, &region, &of_another).unwrap();
        encrypt_by_default(stage, &key);
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        let recorded = |stage: &Stage| truth::is_recorded(stage, &id);
        stage.until("the image is recorded", hours(1), recorded).await;
        assert_eq!(point(&report(stage).await, &id).state, State::Complete);
        // It stays complete when new restores get another key.
        encrypt_by_default(stage, &vault_key(stage));
        stage.pass(minutes(40)).await;
        assert_eq!(point(&report(stage).await, &id).state, State::Complete);
    });
}

#[test]
fn an_ami_under_a_former_default_key_is_unusable_as_long_as_that_key_is() {
    for state in [KeyState::Disabled, KeyState::PendingDeletion] {
        run_test(Options::default(), async |stage| {
            let former = another_key(stage);
            encrypt_by_default(stage, &former);
            let id = stage.image(spec("web", "web-1", &[8]));
            stage.start_both();
            let recorded = |stage: &Stage| truth::is_recorded(stage, &id);
            stage.until("the image is recorded", hours(1), recorded).await;
            encrypt_by_default(stage, &vault_key(stage));
            stage.pass(minutes(40)).await;
            set_state(stage, &former, state);
            stage.pass(minutes(60)).await;
            let told = report(stage).await;
            let shown = point(&told, &id);
            assert_eq!((shown.state, shown.code), (State::Unusable, Code::KeyUnusable));
            assert!(shown.detail.contains(former.as_str()), "{}", shown.detail);
            let lost = gauge(stage, &unusable(stage));
            assert_eq!(lost, Some(1.0), "the worker says what the report says");
            set_state(stage, &former, KeyState::Enabled);
            stage.pass(minutes(40)).await;
            assert_eq!(point(&report(stage).await, &id).state, State::Complete);
            assert_eq!(gauge(stage, &unusable(stage)), Some(0.0));
        });
    }
}

fn unusable(stage: &Stage) -> String {
    let (account, region) = &stage.landscape.vault;
    format!(
        "amiferry_recovery_points_lost{{target_account=\"{account}\",target_region=\"{region}\",state=\"unusable\"}}"
    )
}

#[test]
fn a_copy_is_judged_by_its_own_key_and_not_by_the_one_that_new_copies_get() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.kill_all();
        let (old, new) = (vault_key(stage), another_key(stage));
        encrypt_by_default(stage, &new);
        stage.config.vaults[0].key_arn = new.clone();
        // The key of new copies cannot be used: what was copied before is as good as it was.
        set_state(stage, &new, KeyState::Disabled);
        stage.start(Role::Target);
        stage.pass(minutes(40)).await;
        assert_eq!(point(&report(stage).await, &id).state, State::Complete);
        assert_eq!(gauge(stage, &unusable(stage)), Some(0.0));
        stage.kill_all();
        // The other way round.
        set_state(stage, &new, KeyState::Enabled);
        set_state(stage, &old, KeyState::Disabled);
        stage.start(Role::Target);
        stage.pass(minutes(40)).await;
        let told = report(stage).await;
        let shown = point(&told, &id);
        assert_eq!((shown.state, shown.code), (State::Unusable, Code::KeyUnusable), "{shown:#?}");
        assert_eq!(gauge(stage, &unusable(stage)), Some(1.0));
        set_state(stage, &old, KeyState::Enabled);
        stage.pass(minutes(40)).await;
        assert_eq!(point(&report(stage).await, &id).state, State::Complete);
    });
}

//! Assumed roles: refreshed, refused, revoked, expired; and keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use amiferry_core::fault::FaultClass;
use amiferry_core::ids::Arn;
use amiferry_core::model::{KeyFacts, KeyOperation, KeyPurpose, KeyState, KeyVerdict, Probe};
use amiferry_core::ports::{CallMeter, Identity, Images, Keys, Objects, RestoreTasks};
use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use amiferry_simulator::s3::bucket::Encryption;
use amiferry_simulator::s3::content::Content;
use amiferry_simulator::wire::scope::Service;
use amiferry_simulator::{World, iam, kms, s3, sts};

use super::*;
use crate::{Ec2Images, KmsKeys, S3Objects, StsIdentity};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret-id"}}}]}"#;
const MAY_DESCRIBE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}"#;

fn role(world: &World) -> Arn {
    let spec = iam::RoleSpec {
        name: "source-read",
        trust_json: TRUST,
        permissions_json: MAY_DESCRIBE,
        max_session: 3600,
    };
    iam::create_role(&mut world.lock(), &account(ACCOUNT), &spec).unwrap()
}

fn assumed(world: &World, role: &Arn) -> Session {
    session(world, VAULT).assume_role(role, Some("secret-id"), "amiferry", &region())
}

#[tokio::test(start_paused = true)]
async fn a_session_knows_who_it_is() {
    let world = world();
    let root = StsIdentity::new(&session(&world, VAULT)).caller().await.unwrap();
    assert_eq!(root.account, account(VAULT));
    let role = role(&world);
    let caller = StsIdentity::new(&assumed(&world, &role)).caller().await.unwrap();
    assert_eq!(caller.account, account(ACCOUNT));
    assert!(caller.arn.ends_with("assumed-role/source-read/amiferry"), "{}", caller.arn);
}

#[tokio::test(start_paused = true)]
async fn a_role_is_assumed_once_and_again_before_its_session_ends() {
    let world = world();
    let images = Ec2Images::new(&assumed(&world, &role(&world)), account(ACCOUNT));
    for _ in 0..12 {
        images.pending().await.unwrap();
    }
    assert_eq!(calls(&world, "sts", "AssumeRole"), 1);
    for _ in 0..6 {
        world.clock().sleep(Duration::from_secs(1800)).await;
        images.pending().await.unwrap();
    }
    assert_eq!(calls(&world, "sts", "AssumeRole"), 4, "one for each hour of three");
}

#[tokio::test(start_paused = true)]
async fn a_refused_role_is_a_credentials_fault_with_the_words_of_sts() {
    let world = world();
    let role = role(&world);
    let session =
        session(&world, VAULT).assume_role(&role, Some("wrong-id"), "amiferry", &region());
    let fault = Ec2Images::new(&session, account(ACCOUNT)).pending().await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Credentials, "AccessDenied"));
    assert_eq!((fault.operation, fault.resource.as_str()), ("sts:AssumeRole", role.as_str()));
    assert!(fault.detail.contains("sts:AssumeRole"), "{}", fault.detail);
}

/// Counts how often a role was asked for.
#[derive(Debug, Default)]
struct Asked(AtomicU32);

impl CallMeter for Asked {
    fn ended(&self, operation: &'static str, _: Option<FaultClass>, _: Duration) {
        self.0.fetch_add(u32::from(operation == "sts:AssumeRole"), Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_sts_is_not_asked_for_each_call_and_again_soon() {
    let world = world();
    let asked = Arc::new(Asked::default());
    let base = session(&world, VAULT).metered(Arc::clone(&asked) as _);
    let role = base.assume_role(&role(&world), Some("secret-id"), "amiferry", &region());
    let images = Ec2Images::new(&role, account(ACCOUNT));
    let rule = Rule::new(Effect::Unavailable).on(Service::Sts, "AssumeRole");
    world.faults().install(FaultPlan::new().fault(rule)).unwrap();
    for (wait, times) in [(0, 1), (1, 1), (10, 2)] {
        world.clock().sleep(Duration::from_secs(wait)).await;
        let fault = images.pending().await.unwrap_err();
        assert_eq!(fault.operation, "sts:AssumeRole", "{fault}");
        assert_eq!(asked.0.load(Ordering::Relaxed), times, "after {wait} s more");
    }
    world.faults().clear();
    world.clock().sleep(Duration::from_secs(10)).await;
    images.pending().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_sts_that_says_nothing_about_the_credentials_is_no_credentials_fault() {
    for (effect, class) in [
        (Effect::ConnectionRefused, FaultClass::Unavailable),
        (Effect::Timeout, FaultClass::Unavailable),
        (Effect::InternalError, FaultClass::Unavailable),
        (Effect::Unavailable, FaultClass::Unavailable),
        (Effect::EmptyBody, FaultClass::Unavailable),
        (Effect::Throttle, FaultClass::Throttled),
    ] {
        let world = world();
        let images = Ec2Images::new(&assumed(&world, &role(&world)), account(ACCOUNT));
        let rule = Rule::new(effect.clone()).on(Service::Sts, "AssumeRole");
        world.faults().install(FaultPlan::new().fault(rule)).unwrap();
        let fault = images.pending().await.unwrap_err();
        assert_eq!(
            (fault.class, fault.operation),
            (class, "sts:AssumeRole"),
            "{effect:?}: {fault}"
        );
        let remedy = fault.remedy().unwrap();
        assert!(!remedy.contains("check the credentials"), "{effect:?}: {remedy}");
        world.faults().clear();
        world.clock().sleep(Duration::from_secs(11)).await;
        images.pending().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_expiry_that_the_local_clock_does_not_see_the_next_call_works() {
    let world = world();
    let role = role(&world);
    let images = Ec2Images::new(&assumed(&world, &role), account(ACCOUNT));
    images.pending().await.unwrap();
    let now = world.now();
    sts::expire_sessions(&mut world.lock(), &role, now);
    let fault = images.pending().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Credentials, "{fault}");
    images.pending().await.unwrap();
    assert_eq!(calls(&world, "sts", "AssumeRole"), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_revocation_the_next_call_works() {
    let world = world();
    let role = role(&world);
    let images = Ec2Images::new(&assumed(&world, &role), account(ACCOUNT));
    images.pending().await.unwrap();
    sts::revoke_sessions(&mut world.lock(), &role);
    let fault = images.pending().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Denied, "{fault}");
    images.pending().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_plain_denial_does_not_cost_a_new_session() {
    let world = world();
    let images = Ec2Images::new(&assumed(&world, &role(&world)), account(ACCOUNT));
    for _ in 0..3 {
        let fault = images.default_encryption().await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Denied, "{fault}");
    }
    assert_eq!(calls(&world, "sts", "AssumeRole"), 1);
}

/// A bucket with an object under a key.
fn kept(world: &World) -> Arn {
    let now = world.now();
    let mut state = world.lock();
    let spec = kms::KeySpec::default();
    let key = kms::create_key(&mut state, now, &account(ACCOUNT), &region(), &spec).unwrap();
    let bucket = s3::BucketSpec::new("staging", account(ACCOUNT), region());
    let bucket = s3::BucketSpec { encryption: Encryption::Kms(key.clone()), ..bucket };
    s3::create_bucket(&mut state, now, bucket).unwrap();
    let content = Content::synthetic(42, 10);
    let object = s3::NewObject { content, metadata: Default::default(), tags: Default::default() };
    s3::put_by_service(&mut state, now, "staging", "ami-1.bin", object).unwrap();
    key
}

async fn head(session: &Session) -> Fault {
    let (bucket, key) = ("staging".parse().unwrap(), "ami-1.bin".parse().unwrap());
    S3Objects::new(session).head(&account(ACCOUNT), &bucket, &key).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_a_body_is_followed_by_a_question_that_has_one() {
    let world = world();
    let (key, role) = (kept(&world), role(&world));
    let reader = assumed(&world, &role);
    let fault = head(&reader).await;
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Denied, "AccessDenied"));
    let why = "because no identity-based policy allows the s3:GetObject action";
    assert!(fault.detail.contains(why), "{fault}");
    let bucket = "staging".parse().unwrap();
    let fault = S3Objects::new(&reader).bucket_facts(&account(ACCOUNT), &bucket).await.unwrap_err();
    assert!(fault.detail.contains("policy allows the s3:ListBucket action"), "{fault}");
    // S3 tells other accounts no reason.
    let fault = head(&session(&world, VAULT)).await;
    assert_eq!((fault.class, fault.detail.as_str()), (FaultClass::Denied, "Access Denied"));

    // A 400 without a body.
    let now = world.now();
    sts::expire_sessions(&mut world.lock(), &role, now);
    let fault = head(&reader).await;
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Credentials, "ExpiredToken"));
    kms::set_key_state(&mut world.lock(), &key, kms::KeyState::Disabled).unwrap();
    let fault = head(&session(&world, ACCOUNT)).await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (FaultClass::KeyUnusable, "KMS.DisabledException")
    );
}

#[tokio::test(start_paused = true)]
async fn examining_a_key_tells_usable_disabled_and_denied_apart() {
    let world = world();
    let key = kms::create_key(
        &mut world.lock(),
        "2026-01-01T00:00:00Z".parse().unwrap(),
        &account(VAULT),
        &"us-west-2".parse().unwrap(),
        &kms::KeySpec::default(),
    )
    .unwrap();
    let keys = KmsKeys::new(&session(&world, VAULT), &account(VAULT));
    let purposes = [KeyPurpose::Writing, KeyPurpose::Snapshots];
    let verdicts = |facts: &KeyFacts| purposes.map(|purpose| facts.verdict(purpose));
    let facts = keys.examine(&key, &purposes).await.unwrap();
    assert_eq!((&facts.state, facts.aws_managed), (&Some(KeyState::Enabled), Some(false)));
    assert_eq!(verdicts(&facts), [KeyVerdict::Usable, KeyVerdict::Usable]);
    assert_eq!(facts.probes.len(), 7, "DescribeKey and six DryRuns");
    assert_eq!(keys.grants(&key).await, Ok(Some(vec![])), "a DryRun leaves no grant");

    kms::set_key_state(&mut world.lock(), &key, kms::KeyState::Disabled).unwrap();
    let facts = keys.examine(&key, &purposes).await.unwrap();
    assert_eq!(facts.state, Some(KeyState::Disabled));
    for verdict in verdicts(&facts) {
        assert!(matches!(verdict, KeyVerdict::Unusable(_)), "{verdict}");
    }

    let stranger = KmsKeys::new(&session(&world, ACCOUNT), &account(ACCOUNT));
    let facts = stranger.examine(&key, &purposes).await.unwrap();
    assert_eq!((&facts.state, stranger.grants(&key).await), (&None, Ok(None)));
    for verdict in verdicts(&facts) {
        assert!(matches!(verdict, KeyVerdict::Unknown(_)), "{verdict}");
    }

    let absent: Arn = key.as_str().replace("key/", "key/0").parse().unwrap();
    let facts = keys.examine(&absent, &purposes).await.unwrap();
    assert_eq!(facts.state, Some(KeyState::Absent));
}

/// A key of the vault under a policy.
fn key_under(world: &World, policy: &str) -> Arn {
    let (now, region) = (world.now(), "us-west-2".parse().unwrap());
    let spec = kms::KeySpec { policy: Some(policy.to_owned()), ..kms::KeySpec::default() };
    kms::create_key(&mut world.lock(), now, &account(VAULT), &region, &spec).unwrap()
}

async fn for_snapshots(world: &World, key: &Arn) -> KeyVerdict {
    let keys = KmsKeys::new(&session(world, VAULT), &account(VAULT));
    keys.examine(key, &[KeyPurpose::Snapshots]).await.unwrap().verdict(KeyPurpose::Snapshots)
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_policy_shows_that_nobody_can_create_grants_is_unusable_for_restores_only() {
    let world = world();
    let root = format!(r#"{{"AWS":"arn:aws:iam::{VAULT}:root"}}"#);
    let policy = |actions: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{root},"Action":{actions},"Resource":"*"}},
                {{"Sid":"NoGrants","Effect":"Deny","Principal":"*","Action":"kms:CreateGrant","Resource":"*"}}]}}"#
        )
    };
    let key = key_under(&world, &policy(r#""kms:*""#));
    let verdict = for_snapshots(&world, &key).await.to_string();
    assert!(verdict.starts_with("no: kms:CreateGrant on arn:"), "{verdict}");
    assert!(verdict.contains("statement NoGrants of the key's policy denies"), "{verdict}");
    let keys = KmsKeys::new(&session(&world, VAULT), &account(VAULT));
    let facts = keys.examine(&key, &[KeyPurpose::Writing]).await.unwrap();
    assert_eq!(facts.verdict(KeyPurpose::Writing), KeyVerdict::Usable);

    // A policy that cannot be read proves nothing.
    let silent =
        r#"["kms:Describe*","kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*"]"#;
    let key = key_under(&world, &policy(silent));
    let verdict = for_snapshots(&world, &key).await;
    assert!(matches!(verdict, KeyVerdict::Unknown(_)), "{verdict}");
}

#[tokio::test(start_paused = true)]
async fn what_only_a_service_may_do_with_a_key_stays_unknown() {
    let world = world();
    let root = format!(r#"{{"AWS":"arn:aws:iam::{VAULT}:root"}}"#);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{root},"Action":["kms:Describe*","kms:Get*"],"Resource":"*"}},
            {{"Effect":"Allow","Principal":{root},"Action":"kms:*","Resource":"*",
              "Condition":{{"StringEquals":{{"kms:ViaService":"ec2.us-west-2.amazonaws.com"}}}}}}]}}"#
    );
    let key = key_under(&world, &policy);
    let KeyVerdict::Unknown(why) = for_snapshots(&world, &key).await else { panic!("not unknown") };
    for action in ["CreateGrant", "Decrypt", "Encrypt", "ReEncrypt", "GenerateDataKeyWithout"] {
        assert!(why.contains(&format!("kms:{action}")), "{why}");
    }
    assert!(!why.contains("kms:DescribeKey,"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_executes_dry_runs_is_asked_for_no_grant() {
    let world = world();
    let key = key_under(
        &world,
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}"#,
    );
    let keys = KmsKeys::new(&session(&world, VAULT), &account(VAULT));
    let rule = Rule::new(Effect::EmptyBody).on(Service::Kms, "GenerateDataKeyWithoutPlaintext");
    world.faults().install(FaultPlan::new().fault(rule)).unwrap();
    let facts = keys.examine(&key, &[KeyPurpose::Snapshots]).await.unwrap();
    let verdict = facts.verdict(KeyPurpose::Snapshots).to_string();
    assert!(verdict.contains("the endpoint executes DryRuns"), "{verdict}");
    let Some(Probe::Unknown(why)) =
        facts.probes.get(&KeyOperation::GenerateDataKeyWithoutPlaintext)
    else {
        panic!("{facts:?}")
    };
    assert!(why.contains("was executed, although it was a DryRun"), "{why}");
    assert_eq!(calls(&world, "kms", "CreateGrant"), 0);
}

//! `amiferry check`: a sound deployment, and one that lacks one thing at a time; what is to be pasted is
//! pasted, and leads out.

use amiferry_core::check::{Finding, Hop, Level, worst};
use amiferry_core::refusal::Statement;
use amiferry_simulator::ec2;
use amiferry_simulator::kms::{self, KeyState};
use amiferry_simulator::landscape::{
    EXTERNAL_ID, READ_ROLE, SOURCE_ACCOUNT, STAGING_BUCKET, VAULT_ACCOUNT, VAULT_BUCKET,
};
use amiferry_simulator::s3::bucket::{Bucket, BucketPolicy, Versioning};
use serde_json::{Value, json};

use crate::stage::{Options, Role, Stage, hours, run_test, spec};

/// Takes one thing away.
type Break = fn(&Stage);

/// What `amiferry check` finds of both workers.
async fn found(stage: &Stage) -> Vec<Finding> {
    found_with(stage, false).await
}

/// The same, with a canary or without one.
async fn found_with(stage: &Stage, canary: bool) -> Vec<Finding> {
    let mut all = stage.examine(Role::Source, canary).await.all;
    all.extend(stage.examine(Role::Target, canary).await.all);
    all
}

fn of(findings: &[Finding], hop: Hop, level: Level) -> Vec<&Finding> {
    findings.iter().filter(|one| (one.hop, one.level) == (hop, level)).collect()
}

/// The only failure, which is at this hop.
fn failure(findings: &[Finding], hop: Hop) -> &Finding {
    let failed: Vec<_> = findings.iter().filter(|one| one.level == Level::Fail).collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0].hop, hop, "{failed:#?}");
    failed[0]
}

#[test]
fn a_sound_deployment_has_no_failure_and_says_what_nothing_proves_yet() {
    run_test(Options::default(), async |stage| {
        let before = found(stage).await;
        assert_eq!(worst(&before), Level::Unknown, "{before:#?}");
        for hop in [Hop::Store, Hop::StagedObjects] {
            assert_eq!(of(&before, hop, Level::Unknown).len(), 1, "{hop:?}: {before:#?}");
        }
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let mutations = stage.wire.all().iter().filter(|call| call.mutates()).count();
        let after = found(stage).await;
        let open: Vec<_> = after.iter().filter(|one| one.level != Level::Ok).collect();
        assert!(open.is_empty(), "{open:#?}");
        for hop in [Hop::Identity, Hop::Store, Hop::ReadRole, Hop::VaultKey, Hop::Restore] {
            assert!(!of(&after, hop, Level::Ok).is_empty(), "{hop:?}");
        }
        for (hop, quotas) in [(Hop::Store, "1200 GB"), (Hop::Restore, "600 GB")] {
            let told =
                |one: &&Finding| one.need.contains(quotas) && one.need.contains("not confirmed");
            assert!(of(&after, hop, Level::Ok).into_iter().any(|one| told(&one)), "{after:#?}");
        }
        let tried = stage.wire.all().into_iter().filter(|call| call.mutates()).skip(mutations);
        for call in tried {
            let is_dry = call.text.contains("DryRun=true") || call.operation == "AssumeRole";
            assert!(is_dry, "a check changed something: {} {}", call.operation, call.text);
        }
    });
}

/// What the canary found.
fn flown(findings: &[Finding]) -> &Finding {
    let of_copy: Vec<_> = findings.iter().filter(|one| one.hop == Hop::Copy).collect();
    assert_eq!(of_copy.len(), 1, "{of_copy:#?}");
    of_copy[0]
}

fn uploads(stage: &Stage) -> usize {
    stage.world.lock().s3.bucket(VAULT_BUCKET).unwrap().upload_count()
}

/// Adds a statement to the vault bucket's policy that denies an action to everyone.
fn deny(stage: &Stage, action: &str) {
    let mut state = stage.world.lock();
    let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
    let mut policy: Value = serde_json::from_str(&bucket.policy.as_ref().unwrap().json).unwrap();
    policy["Statement"].as_array_mut().unwrap().push(json!({
        "Sid": "Broken", "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"
    }));
    bucket.policy = Some(BucketPolicy::parse(&policy.to_string()).unwrap());
}

#[test]
fn a_canary_proves_the_way_of_a_copy_and_leaves_nothing() {
    run_test(Options::default(), async |stage| {
        assert_eq!(
            flown(&found_with(stage, true).await).level,
            Level::Unknown,
            "nothing is staged"
        );
        let large = stage.image(spec("web", "web-1", &[8]));
        stage.start(Role::Source);
        stage.until_staged(&large).await;
        stage.kill_all();
        assert_eq!(flown(&found_with(stage, true).await).level, Level::Ok);
        let is_empty = stage.world.lock().s3.bucket(VAULT_BUCKET).unwrap().is_empty();
        assert!(is_empty, "nothing is left");
        assert!(found(stage).await.iter().all(|one| one.hop != Hop::Copy), "only if asked for");
        stage.start(Role::Target);
        stage.start(Role::Source);
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn a_canary_names_what_refuses_a_copy_and_leaves_nothing() {
    let breaks: [(&str, Break); 3] = [
        ("s3:PutObject", |stage| deny(stage, "s3:PutObject")),
        ("kms:", |stage| {
            let key = stage.landscape.vault_key.clone();
            kms::set_key_state(&mut stage.world.lock(), &key, KeyState::Disabled).unwrap();
        }),
        ("s3:AbortMultipartUpload", |stage| {
            deny(stage, "s3:AbortMultipartUpload");
        }),
    ];
    for (what, break_it) in breaks {
        run_test(Options::default(), async |stage| {
            let image = stage.image(spec("web", "web-1", &[8]));
            stage.start(Role::Source);
            stage.until_staged(&image).await;
            stage.kill_all();
            break_it(stage);
            let findings = found_with(stage, true).await;
            let told = findings.iter().filter(|one| one.hop == Hop::Copy && one.level > Level::Ok);
            let told: Vec<_> = told.collect();
            assert_eq!(told.len(), 1, "{what}: {findings:#?}");
            let words = format!("{} {:?}", told[0].cause, told[0].remedy);
            assert!(words.contains(what), "{what}: {words}");
            let left = usize::from(what.contains("Abort"));
            assert_eq!(uploads(stage), left, "{what}");
        });
    }
}

/// Adds a statement to the policy that the finding names.
fn paste(stage: &Stage, Statement { into, statement }: &Statement) {
    let policy = |statements: &[&Value]| {
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    };
    let mut state = stage.world.lock();
    if into == &format!("the policy of bucket {STAGING_BUCKET}") {
        let bucket = state.s3.bucket_mut(STAGING_BUCKET).unwrap();
        let old =
            bucket.policy.as_ref().map(|old| serde_json::from_str::<Value>(&old.json).unwrap());
        let mut all = vec![statement];
        let old = old.unwrap_or_default();
        all.extend(old["Statement"].as_array().into_iter().flatten());
        bucket.policy = Some(BucketPolicy::parse(&policy(&all)).unwrap());
        return;
    }
    let read_role = format!("arn:aws:iam::{SOURCE_ACCOUNT}:role/{READ_ROLE}");
    assert_eq!(into, &format!("a policy of {read_role}"));
    drop(state);
    read_role_may(stage, &policy(&[statement]));
}

/// Gives the read role these permissions.
fn read_role_may(stage: &Stage, permissions: &str) {
    stage.set_read_role(EXTERNAL_ID, permissions);
}

const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:DescribeRegions","Resource":"*"}]}"#;

#[test]
fn each_refusal_comes_with_a_statement_that_lets_the_call_through() {
    let breaks: [(Hop, Break); 2] = [
        (Hop::StagedObjects, |stage| {
            stage.world.lock().s3.bucket_mut(STAGING_BUCKET).unwrap().policy = None;
        }),
        (Hop::ReadRole, |stage| read_role_may(stage, NOTHING)),
    ];
    for (hop, break_it) in breaks {
        run_test(Options::default(), async |stage| {
            stage.image(spec("web", "web-1", &[8]));
            stage.start_both();
            stage.complete_within(hours(1)).await;
            stage.kill_all();
            break_it(stage);
            // What is refused next shows only once the first refusal is mended.
            let mut pasted = 0;
            loop {
                let findings = found(stage).await;
                if worst(&findings) != Level::Fail {
                    break;
                }
                let failed = failure(&findings, hop);
                let principal = failed.principal.as_deref().unwrap_or_default();
                assert!(principal.starts_with("arn:aws:"), "{failed:#?}");
                let statements: Vec<&Statement> = failed
                    .statements
                    .iter()
                    .filter(|one| one.into.contains("bucket") || one.into.contains(READ_ROLE))
                    .collect();
                assert!(!statements.is_empty(), "{failed:#?}");
                statements.into_iter().for_each(|statement| paste(stage, statement));
                pasted += 1;
                assert!(pasted < 5, "the statements lead nowhere: {failed:#?}");
            }
            assert!(pasted > 0, "{hop:?} was not broken");
        });
    }
}

#[test]
fn what_no_policy_is_the_reason_for_is_named_with_its_remedy() {
    let rows: [(Hop, Break, &str); 5] = [
        (
            Hop::VaultBucket,
            |stage| {
                stage.world.lock().s3.bucket_mut(VAULT_BUCKET).unwrap().object_lock = None;
            },
            "enable Object Lock",
        ),
        (
            Hop::VaultBucket,
            |stage| {
                let mut state = stage.world.lock();
                state.s3.bucket_mut(VAULT_BUCKET).unwrap().versioning = Versioning::Suspended;
            },
            "turn on versioning",
        ),
        (
            Hop::VaultKey,
            |stage| {
                let key = stage.landscape.vault_key.clone();
                kms::set_key_state(&mut stage.world.lock(), &key, KeyState::Disabled).unwrap();
            },
            "enable the key",
        ),
        (
            Hop::StagingBucket,
            |stage| {
                let mut state = stage.world.lock();
                state.s3.bucket_mut(STAGING_BUCKET).unwrap().versioning = Versioning::Suspended;
            },
            "turn on versioning",
        ),
        (
            Hop::SnapshotKey,
            |stage| {
                let (account, region) = &stage.landscape.vault;
                ec2::set_default_encryption(&mut stage.world.lock(), account, region, None);
            },
            "turn on EBS encryption",
        ),
    ];
    for (hop, break_it, remedy) in rows {
        run_test(Options::default(), async |stage| {
            break_it(stage);
            let findings = found(stage).await;
            let failed: Vec<_> =
                findings.iter().filter(|one| one.level == Level::Fail && one.hop == hop).collect();
            let told =
                |one: &&Finding| one.remedy.as_deref().is_some_and(|said| said.contains(remedy));
            assert!(failed.iter().any(told), "{hop:?}, {remedy:?}: {findings:#?}");
            // Everything else is still looked at.
            for hop in [Hop::Identity, Hop::ReadRole] {
                assert!(!of(&findings, hop, Level::Ok).is_empty(), "{hop:?}: {findings:#?}");
            }
        });
    }
}

/// Rules of the staging bucket, and what is said of them; nothing of rules that are well.
const RULES: [(&str, Option<&str>); 6] = [
    ("", Some("no lifecycle rule expires staged objects")),
    (
        "<Rule><Filter><Prefix>amiferry/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>",
        Some("expires staged objects after 1 days"),
    ),
    (
        "<Rule><Filter><Prefix/></Filter><Status>Disabled</Status><Expiration><Days>7</Days></Expiration></Rule>",
        Some("no lifecycle rule expires staged objects"),
    ),
    (
        "<Rule><Prefix>amiferry/</Prefix><Status>Enabled</Status><Expiration><Days>7</Days></Expiration></Rule>",
        Some("deletes noncurrent versions"),
    ),
    (
        "<Rule><Filter><And><Prefix>amiferry/</Prefix><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></And></Filter>\
         <Status>Enabled</Status><Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>",
        Some("archives staged objects after 0 days"),
    ),
    (
        "<Rule><Filter><Prefix>amiferry/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>7</Days></Expiration>\
         <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>",
        None,
    ),
];

#[test]
fn a_staging_bucket_whose_rules_lose_objects_or_keep_them_for_ever_is_warned_of() {
    run_test(Options::default(), async |stage| {
        for (rules, doubt) in RULES {
            let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
            let document = Some(document).filter(|_| !rules.is_empty());
            stage.world.lock().s3.bucket_mut(STAGING_BUCKET).unwrap().lifecycle = document;
            let findings = found(stage).await;
            let warned = of(&findings, Hop::StagingBucket, Level::Warn);
            match doubt {
                None => assert!(warned.is_empty(), "{rules}: {warned:#?}"),
                Some(doubt) => {
                    assert!(warned[0].cause.contains(doubt), "{rules}: {warned:#?}");
                    let remedy = warned[0].remedy.as_deref().unwrap_or_default();
                    assert!(remedy.contains("docs/retention.md"), "{remedy}");
                }
            }
            stage.start_check(Role::Source).await.unwrap();
        }
    });
}

/// Opens a bucket to others.
type Open = fn(&mut Bucket);

#[test]
fn a_vault_bucket_that_is_open_to_others_is_warned_of() {
    let opened: [(&str, Open); 4] = [
        ("block of public access", |bucket| bucket.public_access_block = None),
        ("block of public access", |bucket| {
            let block = bucket.public_access_block.take().unwrap();
            bucket.public_access_block = Some(block.replacen("true", "false", 1));
        }),
        ("ACLs", |bucket| bucket.ownership = None),
        ("ACLs", |bucket| {
            let owner = bucket.ownership.take().unwrap();
            bucket.ownership = Some(owner.replace("BucketOwnerEnforced", "ObjectWriter"));
        }),
    ];
    for (why, open) in opened {
        run_test(Options::default(), async |stage| {
            assert!(of(&found(stage).await, Hop::VaultBucket, Level::Warn).is_empty());
            open(stage.world.lock().s3.bucket_mut(VAULT_BUCKET).unwrap());
            let findings = found(stage).await;
            let warned = of(&findings, Hop::VaultBucket, Level::Warn);
            assert_eq!(warned.len(), 1, "{findings:#?}");
            assert!(warned[0].cause.contains(why), "{warned:#?}");
            stage.start_check(Role::Target).await.unwrap();
        });
    }
}

#[test]
fn a_vault_bucket_that_does_not_tell_whom_it_admits_is_unknown() {
    for action in ["s3:GetBucketPublicAccessBlock", "s3:GetBucketOwnershipControls"] {
        run_test(Options::default(), async |stage| {
            deny(stage, action);
            let findings = found(stage).await;
            let unknown = of(&findings, Hop::VaultBucket, Level::Unknown);
            assert_eq!(unknown.len(), 1, "{findings:#?}");
            let remedy = unknown[0].remedy.as_deref().unwrap_or_default();
            assert!(remedy.contains(action), "{unknown:#?}");
            stage.start_check(Role::Target).await.unwrap();
        });
    }
}

/// The finding about who may end the vault key.
fn guard(findings: &[Finding]) -> &Finding {
    let about = |one: &&Finding| one.need.contains("delete or disable the key");
    let about: Vec<_> = findings.iter().filter(about).collect();
    assert_eq!(about.len(), 1, "{findings:#?}");
    about[0]
}

#[test]
fn who_may_end_the_vault_key_is_told_until_the_statement_is_pasted() {
    let of_account = |actions: &str, which: &str| {
        let account = format!("arn:aws:iam::{VAULT_ACCOUNT}:root");
        json!({ "Effect": "Allow", "Principal": { "AWS": account }, actions: which, "Resource": "*" })
    };
    let glass = format!("arn:aws:iam::{VAULT_ACCOUNT}:role/people/break-glass");
    let keep = json!({
        "Effect": "Deny", "Principal": "*", "Action": ["kms:ScheduleKeyDeletion", "kms:DisableKey"],
        "Resource": "*", "Condition": { "ArnNotEquals": { "aws:PrincipalArn": glass } },
    });
    let rows = [
        // An administrator takes the denial away, because it was in the way.
        (
            json!([of_account("Action", "kms:*")]),
            Level::Warn,
            "whoever the IAM policies of account",
        ),
        (
            json!([of_account("NotAction", "kms:GetKeyPolicy"), keep]),
            Level::Unknown,
            "kms:GetKeyPolicy",
        ),
    ];
    for (statements, level, words) in rows {
        run_test(Options::default(), async |stage| {
            assert_eq!(guard(&found(stage).await).level, Level::Ok);
            let set = |statements: &Value| {
                let policy = json!({ "Version": "2012-10-17", "Statement": statements });
                let key = stage.landscape.vault_key.clone();
                kms::set_policy(&mut stage.world.lock(), &key, &policy.to_string()).unwrap();
            };
            set(&statements);
            let findings = found(stage).await;
            let told = guard(&findings);
            assert_eq!(told.level, level, "{told:#?}");
            assert!(format!("{} {:?}", told.cause, told.remedy).contains(words), "{told:#?}");
            stage.start_check(Role::Target).await.unwrap();
            let of_key = |one: &&Statement| one.into.starts_with("the policy of key");
            let paste = told.statements.iter().find(of_key).unwrap();
            let mut mended = statements.clone();
            mended.as_array_mut().unwrap().push(paste.statement.clone());
            set(&mended);
            let findings = found(stage).await;
            assert_eq!(guard(&findings).level, Level::Ok, "{findings:#?}");
        });
    }
}

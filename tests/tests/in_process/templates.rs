//! Workers with the roles, buckets, keys and rules of the CloudFormation templates.

use amiferry_core::ids::{AccountId, Arn, Region};
use amiferry_simulator::landscape::{EXTERNAL_ID, Roles, STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3::bucket::BucketPolicy;
use amiferry_simulator::{events, iam, kms};

use crate::stage::images::But as _;
use crate::stage::template::Template;
use crate::stage::{Options, Stage, hours, inventory, run_test, spec, truth};

/// The stack of the vault, deployed into the landscape's vault.
fn vault(stage: &Stage) -> Template {
    let (account, region) = &stage.landscape.vault;
    let queue = format!("arn:aws:sqs:{region}:{account}:amiferry-target");
    Template::new(
        include_str!("../../../deploy/cloudformation/vault.yaml"),
        [
            ("AWS::AccountId", account.to_string()),
            ("AWS::Region", region.to_string()),
            ("BreakGlassRoleName", "amiferry-break-glass".to_owned()),
            ("DestinationAccounts", String::new()),
            ("MaxRetentionDays", "400".to_owned()),
            ("SourceAccounts", stage.landscape.source.0.to_string()),
            ("VaultBucket", VAULT_BUCKET.to_owned()),
            ("VaultKey.Arn", stage.landscape.vault_key.to_string()),
            ("VaultQueue.Arn", queue),
        ],
    )
}

/// The stack of the source, deployed into the landscape's source.
fn source(stage: &Stage) -> Template {
    let (account, region) = &stage.landscape.source;
    let queue = format!("arn:aws:sqs:{region}:{account}:amiferry-source");
    Template::new(
        include_str!("../../../deploy/cloudformation/source.yaml"),
        [
            ("AWS::AccountId", account.to_string()),
            ("AWS::Region", region.to_string()),
            ("ExternalId", EXTERNAL_ID.to_owned()),
            ("SourceQueue.Arn", queue),
            ("StagingBucket", STAGING_BUCKET.to_owned()),
            ("StagingKey.Arn", stage.landscape.staging_key.to_string()),
            ("VaultAccount", stage.landscape.vault.0.to_string()),
            ("VaultRegion", stage.landscape.vault.1.to_string()),
        ],
    )
}

/// A role of a template. `trust` is who may assume it: in a stack ECS, here the account.
fn role(stage: &Stage, account: &AccountId, name: &str, trust: &str, permissions: &str) -> Arn {
    let spec =
        iam::RoleSpec { name, trust_json: trust, permissions_json: permissions, max_session: 3600 };
    iam::create_role(&mut stage.world.lock(), account, &spec).unwrap()
}

/// Replaces all that the landscape has of its own by what the templates say.
fn deploy(stage: &mut Stage) {
    let (hub, spoke) = (vault(stage), source(stage));
    let (there, here) = (stage.landscape.vault.clone(), stage.landscape.source.clone());
    let people = hub.element("AuditRole", "AssumeRolePolicyDocument", 0);
    let own = people.replace(there.0.as_str(), here.0.as_str());
    let of = |template: &Template, resource| template.element(resource, "PolicyDocument", 0);
    let roles = Roles {
        source_worker: role(
            stage,
            &here.0,
            "amiferry-source-worker-us-east-1",
            &own,
            &of(&spoke, "WorkerRole"),
        ),
        vault_worker: role(
            stage,
            &there.0,
            "amiferry-vault-worker-us-west-2",
            &people,
            &of(&hub, "WorkerRole"),
        ),
        auditor: role(
            stage,
            &there.0,
            "amiferry-vault-audit-us-west-2",
            &people,
            &of(&hub, "AuditRole"),
        ),
    };
    let trust = spoke.element("ReadRole", "AssumeRolePolicyDocument", 0);
    stage.config.sources[0].read_role_arn =
        role(stage, &here.0, "amiferry-source-read-us-east-1", &trust, &of(&spoke, "ReadRole"));
    let mut state = stage.world.lock();
    state.iam.get_mut(&here.0).unwrap().roles.remove(amiferry_simulator::landscape::READ_ROLE);
    for (template, bucket, policy) in
        [(&hub, VAULT_BUCKET, "VaultBucketPolicy"), (&spoke, STAGING_BUCKET, "StagingBucketPolicy")]
    {
        let policy = BucketPolicy::parse(&of(template, policy)).unwrap();
        state.s3.bucket_mut(bucket).unwrap().policy = Some(policy);
    }
    let staging_key = spoke.element("StagingKey", "KeyPolicy", 0);
    kms::set_policy(&mut state, &stage.landscape.staging_key, &staging_key).unwrap();
    let vault_key = hub.element("VaultKey", "KeyPolicy", 0);
    kms::set_policy(&mut state, &stage.landscape.vault_key, &vault_key).unwrap();
    let arn = |text: String| -> Arn { text.parse().unwrap() };
    let queue = |(account, region): &(AccountId, Region), name: &str| {
        arn(format!("arn:aws:sqs:{region}:{account}:{name}"))
    };
    let bus = arn(format!("arn:aws:events:{}:{}:event-bus/default", there.1, there.0));
    for (template, place, resource, name, target) in [
        (&spoke, &here, "ImagesRule", "amiferry-images", queue(&here, "amiferry-source")),
        (&spoke, &here, "StagedRule", "amiferry-staged", bus),
        (&hub, &there, "StagedRule", "amiferry-staged", queue(&there, "amiferry-target")),
        (&hub, &there, "RestoredRule", "amiferry-restored", queue(&there, "amiferry-target")),
    ] {
        let pattern = template.element(resource, "EventPattern", 0);
        events::put_rule(&mut state, &place.0, &place.1, name, &pattern, &[target]).unwrap();
    }
    drop(state);
    stage.run_as(roles);
}

#[test]
fn workers_with_the_roles_and_resources_of_the_templates_are_green() {
    run_test(Options::default(), async |stage| {
        deploy(stage);
        for role in [crate::stage::Role::Source, crate::stage::Role::Target] {
            stage.start_check(role).await.unwrap();
        }
        let key = stage.landscape.workload_key.clone();
        let ready = stage.image(spec("orders-db", "orders-db-1", &[8]).encrypted(&key));
        stage.image(spec("analytics", "analytics-1", &[30]));
        stage.start_both();
        stage
            .until("both are recorded", hours(1), |stage| {
                stage.expected().keys().all(|id| truth::is_recorded(stage, id))
            })
            .await;
        // I-7 knows the workers by the keys of their accounts' roots.
        let wrongs = truth::check(stage).await;
        let wrongs: Vec<String> = wrongs.iter().map(ToString::to_string).collect();
        let others: Vec<_> = wrongs.iter().filter(|wrong| !wrong.starts_with("I-7:")).collect();
        assert!(others.is_empty(), "{others:#?}");
        assert_eq!(truth::restored(stage, &ready).len(), 1);
        let report = inventory::partial_report(stage).await.unwrap();
        assert!(report.not_assessed.is_empty(), "{:#?}", report.not_assessed);
        let refused: Vec<_> =
            stage.wire.all().into_iter().filter(|call| call.status == Some(403)).collect();
        assert!(refused.is_empty(), "{refused:#?}");
    });
}

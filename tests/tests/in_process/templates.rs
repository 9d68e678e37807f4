//! Workers in accounts that the CloudFormation templates have made.

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn, Region};
use amiferry_service::config::Config;
use amiferry_simulator::cloudformation::create_stack;
use amiferry_simulator::iam::Policy;
use amiferry_simulator::kms::{self, KeySpec};
use amiferry_simulator::landscape::{Pace, Roles, STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::{ec2, s3};

use crate::stage::images::But as _;
use crate::stage::{Options, Stage, hours, inventory, run_test, spec, truth};

/// What the vault's administrator takes from the secret and gives to the source's.
const EXTERNAL_ID: &str = "an-external-id-of-this-test";

/// Takes away all that the landscape has made: both accounts are empty.
fn clear(stage: &Stage) {
    let mut state = stage.world.lock();
    for bucket in [STAGING_BUCKET, VAULT_BUCKET] {
        s3::delete_bucket(&mut state, bucket).unwrap();
    }
    state.sqs.clear();
    state.kms.clear();
    state.iam.clear();
    state.events.clear();
}

fn arn(text: &str) -> Arn {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The role of a stack. In the stack, ECS may assume it; here the account may.
fn role(stage: &Stage, account: &AccountId, name: &str) -> Arn {
    let by = format!(
        r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{account}"}}, "Action": "sts:AssumeRole"}}}}"#
    );
    let mut state = stage.world.lock();
    let roles = &mut state.iam.get_mut(account).unwrap().roles;
    roles.get_mut(name).unwrap_or_else(|| panic!("no role {name}")).trust =
        Policy::parse_trust(&by).unwrap();
    arn(&format!("arn:aws:iam::{account}:role/{name}"))
}

/// The key behind an alias.
fn key(stage: &Stage, (account, region): &(AccountId, Region), alias: &str) -> Arn {
    let alias = arn(&format!("arn:aws:kms:{region}:{account}:alias/{alias}"));
    kms::key_behind(&stage.world.lock(), &alias).unwrap()
}

/// Deploys both stacks into empty accounts, and writes the configuration from their outputs.
fn deploy(stage: &mut Stage) {
    clear(stage);
    let (vault, source) = (stage.landscape.vault.clone(), stage.landscape.source.clone());
    let hub = create_stack(
        &stage.world,
        &vault,
        "amiferry-vault",
        include_str!("../../../deploy/cloudformation/vault.yaml"),
        &[("SourceAccounts", source.0.as_str())],
    );
    let spoke = create_stack(
        &stage.world,
        &source,
        "amiferry-source",
        include_str!("../../../deploy/cloudformation/source.yaml"),
        &[
            ("VaultAccount", vault.0.as_str()),
            ("VaultRegion", vault.1.as_str()),
            ("ExternalId", EXTERNAL_ID),
        ],
    );
    let (hub, spoke) = (hub.unwrap(), spoke.unwrap());
    let landscape = stage.landscape.config(None, Pace::Real);
    let (_, policies) = landscape.split_once("[[policy]]").unwrap();
    let tables = [hub["Configuration"].as_str(), spoke["Configuration"].as_str()].join("\n");
    let text = format!("{tables}\n[[policy]]{policies}");
    let external_id = ("AMIFERRY_EXTERNAL_ID".to_owned(), EXTERNAL_ID.to_owned());
    stage.config = Config::parse(&text, "the outputs", &BTreeMap::from([external_id])).unwrap();
    stage.config.workers.part_size_mib = 512.try_into().ok();
    stage.landscape.staging_key = key(stage, &source, "amiferry-staging");
    stage.landscape.vault_key = key(stage, &vault, "amiferry-vault");
    stage.landscape.read_role = stage.config.sources[0].read_role_arn.clone();
    let mut state = stage.world.lock();
    // What the output `EncryptByDefault` says to do by hand.
    let default = Some(stage.landscape.vault_key.clone());
    ec2::set_default_encryption(&mut state, &vault.0, &vault.1, default);
    let workloads = KeySpec { alias: Some("alias/workloads".to_owned()), ..KeySpec::default() };
    let now = state.now;
    let workloads = kms::create_key(&mut state, now, &source.0, &source.1, &workloads).unwrap();
    drop(state);
    stage.landscape.workload_key = workloads;
    let roles = Roles {
        source_worker: role(stage, &source.0, "amiferry-source-worker-us-east-1"),
        vault_worker: role(stage, &vault.0, "amiferry-vault-worker-us-west-2"),
        auditor: arn(&hub["AuditRole"]),
    };
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

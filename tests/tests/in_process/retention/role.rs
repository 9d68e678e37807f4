//! The role of a prune: no action of its policy is too much.

use amiferry_aws::{EventBus, S3Objects};
use amiferry_core::model::{Checksum, ChecksumAlgorithm, Coverage};
use amiferry_core::policy::Tier;
use amiferry_core::ports::{NewUpload, Notifications as _, Uploads as _};
use amiferry_prune::contents::Contents;
use amiferry_simulator::landscape::PRUNE_ROLE;

use super::leftovers::leave;
use super::*;
use crate::least::{Granted, assert_all_needed, granted, take_away};
use crate::stage::bus::BUS;

/// AMIs for a week, and the newest two objects.
fn rules(config: &mut Config) {
    last_two(config);
    for policy in config.policies.0.iter_mut().filter(|policy| policy.tier == Tier::Ready) {
        let week = Some(Span::from_secs(7 * 86_400));
        policy.keep_ami = Some(Keep { within: week, ..Keep::default() });
    }
}

/// AMIs go while their objects are locked, objects when their locks have ended, and what is left over, an
/// upload among it; who was refused what, and what was said.
fn play(without: Option<&Granted>) -> Vec<String> {
    let options = Options { configure: rules, logged: false, ..Options::default() };
    run_test(options, async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        leave(stage, &ids[3]);
        begin_an_upload(stage, &ids[3]).await;
        // Then a record of what is still locked names its lock.
        stage.world.lock().s3.bucket_mut(VAULT_BUCKET).unwrap().object_lock = Some(None);
        stage.landscape.prune_role(&stage.world).unwrap();
        if let Some(one) = without {
            take_away(stage, one);
        }
        let mut told = Vec::new();
        for passed in [10, LOCKS] {
            days(stage, passed).await;
            let pruner = pruner(stage);
            match pruner.contents().await {
                Ok(contents) => told.extend(prune_all(stage, &pruner, &contents).await),
                Err(fault) => told.push(fault.to_string()),
            }
        }
        let calls = stage.wire.all().into_iter().filter(|call| call.who == "prune");
        let refused = calls.filter(|call| matches!(call.status, Some(400 | 403)));
        told.extend(refused.map(|call| call.operation));
        told
    })
}

async fn prune_all(stage: &Stage, pruner: &Pruner, contents: &Contents) -> Vec<String> {
    let pruned = pruner.run(contents, APPLY, &|_| {}).await;
    let mut told: Vec<String> =
        pruned.rows.iter().map(|row| format!("{:?} {:?}", row.what, row.outcome)).collect();
    match pruner.leftovers(contents, APPLY, &|_| {}).await {
        Ok(left) => {
            told.extend(left.rows.iter().map(|row| format!("{:?} {:?}", row.kind, row.outcome)));
        }
        Err(fault) => told.push(fault.to_string()),
    }
    let bus = EventBus::new(&session(stage, "prune"), BUS.parse().unwrap());
    told.push(format!("told {}", bus.put(&[pruned.notification()]).await.is_ok()));
    told
}

/// An upload under the key of an object that is there, which nothing will complete.
async fn begin_an_upload(stage: &Stage, id: &ImageId) {
    let vault = &stage.config.vaults[0];
    let s3 = S3Objects::new(&stage.session(&vault.account, &vault.region, "target"));
    let key = truth::vault_key(stage, id, "image.bin").parse().unwrap();
    let algorithm = ChecksumAlgorithm::Crc64Nvme;
    let checksum = Checksum { algorithm, coverage: Coverage::Whole, value: String::new() };
    let settings = NewUpload::default();
    s3.begin(&vault.account, &vault.bucket, &key, &checksum, &settings).await.unwrap();
}

#[test]
fn every_action_of_the_role_is_needed() {
    let all = run_test(options(), async |stage| {
        stage.landscape.prune_role(&stage.world).unwrap();
        granted(stage, |role| role == PRUNE_ROLE)
    });
    assert_all_needed(&all, &[], play);
}

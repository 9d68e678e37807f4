//! The role of a prune in the hands of someone who means harm: Object Lock holds, and the role can do
//! nothing but delete what amiferry made.

use super::*;
use crate::stage::Role;
use amiferry_core::model::ObjectVersion;
use amiferry_core::ports::{
    ImageProtection as _, ImageRemoval as _, NewUpload, Objects as _, RestoreRequest,
    RestoreTasks as _, VersionRemoval as _,
};

#[test]
fn a_stolen_role_deletes_no_locked_object_and_writes_no_manifest() {
    use amiferry_aws::{Ec2Images, S3Objects};
    use amiferry_core::fault::FaultClass::Denied;

    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 3).await;
        let vault = stage.config.vaults[0].clone();
        let root = stage.session(&vault.account, &vault.region, "thief");
        let role = stage.landscape.prune_role(&stage.world).unwrap();
        let session = root.assume_role(&role, None, "a-thief", &vault.region);
        let (s3, ec2) = (S3Objects::new(&session), Ec2Images::new(&session, vault.account.clone()));
        for id in &ids {
            for file in ["image.bin", "manifest.json", "source.json"] {
                let key = truth::vault_key(stage, id, file);
                let version = {
                    let state = stage.world.lock();
                    state.s3.bucket(VAULT_BUCKET).unwrap().latest(&key).unwrap().id.clone()
                };
                let at = ObjectVersion {
                    bucket: vault.bucket.clone(),
                    key: key.parse().unwrap(),
                    version: Some(version),
                };
                let refused = s3.delete(&vault.account, &at).await.unwrap_err();
                assert_eq!(refused.code, "AccessDenied", "{file}: {refused}");
            }
        }
        let key: amiferry_core::ids::ObjectKey =
            truth::vault_key(stage, &ids[0], "image.bin").parse().unwrap();
        let settings = NewUpload::default();
        let forged = truth::vault_key(stage, &ids[0], "record-0001-restored.json");
        let written = s3
            .create(
                &vault.account,
                &vault.bucket,
                &forged.parse().unwrap(),
                b"{}".to_vec(),
                &settings,
            )
            .await;
        assert_eq!(written.unwrap_err().class, Denied);
        let request = RestoreRequest {
            bucket: vault.bucket.clone(),
            key,
            name: "by-a-thief".to_owned(),
            image_tags: Default::default(),
            snapshot_tags: Default::default(),
        };
        assert_eq!(ec2.start_restore(&request).await.unwrap_err().class, Denied);
        let ami = truth::restored(stage, &ids[2])[0].id.clone();
        assert_eq!(ec2.protect(&ami, false).await.unwrap_err().class, Denied);
        // AMIs are under no lock: the thief takes one, and the worker restores it from its object.
        ec2.unprotect(&ami).await.unwrap();
        ec2.deregister(&ami).await.unwrap();
        stage.start_both();
        stage.pass(hours(2)).await;
        stage.kill_all();
        assert!(ids.iter().all(|id| has_object(stage, id)));
        assert_eq!(truth::restored(stage, &ids[2]).len(), 1);
        audit_knows(stage, &[], &ids).await;
    });
}

#[test]
fn records_of_a_thief_end_no_lock_of_a_family_s_newest_copy() {
    use amiferry_aws::S3Objects;

    let configure = |config: &mut Config| {
        config.workers.sweep_interval = Span::from_secs(3_600);
        for policy in &mut config.policies.0 {
            policy.retention = Some(Span::from_secs(30 * 3_600));
        }
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        stage.world.lock().s3.bucket_mut(VAULT_BUCKET).unwrap().object_lock = Some(None);
        let ready = family(stage, "orders-db", 3).await;
        let archived = family(stage, "analytics", 2).await;
        for id in ready.iter().chain(&archived[..1]) {
            forge_tombstone(stage, id);
        }
        // A record that no one believes hides its recovery point from the rules, too.
        forge(stage, &archived[1], true, |record| record.vault_object.size += 1);
        stage.start(Role::Target);
        days(stage, 4).await;
        stage.kill_all();

        let vault = stage.config.vaults[0].clone();
        let root = stage.session(&vault.account, &vault.region, "thief");
        let role = stage.landscape.prune_role(&stage.world).unwrap();
        let s3 = S3Objects::new(&root.assume_role(&role, None, "a-thief", &vault.region));
        for id in ready.iter().chain(&archived) {
            let key = truth::vault_key(stage, id, "image.bin");
            let version = {
                let state = stage.world.lock();
                state.s3.bucket(VAULT_BUCKET).unwrap().latest(&key).unwrap().id.clone()
            };
            let at = ObjectVersion {
                bucket: vault.bucket.clone(),
                key: key.parse().unwrap(),
                version: Some(version),
            };
            // What is under a lock is refused.
            drop(s3.delete(&vault.account, &at).await);
        }
        let stays =
            |ids: &[ImageId]| -> Vec<bool> { ids.iter().map(|id| has_object(stage, id)).collect() };
        assert_eq!(stays(&ready), [false, false, true]);
        assert_eq!(stays(&archived), [false, true]);
    });
}

//! What others, or accidents, leave in the vault: each is the trouble of one image.

use amiferry_core::code::Code;
use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::ImageId;
use amiferry_core::policy::Pattern;
use amiferry_core::recovery::select::Selection;
use amiferry_recovery::report::{NotRestored, Recovered, State};
use amiferry_simulator::ec2;
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3;

use super::{ami, disaster, everything, image, remove_restored, restore, restore_as};
use crate::records::replace;
use crate::restores::lose_object;
use crate::stage::{Options, Stage, run_test, spec, truth};

fn not<'a>(recovered: &'a Recovered, id: &ImageId) -> &'a NotRestored {
    let mut rows = recovered.not_restored.iter();
    rows.find(|row| row.source_image_id.as_ref() == Some(id))
        .unwrap_or_else(|| panic!("{id} is not among {:#?}", recovered.not_restored))
}

fn put(stage: &Stage, key: &str, bytes: &[u8]) {
    let now = stage.world.now();
    s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, key, bytes.to_vec()).unwrap();
}

type Damage = (&'static str, fn(&Stage, &ImageId), Code);

const DAMAGES: &[Damage] = &[
    (
        "a manifest of other bytes than the object has",
        |stage, id| {
            replace(stage, id, |manifest| {
                manifest["vault_object"]["checksum"]["value"] = "AAAAAAAAAAA=".into();
            });
        },
        Code::ManifestMismatch,
    ),
    (
        "garbage in the place of its manifest",
        |stage, id| put(stage, &truth::vault_key(stage, id, "manifest.json"), b"<html>"),
        Code::ManifestUnreadable,
    ),
    (
        "garbage in the place of a further record",
        |stage, id| {
            remove_restored_of(stage, id);
            put(stage, &truth::vault_key(stage, id, "record-0001-restored.json"), b"{}");
        },
        Code::ManifestUnreadable,
    ),
    (
        "a manifest of another image",
        |stage, id| {
            replace(stage, id, |manifest| {
                manifest["recovery_point"]["source_image_id"] = "ami-0123456789abcdef0".into();
            });
        },
        Code::ManifestUnreadable,
    ),
    (
        "no object",
        |stage, id| lose_object(stage, VAULT_BUCKET, &truth::vault_key(stage, id, "image.bin")),
        Code::ObjectLost,
    ),
];

fn remove_restored_of(stage: &Stage, id: &ImageId) {
    for image in truth::restored(stage, id) {
        remove_restored(stage, &image.id);
    }
}

#[test]
fn what_is_damaged_is_listed_with_its_reason_and_everything_else_is_restored() {
    for (name, damage, code) in DAMAGES {
        run_test(Options::default(), async |stage| {
            let damaged = stage.image(spec("orders-db", "orders-db-1", &[8]));
            let other = stage.image(spec("analytics", "analytics-1", &[8]));
            disaster(stage).await;
            damage(stage, &damaged);
            for key in ["stranger", "amiferry/x/y", "amiferry/111111111111/us-east-1/x/image.bin"] {
                put(stage, key, b"of a stranger");
            }
            let recovered = restore(stage, &everything()).await;
            assert_eq!(not(&recovered, &damaged).code, Some(*code), "{name}: {recovered:#?}");
            assert!(!not(&recovered, &damaged).remedy.is_empty());
            assert_eq!(recovered.map.len(), 1, "{name}");
            ami(&recovered, &other);
        });
    }
}

#[test]
fn a_family_whose_newest_is_damaged_gives_the_one_before_and_one_whose_only_is_damaged_none() {
    run_test(Options::default(), async |stage| {
        let older = stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_both();
        stage.complete_within(crate::stage::hours(2)).await;
        let newer = stage.image(spec("analytics", "analytics-2", &[8]));
        let only = stage.image(spec("batch", "batch-1", &[8]));
        disaster(stage).await;
        for id in [&newer, &only] {
            lose_object(stage, VAULT_BUCKET, &truth::vault_key(stage, id, "image.bin"));
        }
        let families = ["analytics", "batch"].map(Pattern::new).to_vec();
        let selection = Selection { families, ..Selection::default() };
        let recovered = restore(stage, &selection).await;
        assert_eq!(recovered.map.len(), 1, "{recovered:#?}");
        ami(&recovered, &older);
        for id in [&newer, &only] {
            assert_eq!(not(&recovered, id).code, Some(Code::ObjectLost));
        }
    });
}

#[test]
fn an_image_of_a_stranger_under_our_name_is_that_images_trouble_and_the_remedy_leads_out() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        let other = stage.image(spec("analytics", "analytics-2", &[8]));
        disaster(stage).await;
        let (account, region) = stage.landscape.vault.clone();
        let mut squatter = spec("analytics", "x", &[8]);
        squatter.name = truth::restored_name(stage, &id);
        let now = stage.world.now();
        let squatter = ec2::add_image(&mut stage.world.lock(), now, &account, &region, squatter);
        let recovered = restore(stage, &everything()).await;
        assert_eq!(not(&recovered, &id).code, Some(Code::NameTaken));
        assert!(not(&recovered, &id).reason.contains(squatter.as_str()));
        ami(&recovered, &other);
        remove_restored(stage, &squatter);
        let again = restore(stage, &image(&id)).await;
        assert!(again.is_whole() && again.map[0].state == State::Restored, "{again:#?}");
    });
}

#[test]
fn two_images_that_claim_one_source_image_are_told_apart_by_the_record() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        let right = truth::restored(stage, &id)[0].clone();
        // Its tags copied by hand, under a later name of ours.
        let (account, region) = stage.landscape.vault.clone();
        let mut claim = spec("orders-db", "x", &[8]);
        claim.name = format!("{}/2", right.name);
        claim.tags = right.tags.clone();
        let now = stage.world.now();
        let claim = ec2::add_image(&mut stage.world.lock(), now, &account, &region, claim);
        let recovered = restore(stage, &everything()).await;
        assert!(recovered.map.is_empty(), "{recovered:#?}");
        assert_eq!(not(&recovered, &id).source_image_id.as_ref(), Some(&id));
        remove_restored(stage, &claim);
        let again = restore(stage, &everything()).await;
        assert_eq!((ami(&again, &id), again.map[0].state), (right.id, State::There));
    });
}

#[test]
fn a_vault_that_would_restore_in_plaintext_restores_nothing_and_says_what_to_do() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        let (account, region) = stage.landscape.vault.clone();
        ec2::set_default_encryption(&mut stage.world.lock(), &account, &region, None);
        let recovered = restore(stage, &everything()).await;
        assert_eq!(not(&recovered, &id).code, Some(Code::EncryptionByDefaultOff));
        let key = stage.landscape.vault_key.clone();
        ec2::set_default_encryption(&mut stage.world.lock(), &account, &region, Some(key));
        assert!(restore(stage, &everything()).await.is_whole());
    });
}

#[test]
fn an_operator_without_a_permission_is_told_the_action_for_each_image() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        let account = stage.landscape.vault.0.clone();
        stage.landscape.restore_role(&stage.world).unwrap();
        {
            let mut state = stage.world.lock();
            let role = state.iam.get_mut(&account).unwrap();
            let role = role.roles.get_mut("amiferry-restore").unwrap();
            let denied = r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Action":"*","Resource":"*"},
                {"Effect":"Deny","Action":"ec2:CreateRestoreImageTask","Resource":"*"}]}"#;
            role.permissions = amiferry_simulator::iam::Policy::parse_identity(denied).unwrap();
        }
        let (recovered, _) = restore_as(stage, &everything(), &Recovery::default()).await;
        let row = not(&recovered, &id);
        assert_eq!(row.code, Some(Code::Denied), "{row:#?}");
        assert!(row.reason.contains("ec2:CreateRestoreImageTask"), "{row:#?}");
    });
}

//! What a destination refuses or already has: each is the trouble of one image, or is said before
//! anything begins.

use amiferry_core::code::Code;
use amiferry_core::fault::FaultClass;
use amiferry_recovery::report::{Recovered, State};
use amiferry_simulator::kms::KeyState;
use amiferry_simulator::{ec2, kms};

use super::{
    PLACES, destination, everything, made, put_there, recoverer_into, restore_by, restore_into, two,
};
use crate::stage::{Options, run_test, spec, truth};

fn codes(recovered: &Recovered) -> Vec<Code> {
    recovered.not_restored.iter().filter_map(|row| row.code).collect()
}

#[test]
fn a_bucket_that_does_not_exist_is_said_before_anything_begins() {
    for place in PLACES {
        run_test(Options::default(), async |stage| {
            two(stage).await;
            let mut there = destination(stage, place);
            there.bucket = "no-such-bucket".parse().unwrap();
            let fault = recoverer_into(stage, &there, 0).reach().await.unwrap_err();
            let class = fault.class;
            assert!(matches!(class, FaultClass::NotFound | FaultClass::Denied), "{fault:?}");
        });
    }
}

#[test]
fn what_no_image_could_be_made_with_is_said_before_anything_is_copied() {
    for place in PLACES {
        run_test(Options::default(), async |stage| {
            two(stage).await;
            let there = destination(stage, place);
            let (account, region) = (there.account.clone(), there.region.clone());
            ec2::set_default_encryption(&mut stage.world.lock(), &account, &region, None);
            let before = stage.wire.count();
            let recovered = restore_into(stage, &there).await;
            assert_eq!(codes(&recovered), [Code::EncryptionByDefaultOff; 2], "{recovered:#?}");
            let key = Some(there.key_arn.clone());
            ec2::set_default_encryption(&mut stage.world.lock(), &account, &region, key);
            kms::set_key_state(&mut stage.world.lock(), &there.key_arn, KeyState::Disabled)
                .unwrap();
            let recovered = restore_into(stage, &there).await;
            assert_eq!(codes(&recovered), [Code::KeyUnusable; 2], "{recovered:#?}");
            assert!(stage.wire.all()[before..].iter().all(|call| !call.mutates()));
            kms::set_key_state(&mut stage.world.lock(), &there.key_arn, KeyState::Enabled).unwrap();
            let recovered = restore_into(stage, &there).await;
            assert!(recovered.is_whole(), "{recovered:#?}");
        });
    }
}

#[test]
fn a_name_and_a_key_that_strangers_have_are_the_trouble_of_one_image_each() {
    run_test(Options::default(), async |stage| {
        let [one, other] = two(stage).await;
        let there = destination(stage, PLACES[0]);
        let mut squatter = spec("analytics", "x", &[8]);
        squatter.name = truth::restored_name(stage, &one);
        let now = stage.world.now();
        let (account, region) = (&there.account, &there.region);
        let squatter = ec2::add_image(&mut stage.world.lock(), now, account, region, squatter);
        let recovered = restore_into(stage, &there).await;
        assert_eq!(codes(&recovered), [Code::NameTaken]);
        assert!(recovered.not_restored[0].reason.contains(squatter.as_str()));
        assert_eq!(recovered.map.len(), 1);
        assert_eq!(
            (&recovered.map[0].source_image_id, recovered.map[0].state),
            (&other, State::Restored)
        );
    });
    run_test(Options::default(), async |stage| {
        let [one, other] = two(stage).await;
        let there = destination(stage, PLACES[0]);
        put_there(stage, &there, &one);
        let recovered = restore_into(stage, &there).await;
        assert_eq!(codes(&recovered), [Code::VaultObjectMismatch]);
        assert!(recovered.not_restored[0].reason.contains(there.bucket.as_str()));
        assert_eq!((made(stage, &there, &one).len(), made(stage, &there, &other).len()), (0, 1));
    });
}

#[test]
fn a_key_that_the_operator_may_not_use_there_is_named() {
    run_test(Options::default(), async |stage| {
        two(stage).await;
        let there = destination(stage, PLACES[1]);
        let own = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#,
            there.account
        );
        kms::set_policy(&mut stage.world.lock(), &there.key_arn, &own).unwrap();
        let recovered = restore_by(recoverer_into(stage, &there, 0), &everything()).await.0;
        let found = codes(&recovered);
        assert!(
            found.iter().all(|code| matches!(code, Code::Denied | Code::KeyUnusable)),
            "{found:?}"
        );
        assert_eq!((found.len(), recovered.map.len()), (2, 0));
        assert!(!recovered.not_restored[0].reason.is_empty());
    });
}

//! A command that ends at any moment and is run again, two people at once, and a quota that others
//! fill.

use std::time::Duration;

use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::AccountId;
use amiferry_recovery::report::Recovered;
use amiferry_simulator::ec2::restore;
use amiferry_simulator::principal::Principal;

use super::{ami, audit_is_green, disaster, everything, records_of, restore_as};
use crate::stage::{Fault, Mishap, Options, Stage, hours, minutes, run_test, spec, truth};

/// One of each tier, the restored image of the second gone.
async fn two(stage: &mut Stage) -> [amiferry_core::ids::ImageId; 2] {
    let archived = stage.image(spec("analytics", "analytics-1", &[8]));
    let ready = stage.image(spec("orders-db", "orders-db-1", &[8]));
    disaster(stage).await;
    super::remove_restored(stage, &truth::restored(stage, &ready)[0].id);
    [archived, ready]
}

fn sharing() -> Recovery {
    let other: AccountId = "999999999999".parse().unwrap();
    Recovery { share_with: [other].into(), ..Recovery::default() }
}

/// One image for each, each recorded once, shared, and as it must be.
async fn once_each(stage: &Stage, recovered: &Recovered, ids: &[amiferry_core::ids::ImageId]) {
    assert!(recovered.is_whole(), "{recovered:#?}");
    for id in ids {
        let images = truth::restored(stage, id);
        assert_eq!(images.len(), 1, "{images:#?}");
        assert_eq!(images[0].id, ami(recovered, id));
        assert_eq!(images[0].launch_permissions.len(), 1);
        assert_eq!(records_of(stage, id), ["record-0001-restored.json"]);
    }
    audit_is_green(stage).await;
}

#[test]
fn dropped_at_any_moment_and_run_again_each_image_is_there_once() {
    for seconds in [0, 1, 3, 30, 60, 139, 140, 141, 142, 145, 150] {
        run_test(Options::default(), async |stage| {
            let ids = two(stage).await;
            let span = Duration::from_millis(seconds * 1_000 + 50);
            let (all, recovery) = (everything(), sharing());
            let dropped = tokio::time::timeout(span, restore_as(stage, &all, &recovery)).await;
            let began = dropped.is_err();
            let (recovered, _) = restore_as(stage, &everything(), &sharing()).await;
            assert!(began || seconds > 100, "{seconds}");
            once_each(stage, &recovered, &ids).await;
        });
    }
}

#[test]
fn a_dry_run_after_one_that_was_stopped_shows_what_has_begun_and_plans_no_restore_of_it() {
    run_test(Options::default(), async |stage| {
        let ids = two(stage).await;
        let (all, recovery) = (everything(), sharing());
        let span = Duration::from_secs(70);
        let stopped = tokio::time::timeout(span, restore_as(stage, &all, &recovery)).await;
        assert!(stopped.is_err());
        // EC2 is still at it, and then only the protection and the record are left.
        for pause in [0, 10] {
            stage.pass(minutes(pause)).await;
            let recoverer = super::recoverer(stage);
            let records = recoverer.records().await.unwrap();
            let chosen = recoverer.choose(&records, &all, &recovery).await;
            let planned = recoverer.planned(chosen);
            assert!(planned.is_whole() && planned.making.is_none(), "{planned:#?}");
            for id in &ids {
                assert_eq!(ami(&planned, id), truth::restored(stage, id)[0].id);
            }
            let left = planned.ended_at.duration_since(planned.began_at).as_secs();
            assert!(if pause == 0 { (1..=80).contains(&left) } else { left == 0 }, "{left} s");
        }
        let (recovered, _) = restore_as(stage, &all, &recovery).await;
        once_each(stage, &recovered, &ids).await;
    });
}

#[test]
fn killed_around_every_effect_and_run_again_each_image_is_there_once() {
    let effects = [
        "CreateRestoreImageTask",
        "EnableImageDeregistrationProtection",
        "PutObject",
        "ModifyImageAttribute",
    ];
    let mishaps = [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::AnswerLost];
    let moments = effects.into_iter().flat_map(|effect| mishaps.map(|mishap| (effect, mishap)));
    for (effect, mishap) in moments {
        for after in 0..2 {
            run_test(Options::default(), async |stage| {
                let ids = two(stage).await;
                stage.wire.upset("restore", Fault { after, ..Fault::first(effect, mishap) });
                let (all, recovery) = (everything(), sharing());
                let first = restore_as(stage, &all, &recovery);
                let first = tokio::time::timeout(hours(1), first).await;
                // A lost answer is no reason to run it again; after a death, another run is needed.
                let whole = first.is_ok_and(|(recovered, _)| recovered.is_whole());
                assert_eq!(whole, mishap == Mishap::AnswerLost, "{effect} {mishap:?}");
                stage.wire.mend();
                stage.wire.revive("restore");
                let (recovered, _) = restore_as(stage, &everything(), &sharing()).await;
                once_each(stage, &recovered, &ids).await;
            });
        }
    }
}

#[test]
fn two_people_at_once_make_one_image_of_each() {
    run_test(Options::default(), async |stage| {
        let ids = two(stage).await;
        let (all, recovery) = (everything(), sharing());
        let (one, other) =
            tokio::join!(restore_as(stage, &all, &recovery), restore_as(stage, &all, &recovery));
        once_each(stage, &one.0, &ids).await;
        once_each(stage, &other.0, &ids).await;
    });
}

#[test]
fn a_quota_that_others_fill_delays_the_restores_and_nothing_more() {
    run_test(Options::default(), async |stage| {
        let plug = stage.image(spec("analytics", "analytics-0", &[700]));
        let ids = two(stage).await;
        let (account, region) = stage.landscape.vault.clone();
        let now = stage.world.now();
        {
            let key = truth::vault_key(stage, &plug, "image.bin");
            let bucket = amiferry_simulator::landscape::VAULT_BUCKET;
            let request = restore::RestoreRequest {
                bucket,
                key: &key,
                name: Some("of-others"),
                image_tags: Default::default(),
                snapshot_tags: Default::default(),
            };
            let caller = Principal::root(account.clone());
            let mut state = stage.world.lock();
            restore::begin(&mut state, now, (&(account, region), &caller), request).unwrap();
        }
        let before = stage.wire.calls("CreateRestoreImageTask").len();
        let selection = super::Selection {
            images: ids.iter().cloned().collect(),
            ..super::Selection::default()
        };
        let (recovered, _) = restore_as(stage, &selection, &sharing()).await;
        once_each(stage, &recovered, &ids).await;
        let calls = &stage.wire.calls("CreateRestoreImageTask")[before..];
        assert!(calls.len() <= 4, "{calls:#?}");
        let waited = calls[0].at.duration_since(now).as_secs();
        assert!(waited >= 60 + 7_000, "{waited}");
    });
}

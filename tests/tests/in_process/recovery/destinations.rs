//! Restores into another Region of the vault's account and into another account, with what the
//! policies of `deploy/iam` allow for that and nothing else.

mod bad_input;
mod crashes;

use std::sync::Mutex;

use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::ImageId;
use amiferry_core::pacing::CallRate;
use amiferry_core::recovery::select::Selection;
use amiferry_recovery::Recoverer;
use amiferry_recovery::report::{Recovered, State};
use amiferry_recovery::run::{Doing, Event};
use amiferry_service::config::{Config, Destination};
use amiferry_simulator::ec2::image::{Image, Protection};
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3::{archive, storage_class};
use amiferry_simulator::{ec2, s3};

use super::{ami, audit_is_green, disaster, everything, operator, records_of, remove_restored};
use crate::restores::lose_object;
use crate::stage::{Options, Stage, run_test, spec, truth};

/// The vault's own account, and one that has nothing to do with it.
const PLACES: [(&str, &str); 2] = [("222222222222", "eu-central-1"), ("444444444444", "us-west-2")];

/// A place to restore into, as it is set up and as the configuration names it.
fn destination(stage: &Stage, (account, region): (&str, &str)) -> Destination {
    let (account, region) = (account.parse().unwrap(), region.parse().unwrap());
    let made = stage.landscape.destination(&stage.world, &account, &region).unwrap();
    Destination {
        account,
        region,
        bucket: made.bucket.parse().unwrap(),
        prefix: "amiferry".to_owned(),
        key_arn: made.key,
        restore_quota_gb: 600.try_into().unwrap(),
        restore_calls: CallRate::default(),
        role_arn: made.role,
    }
}

/// The command with `--into`, as the restore operator.
fn recoverer_into(stage: &Stage, there: &Destination, seed: u64) -> Recoverer {
    let vault = &stage.config.vaults[0];
    let session = operator(stage);
    let config = Config { sources: Vec::new(), ..stage.config.clone() };
    let recoverer = Recoverer::new(&config, vault, &session, stage.clock());
    let mut recoverer = recoverer.restoring_into(&config, there, &session);
    recoverer.seed = seed;
    recoverer
}

/// What `amiferry restore --into` comes to, and what it told meanwhile.
async fn restore_by(recoverer: Recoverer, selection: &Selection) -> (Recovered, Vec<Event>) {
    let recovery = Recovery::default();
    recoverer.reach().await.unwrap();
    let records = recoverer.records().await.unwrap();
    let chosen = recoverer.choose(&records, selection, &recovery).await;
    let told = Mutex::new(Vec::new());
    let tell = |event: &Event| told.lock().unwrap().push(event.clone());
    let recovered = recoverer.run(&records, chosen, &recovery, &tell).await;
    (recovered, told.into_inner().unwrap())
}

async fn restore_into(stage: &Stage, there: &Destination) -> Recovered {
    restore_by(recoverer_into(stage, there, 0), &everything()).await.0
}

/// What the destination has of a source image.
fn made(stage: &Stage, there: &Destination, id: &ImageId) -> Vec<Image> {
    let state = stage.world.lock();
    let name = truth::restored_name(stage, id);
    let ours = |image: &&Image| image.name == name || image.name.starts_with(&format!("{name}/"));
    ec2::images(&state, &there.account, &there.region).filter(ours).cloned().collect()
}

/// Each is there once, as it must be; nothing is left over, and the vault is as it was.
async fn once_each(stage: &Stage, there: &Destination, recovered: &Recovered, ids: &[ImageId]) {
    assert!(recovered.is_whole(), "{recovered:#?}");
    for id in ids {
        let images = made(stage, there, id);
        assert_eq!(images.len(), 1, "{images:#?}");
        assert_eq!(images[0].id, ami(recovered, id));
        let unprotected = matches!(images[0].protection, Protection::Disabled { .. });
        assert!(!unprotected, "{images:#?}");
        assert_eq!(images[0].tags["amiferry:source-image"], id.as_str());
        assert_eq!(records_of(stage, id), Vec::<String>::new());
    }
    let rows = recovered.map.iter().map(|row| (&row.image_account, &row.image_region));
    assert!(rows.into_iter().all(|place| place == (&there.account, &there.region)));
    assert_eq!(truth::open_uploads(&stage.world.lock()), Vec::<String>::new());
    audit_is_green(stage).await;
}

/// One of each tier, both copied into the vault.
async fn two(stage: &mut Stage) -> [ImageId; 2] {
    let archived = stage.image(spec("analytics", "analytics-1", &[8]));
    let ready = stage.image(spec("orders-db", "orders-db-1", &[8]));
    disaster(stage).await;
    [archived, ready]
}

#[test]
fn images_are_made_elsewhere_from_copies_and_the_vault_is_only_read() {
    for place in PLACES {
        run_test(Options::default(), async |stage| {
            let ids = two(stage).await;
            let there = destination(stage, place);
            let before = stage.wire.count();
            let (recovered, told) =
                restore_by(recoverer_into(stage, &there, 0), &everything()).await;
            let states: Vec<State> = recovered.map.iter().map(|row| row.state).collect();
            assert_eq!(states, [State::Restored; 2], "{place:?}: {recovered:#?}");
            let into = recovered.into.as_ref().unwrap();
            assert_eq!((&into.account, &into.region), (&there.account, &there.region));
            let copied = told.iter().filter(|event| matches!(event, Event::Copying { .. }));
            assert_eq!(copied.count(), 2);

            // In the vault's Region, EC2 is not asked, and nothing is written into its bucket.
            let region = stage.landscape.vault.1.clone();
            let calls = stage.wire.all();
            let vault = format!("/{VAULT_BUCKET}/");
            let ours = || calls[before..].iter().filter(|call| call.who == "restore");
            let written: Vec<_> =
                ours().filter(|call| call.mutates() && call.text.contains(&vault)).collect();
            assert!(written.is_empty(), "{place:?}: {written:#?}");
            let reads =
                ["AssumeRole", "GetObject", "HeadObject", "ListObjectVersions", "ListObjectsV2"];
            let is_read = |operation: &str| reads.contains(&operation);
            let asked: Vec<_> = ours()
                .filter(|call| call.region == region.as_str() && !is_read(&call.operation))
                .collect();
            assert!(asked.is_empty() || region == there.region, "{place:?}: {asked:#?}");
            once_each(stage, &there, &recovered, &ids).await;

            // Again, nothing is done, and with its copies expired nothing is copied again.
            for id in &ids {
                let key = truth::vault_key(stage, id, "image.bin");
                lose_object(stage, there.bucket.as_str(), &key);
            }
            let before = stage.wire.count();
            let again = restore_into(stage, &there).await;
            assert!(again.map.iter().all(|row| row.state == State::There), "{again:#?}");
            assert!(stage.wire.all()[before..].iter().all(|call| !call.mutates()));
            once_each(stage, &there, &again, &ids).await;
        });
    }
}

#[test]
fn what_was_restored_elsewhere_leaves_the_vaults_own_restore_as_it_is() {
    run_test(Options::default(), async |stage| {
        let [archived, ready] = two(stage).await;
        let there = destination(stage, PLACES[0]);
        restore_into(stage, &there).await;
        let known = truth::restored(stage, &ready)[0].id.clone();
        let recovered = super::restore(stage, &everything()).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert_eq!(ami(&recovered, &ready), known);
        assert_eq!(recovered.into, None);
        assert_eq!(records_of(stage, &archived), ["record-0001-restored.json"]);
        let (account, region) = &stage.landscape.vault;
        let rows = recovered.map.iter().map(|row| (&row.image_account, &row.image_region));
        assert!(rows.into_iter().all(|place| place == (account, region)));
        // And with what the vault records now, the destination is as it was.
        let again = restore_into(stage, &there).await;
        assert!(again.map.iter().all(|row| row.state == State::There), "{again:#?}");
    });
}

#[test]
fn an_image_that_the_vault_has_lost_is_made_elsewhere_from_its_object() {
    run_test(Options::default(), async |stage| {
        let ids = two(stage).await;
        remove_restored(stage, &truth::restored(stage, &ids[1])[0].id);
        let there = destination(stage, PLACES[1]);
        let recovered = restore_into(stage, &there).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert_eq!(truth::restored(stage, &ids[1]).len(), 0);
        assert_eq!(made(stage, &there, &ids[1]).len(), 1);
    });
}

#[test]
fn a_dry_run_names_the_place_the_copies_their_cost_and_the_end_and_changes_nothing() {
    run_test(Options::default(), async |stage| {
        let ids = two(stage).await;
        for place in PLACES {
            let there = destination(stage, place);
            let calls = stage.wire.count();
            let recoverer = recoverer_into(stage, &there, 0);
            recoverer.reach().await.unwrap();
            let records = recoverer.records().await.unwrap();
            let recovery = Recovery::default();
            let chosen = recoverer.choose(&records, &everything(), &recovery).await;
            let planned = recoverer.planned(chosen);
            assert!(planned.dry_run && planned.is_whole(), "{planned:#?}");
            assert_eq!(planned.map.len(), ids.len());
            assert!(planned.map.iter().all(|row| row.state == State::Planned));
            assert!(planned.map.iter().all(|row| row.image_region == there.region));
            let bytes: u64 = planned.map.iter().map(|row| row.copy_bytes.unwrap()).sum();
            let copying = planned.copying.unwrap();
            assert_eq!((copying.objects, copying.bytes), (2, bytes));
            // Only between Regions is a transfer charged: two cents a GB.
            let is_far = there.region != stage.landscape.vault.1;
            let mib = f64::from(u32::try_from(bytes >> 20).unwrap());
            let transfer = if is_far { mib / 1_024.0 * 0.02 } else { 0.0 };
            assert!((copying.cost.unwrap() - transfer).abs() < 0.001, "{copying:?}");
            // The table has no prices of the far Region: what is paid there is not assessed.
            let priced =
                [copying.requests, copying.kept].map(|cost| cost.is_some_and(|it| it > 0.0));
            assert_eq!(priced, [!is_far; 2], "{copying:?}");
            let making = planned.making.unwrap();
            assert_eq!((making.images, making.size_gib), (2, 16));
            // A copy of 8 GB side by side, and then as in the vault.
            let takes = planned.ended_at.duration_since(planned.began_at).as_secs();
            assert_eq!(takes, 6 + 140);
            let mutating = stage.wire.all()[calls..].iter().filter(|call| call.mutates()).count();
            assert_eq!(mutating, 0);
        }
    });
}

#[test]
fn an_archived_object_is_retrieved_copied_and_restored() {
    run_test(Options::default(), async |stage| {
        let ids = two(stage).await;
        let class = storage_class::StorageClass::GlacierFlexibleRetrieval;
        {
            let mut state = stage.world.lock();
            let moved = archive::transition(
                &mut state,
                (VAULT_BUCKET, ""),
                1 << 20,
                archive::Destination::Class(class),
            );
            assert_eq!(moved, Ok(2));
        }
        let there = destination(stage, PLACES[0]);
        let (recovered, told) = restore_by(recoverer_into(stage, &there, 0), &everything()).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        for id in &ids {
            assert_eq!(made(stage, &there, id).len(), 1);
        }
        let doing = told.iter().filter_map(|event| match event {
            Event::Progress { running, .. } => Some(running),
            _ => None,
        });
        let doing: Vec<&Doing> = doing.flatten().map(|one| &one.doing).collect();
        let first =
            |is_it: fn(&Doing) -> bool| doing.iter().position(|doing| is_it(doing)).unwrap();
        let retrieved = first(|doing| matches!(doing, Doing::Retrieving));
        let restored = first(|doing| matches!(doing, Doing::Restoring(_)));
        assert!(retrieved < restored);
    });
}

#[test]
fn copies_and_restores_of_many_run_side_by_side_within_the_destinations_own_quota() {
    run_test(Options::default(), async |stage| {
        let ids: Vec<ImageId> = (0..6)
            .map(|n| stage.image(spec("analytics", &format!("analytics-{n}"), &[100])))
            .collect();
        disaster(stage).await;
        let mut there = destination(stage, PLACES[0]);
        there.restore_quota_gb = 200.try_into().unwrap();
        stage.world.lock().settings.ec2.restore_quota_gb = 200;
        let recoverer = recoverer_into(stage, &there, 0);
        let (recovered, told) = restore_by(recoverer, &everything()).await;
        once_each(stage, &there, &recovered, &ids).await;
        let calls = stage.wire.calls("CreateRestoreImageTask");
        assert!(calls.iter().all(|call| call.region != there.region.as_str() || call.succeeded()));
        let both = told.iter().any(|event| match event {
            Event::Progress { running, .. } => {
                let copies = running.iter().any(|one| one.doing == Doing::Copying);
                copies && running.iter().any(|one| matches!(one.doing, Doing::Restoring(_)))
            }
            _ => false,
        });
        assert!(both, "{told:#?}");
        let most = told.iter().filter_map(|event| match event {
            Event::Progress { running, .. } => {
                Some(running.iter().filter(|one| one.doing == Doing::Copying).count())
            }
            _ => None,
        });
        assert_eq!(most.max(), Some(stage.config.workers.copies_in_flight.get()));
    });
}

/// Puts something of a stranger under the key of a copy.
fn put_there(stage: &Stage, there: &Destination, id: &ImageId) {
    let key = truth::vault_key(stage, id, "image.bin");
    let (now, bytes) = (stage.world.now(), b"of a stranger".to_vec());
    s3::put(&mut stage.world.lock(), now, there.bucket.as_str(), &key, bytes).unwrap();
}

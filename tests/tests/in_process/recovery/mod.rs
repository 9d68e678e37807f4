//! Restores from the vault alone: the source account is gone, no worker runs, and the principal may
//! do what `docs/permissions.md` allows the restore operator and nothing else.

mod archives;
mod bad_input;
mod choice;
mod crashes;
mod destinations;
pub mod formats;
mod given_up;
mod rehearsal;
mod role;
mod sharing;

use std::sync::Mutex;

use amiferry_audit::inventory::State as PointState;
use amiferry_audit::report::Verdict;
use amiferry_aws::Session;
use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::{AccountId, ImageId};
use amiferry_core::recovery::select::Selection;
use amiferry_recovery::Recoverer;
use amiferry_recovery::bucket::Records;
use amiferry_recovery::report::{Recovered, State};
use amiferry_recovery::run::Event;
use amiferry_service::config::Config;
use amiferry_simulator::account;
use amiferry_simulator::landscape::VAULT_BUCKET;

use crate::stage::{Options, Stage, hours, minutes, run_test, spec, truth};

/// Makes these images complete, and takes the source account away with all that it has.
async fn disaster(stage: &mut Stage) {
    stage.start_both();
    stage.complete_within(hours(60)).await;
    stage.kill_all();
    destroy(stage);
}

/// Deletes what the source account has, and refuses everything to it from now on.
fn destroy(stage: &Stage) {
    let (account, _) = stage.landscape.source.clone();
    account::close(&mut stage.world.lock(), &account);
}

/// Takes an image away from the vault, as its owner could by hand.
fn remove_restored(stage: &Stage, id: &ImageId) {
    let mut state = stage.world.lock();
    let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
    assert!(site.images.remove(id).is_some(), "{id} is not there");
}

/// A session of the restore operator.
fn operator(stage: &Stage) -> Session {
    let vault = &stage.config.vaults[0];
    let root = stage.session(&vault.account, &vault.region, "restore");
    let role = stage.landscape.restore_role(&stage.world).unwrap();
    root.assume_role(&role, None, "a-person", &vault.region)
}

/// The command as the restore operator, by a configuration with nothing but the vault.
fn recoverer(stage: &Stage) -> Recoverer {
    let vault = &stage.config.vaults[0];
    let session = operator(stage);
    let config = Config { sources: Vec::new(), ..stage.config.clone() };
    Recoverer::new(&config, vault, &session, stage.clock())
}

pub fn everything() -> Selection {
    Selection { all: true, ..Selection::default() }
}

fn image(id: &ImageId) -> Selection {
    Selection { images: [id.clone()].into(), ..Selection::default() }
}

/// What `amiferry restore` comes to, and what it told meanwhile.
pub async fn restore_as(
    stage: &Stage,
    selection: &Selection,
    recovery: &Recovery,
) -> (Recovered, Vec<Event>) {
    let recoverer = recoverer(stage);
    let records: Records = recoverer.records().await.unwrap();
    let chosen = recoverer.choose(&records, selection, recovery).await;
    let told = Mutex::new(Vec::new());
    let tell = |event: &Event| told.lock().unwrap().push(event.clone());
    let recovered = recoverer.run(&records, chosen, recovery, &tell).await;
    (recovered, told.into_inner().unwrap())
}

async fn restore(stage: &Stage, selection: &Selection) -> Recovered {
    restore_as(stage, selection, &Recovery::default()).await.0
}

/// The AMI that the map gives a source image.
fn ami(recovered: &Recovered, id: &ImageId) -> ImageId {
    let row = recovered.map.iter().find(|row| row.source_image_id == *id);
    let row = row.unwrap_or_else(|| panic!("{id} is not in {recovered:#?}"));
    row.image_id.clone().unwrap()
}

/// The audit is green about all that was complete, whether the source answers or not.
async fn audit_is_green(stage: &Stage) {
    let report = crate::stage::inventory::partial_report(stage).await.unwrap();
    let wrong: Vec<_> =
        report.recovery_points.iter().filter(|one| one.state != PointState::Complete).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_ne!(report.verdict(), Verdict::Lost, "{report:#?}");
}

/// The names of records beside an object, in order.
fn records_of(stage: &Stage, id: &ImageId) -> Vec<String> {
    let folder = truth::vault_key(stage, id, "");
    let state = stage.world.lock();
    let bucket = state.s3.bucket(VAULT_BUCKET).unwrap();
    let keys = bucket.all_versions().filter_map(|(key, _)| key.strip_prefix(folder.as_str()));
    keys.filter(|key| key.starts_with("record-")).map(str::to_owned).collect()
}

#[test]
fn one_archived_image_is_restored_mapped_and_recorded_and_the_audit_stays_green() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        let recovered = restore(stage, &image(&id)).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        let row = &recovered.map[0];
        assert_eq!((row.state, row.source_name.as_str()), (State::Restored, "analytics-1"));
        let ami = ami(&recovered, &id);
        let shown = truth::restored(stage, &id);
        assert_eq!(shown.iter().map(|image| &image.id).collect::<Vec<_>>(), [&ami]);
        assert_eq!(shown[0].tags.get("workload").map(String::as_str), Some("analytics"));
        assert_eq!(records_of(stage, &id), ["record-0001-restored.json"]);
        audit_is_green(stage).await;

        // Again, nothing is done.
        let before = stage.wire.calls("CreateRestoreImageTask").len();
        let again = restore(stage, &everything()).await;
        assert_eq!((again.map[0].state, super::recovery::ami(&again, &id)), (State::There, ami));
        assert_eq!(stage.wire.calls("CreateRestoreImageTask").len(), before);
        assert_eq!(records_of(stage, &id).len(), 1);
    });
}

#[test]
fn an_image_that_is_there_needs_no_restore_and_one_that_is_gone_is_restored_again() {
    run_test(Options::default(), async |stage| {
        let [kept, gone] =
            ["orders-db-1", "orders-db-2"].map(|name| stage.image(spec("orders-db", name, &[8])));
        disaster(stage).await;
        let lost = truth::restored(stage, &gone)[0].id.clone();
        remove_restored(stage, &lost);
        let recovered = restore(stage, &everything()).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        let state = |id: &ImageId| {
            recovered.map.iter().find(|row| row.source_image_id == *id).unwrap().state
        };
        assert_eq!((state(&kept), state(&gone)), (State::There, State::Restored));
        assert_ne!(ami(&recovered, &gone), lost);
        assert_eq!(records_of(stage, &kept), Vec::<String>::new());
        assert_eq!(records_of(stage, &gone), ["record-0001-restored.json"]);
        audit_is_green(stage).await;
    });
}

#[test]
fn a_worker_that_starts_afterwards_leaves_what_was_restored_as_it_is() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(2)).await;
        let other: AccountId = "999999999999".parse().unwrap();
        let recovery = Recovery { share_with: [other].into(), ..Recovery::default() };
        let (recovered, _) = restore_as(stage, &image(&id), &recovery).await;
        let ami = ami(&recovered, &id);
        stage.pass(minutes(40)).await;
        let (shown, _) = stage.shown().unwrap();
        assert_eq!(shown.verdict(), Verdict::Kept, "{shown:#?}");
        let image = &truth::restored(stage, &id)[0];
        assert_eq!((&image.id, image.launch_permissions.len()), (&ami, 1));
        assert_eq!(records_of(stage, &id).len(), 1);
        audit_is_green(stage).await;
    });
}

#[test]
fn a_dry_run_says_what_would_be_done_and_changes_nothing() {
    run_test(Options::default(), async |stage| {
        let ids = [1, 2].map(|n| stage.image(spec("analytics", &format!("analytics-{n}"), &[8])));
        let there = stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        let calls = stage.wire.count();
        let recoverer = recoverer(stage);
        let records = recoverer.records().await.unwrap();
        let recovery = Recovery::default();
        let chosen = recoverer.choose(&records, &everything(), &recovery).await;
        let planned = recoverer.planned(chosen);
        assert!(planned.dry_run && planned.is_whole(), "{planned:#?}");
        let states: Vec<State> = planned.map.iter().map(|row| row.state).collect();
        assert_eq!(states, [State::There, State::Planned, State::Planned]);
        assert_eq!(planned.map[0].source_image_id, there);
        assert!(planned.map[1..].iter().all(|row| ids.contains(&row.source_image_id)));
        // Two of 8 GB side by side take 60 s and 10 s a GB.
        let takes = planned.ended_at.duration_since(planned.began_at);
        assert_eq!(takes.as_secs(), 140);
        // 16 GiB are 32,768 blocks at 0.006 USD a thousand, and cost 0.05 USD a GB and month.
        let making = planned.making.unwrap();
        assert_eq!((making.images, making.size_gib), (2, 16));
        assert!((making.blocks.unwrap() - 0.196_608).abs() < 1e-6, "{making:?}");
        assert!((making.snapshots.unwrap() - 0.8).abs() < 1e-6, "{making:?}");
        let mutating = stage.wire.all()[calls..].iter().filter(|call| call.mutates()).count();
        assert_eq!(mutating, 0);
    });
}

#[test]
fn a_lookup_and_a_rebuilt_inventory_answer_from_the_vault_alone() {
    run_test(Options::default(), async |stage| {
        let archived = stage.image(spec("analytics", "analytics-1", &[8]));
        let ready = stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        let recoverer = recoverer(stage);
        let records = recoverer.records().await.unwrap();
        let known = truth::restored(stage, &ready)[0].id.clone();
        for (what, expected) in [
            (ready.as_str(), Some(&known)),
            ("orders-db-1", Some(&known)),
            ("orders-db", Some(&known)),
            (known.as_str(), Some(&known)),
            ("analytics-*", None),
        ] {
            let answer = recoverer.lookup(&records, what).await;
            assert_eq!(answer.points.len(), 1, "{what}: {answer:#?}");
            let found = &answer.points[0];
            assert!(found.complete && answer.is_whole(), "{what}: {found:#?}");
            assert_eq!(found.mapped.image_id.as_ref(), expected, "{what}");
        }
        assert!(recoverer.lookup(&records, "no-such").await.is_empty());

        let before = stage.wire.count();
        let records = recoverer.records().await.unwrap();
        let listed = recoverer.inventory(&records);
        let all = stage.wire.all();
        let other = all[before..].iter().find(|call| {
            !matches!(call.operation.as_str(), "ListObjectVersions" | "ListObjectsV2" | "GetObject")
        });
        assert!(other.is_none(), "{other:#?}");
        let ids: Vec<_> = listed.map.iter().map(|row| &row.source_image_id).collect();
        assert!(ids.len() == 2 && ids.contains(&&archived) && ids.contains(&&ready));
        remove_restored(stage, &known);
        let answer = recoverer.lookup(&records, "orders-db").await;
        assert!(!answer.points[0].complete && answer.points[0].mapped.image_id.is_none());
    });
}

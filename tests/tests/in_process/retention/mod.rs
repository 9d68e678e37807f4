//! Retention: what the rules give up goes, and nothing else; the principal may do what
//! `docs/permissions.md` allows `amiferry prune` and nothing else.

mod brake;
mod crashes;
mod doubts;
mod future;
mod guards;
mod images;
mod leftovers;
mod role;
mod stolen;

use amiferry_audit::inventory::State as PointState;
use amiferry_audit::report::{Report, Verdict};
use amiferry_aws::Session;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_core::manifest::{Manifest, Record};
use amiferry_core::retention::Keep;
use amiferry_core::span::Span;
use amiferry_prune::Pruner;
use amiferry_prune::report::{Outcome, Pruned, Row, What};
use amiferry_prune::run::Allowed;
use amiferry_service::config::Config;
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3::object::{Attributes, VersionKind};
use amiferry_simulator::{ec2, s3};
use jiff::{SignedDuration, Timestamp};

use crate::stage::wire::Call;
use crate::stage::{Options, Stage, hours, inventory, run_test, spec, truth};

/// Deleting is allowed, within the brake.
const APPLY: Allowed = Allowed { apply: true, really: false };

/// Longer than any lock of the landscape's policy `gold` and of its vault bucket.
const LOCKS: u64 = 40;

/// The newest two recovery points of each family stay.
fn keep_two(config: &mut Config) {
    for policy in &mut config.policies.0 {
        policy.keep = Some(Keep { last: 2, ..Keep::default() });
    }
}

/// The same, and any number of others may go.
fn last_two(config: &mut Config) {
    keep_two(config);
    config.prune.most_percent = 100;
}

fn options() -> Options {
    Options { configure: last_two, ..Options::default() }
}

/// The command as the role of a prune.
fn pruner(stage: &Stage) -> Pruner {
    pruner_as(stage, "prune")
}

fn pruner_as(stage: &Stage, who: &'static str) -> Pruner {
    pruner_by(stage, who, stage.clock())
}

/// The same by the clock of another machine.
fn pruner_by(
    stage: &Stage,
    who: &'static str,
    clock: std::sync::Arc<dyn amiferry_core::ports::Clock>,
) -> Pruner {
    Pruner::new(&stage.config, &stage.config.vaults[0], &session(stage, who), clock)
}

/// A session of the role.
fn session(stage: &Stage, who: &'static str) -> Session {
    let vault = &stage.config.vaults[0];
    let root = stage.session(&vault.account, &vault.region, who);
    let role = stage.landscape.prune_role(&stage.world).unwrap();
    root.assume_role(&role, None, "a-schedule", &vault.region)
}

async fn prune_by(pruner: &Pruner, allowed: Allowed) -> Pruned {
    let contents = pruner.contents().await.unwrap();
    pruner.run(&contents, allowed, &|_| {}).await
}

/// What `amiferry prune` comes to.
async fn prune(stage: &Stage, allowed: Allowed) -> Pruned {
    prune_by(&pruner(stage), allowed).await
}

/// So many images of a family, made a day apart, the oldest first, all of them complete, with the
/// workers gone.
async fn family(stage: &mut Stage, workload: &str, count: u32) -> Vec<ImageId> {
    let now = stage.world.now();
    let ids = (0..count).map(|n| {
        let days = i64::from(count - n);
        let created = now - SignedDuration::from_hours(24 * days);
        let spec = spec(workload, &format!("{workload}-{n}"), &[8]);
        stage.image(ec2::ImageSpec { created: Some(created), ..spec })
    });
    let ids: Vec<ImageId> = ids.collect();
    complete(stage).await;
    ids
}

async fn complete(stage: &mut Stage) {
    stage.start_both();
    stage.complete_within(hours(10)).await;
    stage.kill_all();
}

async fn days(stage: &Stage, count: u64) {
    stage.pass(hours(24 * count)).await;
}

/// The row of a source image.
fn row<'a>(pruned: &'a Pruned, id: &ImageId) -> &'a Row {
    let row = pruned.rows.iter().find(|row| row.source_image_id == *id);
    row.unwrap_or_else(|| panic!("{id} is not in {pruned:#?}"))
}

fn outcomes(pruned: &Pruned, ids: &[ImageId]) -> Vec<Outcome> {
    ids.iter().map(|id| row(pruned, id).outcome).collect()
}

/// Whether the object of an image is in the vault.
fn has_object(stage: &Stage, id: &ImageId) -> bool {
    let key = truth::vault_key(stage, id, "image.bin");
    stage.world.lock().s3.bucket(VAULT_BUCKET).unwrap().has(&key)
}

/// Changes what S3 knows of an image's object in the vault beside its content.
fn with_object(stage: &Stage, id: &ImageId, change: impl FnOnce(&mut Attributes)) {
    let key = truth::vault_key(stage, id, "image.bin");
    let mut state = stage.world.lock();
    let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
    match &mut bucket.version_mut(&key, None).unwrap().kind {
        VersionKind::Object(object) => change(&mut object.attributes),
        VersionKind::DeleteMarker => panic!("{key} is hidden"),
    }
}

/// Names an image of the vault from outside.
fn refer(stage: &Stage, image: &ImageId, arn: &str, kind: &str) {
    let mut state = stage.world.lock();
    let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
    let references = site.references.entry(image.clone()).or_default();
    references.insert(arn.to_owned(), kind.to_owned());
}

/// The names of what lies beside the object of an image, in order.
fn files_of(stage: &Stage, id: &ImageId) -> Vec<String> {
    let folder = truth::vault_key(stage, id, "");
    let state = stage.world.lock();
    let bucket = state.s3.bucket(VAULT_BUCKET).unwrap();
    let keys = bucket.all_versions().filter(|(_, versions)| !versions.is_empty());
    keys.filter_map(|(key, _)| key.strip_prefix(folder.as_str())).map(str::to_owned).collect()
}

/// The snapshots that the vault's account has.
fn snapshots(stage: &Stage) -> usize {
    let state = stage.world.lock();
    state.ec2.get(&stage.landscape.vault).map_or(0, |site| site.snapshots.len())
}

/// Nothing of it is left but its records.
fn is_gone(stage: &Stage, id: &ImageId) -> bool {
    !has_object(stage, id)
        && truth::restored(stage, id).is_empty()
        && files_of(stage, id).iter().any(|file| file.ends_with("-pruned.json"))
}

/// All of it is there as it was.
fn is_whole(stage: &Stage, id: &ImageId) -> bool {
    let restored = truth::restored(stage, id);
    has_object(stage, id)
        && restored.iter().all(|image| image.state == ec2::ImageState::Available)
        && !files_of(stage, id).iter().any(|file| file.contains("record-"))
}

/// Puts a record beside a recovery point that gives all of it up, as a thief of the role of a prune can.
pub fn forge_tombstone(stage: &Stage, id: &ImageId) {
    forge(stage, id, true, |_| {});
}

/// Puts a record beside a recovery point that gives up all of it, or its AMI, changed like this.
pub fn forge(stage: &Stage, id: &ImageId, whole: bool, change: impl FnOnce(&mut Record)) {
    let text = truth::manifest(stage, id).unwrap();
    let manifest = Manifest::from_json(text.as_bytes()).unwrap();
    let now = stage.world.now();
    let mut record = Record::giving_up(&manifest, None, whole, &[], now);
    change(&mut record);
    let kind = record.kind.as_str();
    let key = truth::vault_key(stage, id, &format!("record-0001-{kind}.json"));
    s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, &key, record.to_json()).unwrap();
}

fn state_of(report: &Report, id: &ImageId) -> Option<PointState> {
    let point = report.recovery_points.iter().find(|point| point.source_image_id == *id);
    point.map(|point| point.state)
}

/// The audit says of these that they are left out as given up, and finds nothing wrong.
async fn audit_knows(stage: &Stage, gone: &[ImageId], stays: &[ImageId]) {
    let report = inventory::partial_report(stage).await.unwrap();
    assert!(matches!(report.verdict(), Verdict::Kept | Verdict::Breached), "{report:#?}");
    for id in gone {
        let left = report.rejected.iter().find(|left| left.source_image_id == *id);
        assert_eq!(left.map(|left| left.code), Some(Code::Pruned), "{report:#?}");
    }
    for id in stays {
        assert_eq!(state_of(&report, id), Some(PointState::Complete), "{id}: {report:#?}");
    }
}

#[test]
fn a_dry_run_says_what_goes_and_why_and_changes_nothing() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        days(stage, LOCKS).await;
        let before = stage.wire.count();
        let pruned = prune(stage, Allowed::default()).await;
        use Outcome::{Goes, Kept};
        assert_eq!(outcomes(&pruned, &ids), [Goes, Goes, Kept, Kept], "{pruned:#?}");
        assert!(pruned.dry_run && pruned.is_whole());
        assert_eq!(row(&pruned, &ids[2]).reason, "rule last");
        assert!(row(&pruned, &ids[3]).reason.starts_with("the newest complete"));
        assert_eq!(row(&pruned, &ids[0]).what, What::All);
        assert!(row(&pruned, &ids[0]).bytes > 0);
        let mutating = stage.wire.all()[before..].iter().filter(|call| call.mutates()).count();
        assert_eq!(mutating, 0);
        assert!(ids.iter().all(|id| is_whole(stage, id)));
    });
}

#[test]
fn what_no_rule_keeps_goes_whole_and_the_workers_leave_it_alone_though_its_image_lives() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        let archived = family(stage, "analytics", 3).await;
        days(stage, 100).await;
        let had = snapshots(stage);
        let pruned = prune(stage, APPLY).await;
        use Outcome::{Gone, Kept};
        assert!(pruned.is_whole(), "{pruned:#?}");
        assert_eq!(outcomes(&pruned, &ids), [Gone, Gone, Kept, Kept], "{pruned:#?}");
        assert_eq!(outcomes(&pruned, &archived), [Gone, Kept, Kept], "{pruned:#?}");
        let gone = [&ids[..2], &archived[..1]].concat();
        let stays = [&ids[2..], &archived[1..]].concat();
        assert!(gone.iter().all(|id| is_gone(stage, id)));
        assert!(stays.iter().all(|id| is_whole(stage, id)));
        assert_eq!(snapshots(stage), had - 2);
        audit_knows(stage, &gone, &stays).await;

        // Again there is nothing to do, and no row of what went.
        let again = prune(stage, APPLY).await;
        assert_eq!((again.rows.len(), again.with(Kept).count()), (4, 4), "{again:#?}");

        // Workers that start now store, copy and restore nothing, and call nothing lost.
        let before = stage.wire.count();
        stage.start_both();
        stage.pass(hours(1)).await;
        let known = stage.wire.count();
        stage.pass(hours(2)).await;
        // What is gone is read once, and not again by each sweep.
        let reads = |calls: &[Call]| {
            let folders = gone.iter().map(|id| truth::vault_key(stage, id, ""));
            let folders: Vec<String> = folders.collect();
            let is_of_gone = |call: &&Call| folders.iter().any(|one| call.text.contains(one));
            calls.iter().filter(is_of_gone).count()
        };
        let all = stage.wire.all();
        assert_eq!((reads(&all[before..known]) > 0, reads(&all[known..])), (true, 0));
        for operation in
            ["CreateStoreImageTask", "CreateMultipartUpload", "CreateRestoreImageTask", "PutObject"]
        {
            let all = stage.wire.all();
            let calls = all[before..].iter().filter(|call| call.operation == operation).count();
            assert_eq!(calls, 0, "{operation}");
        }
        let (shown, _) = stage.shown().unwrap();
        assert_ne!(shown.verdict(), Verdict::Lost, "{shown:#?}");
        let left = shown.rejected.iter().filter(|left| left.code == Code::Pruned).count();
        assert_eq!(left, gone.len(), "{shown:#?}");
        audit_knows(stage, &gone, &stays).await;
    });
}

#[test]
fn what_was_given_up_is_neither_restored_nor_listed_as_missing_unless_it_is_named() {
    use amiferry_core::decide::vault::Recovery;
    use amiferry_core::recovery::select::Selection;
    use amiferry_recovery::Recoverer;

    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 3).await;
        days(stage, LOCKS).await;
        prune(stage, APPLY).await;
        let vault = &stage.config.vaults[0];
        let session = stage.session(&vault.account, &vault.region, "restore");
        let recoverer = Recoverer::new(&stage.config, vault, &session, stage.clock());
        let records = recoverer.records().await.unwrap();
        let recovery = Recovery::default();
        let all = Selection { all: true, ..Selection::default() };
        let planned = recoverer.planned(recoverer.choose(&records, &all, &recovery).await);
        assert!(planned.is_whole() && planned.map.len() == 2, "{planned:#?}");
        assert!(recoverer.inventory(&records).is_whole());
        let named = Selection { images: [ids[0].clone()].into(), ..Selection::default() };
        let planned = recoverer.planned(recoverer.choose(&records, &named, &recovery).await);
        let not = &planned.not_restored[0];
        assert_eq!((planned.map.len(), not.code), (0, Some(Code::Pruned)), "{planned:#?}");
    });
}

fn at(stage: &Stage, ago: i64) -> Timestamp {
    stage.world.now() - SignedDuration::from_hours(ago)
}

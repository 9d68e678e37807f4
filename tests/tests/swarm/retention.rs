//! What comes after a run: the rules give up recovery points while their sources live, owners act, workers
//! run and new images come; locks, holds and uses come and go, and the prune itself is disturbed, killed,
//! doubled and run by a wrong clock. Nothing goes but what may.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amiferry_audit::inventory::State as AuditState;
use amiferry_audit::report::Verdict;
use amiferry_core::code::Code;
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::manifest::Manifest;
use amiferry_core::retention::Keep;
use amiferry_core::span::Span;
use amiferry_prune::Pruner;
use amiferry_prune::report::Pruned;
use amiferry_prune::run::Allowed;
use amiferry_simulator::clock::SkewedClock;
use amiferry_simulator::ec2::lifecycle::{self, Sharing};
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3::object::VersionKind;
use jiff::{SignedDuration, Timestamp};

use crate::aftermath;
use crate::departures::{Run, Vault};
use crate::life;
use crate::mischief::Change;
use crate::stage::truth::{self, Wrong};
use crate::stage::{Fault, Mishap, Stage, hours, inventory, minutes, spec};

/// Longer than any lock of the landscape.
const LOCKS: Duration = hours(24 * 100);

/// The calls by which a prune changes something.
const EFFECTS: [&str; 5] = [
    "PutObject",
    "DisableImageDeregistrationProtection",
    "DeregisterImage",
    "DeleteSnapshot",
    "DeleteObject",
];

/// How many runs come at most before the last, undisturbed one.
const DISTURBED: usize = 4;

/// Plays it; a seed gives the rules and what disturbs the runs.
pub async fn play(stage: &mut Stage, seed: u64, sweep: Duration) -> Vec<Wrong> {
    let mut dice = fastrand::Rng::with_seed(seed ^ 0x9e7e_0710);
    // From dice of their own: what earlier seeds found stays theirs.
    let mut others = fastrand::Rng::with_seed(seed ^ 0x0b57_ac1e);
    stage.kill_all();
    // By then all locks have ended, or those of some policies.
    stage.pass([LOCKS, LOCKS, hours(24 * 50)][others.usize(..3)]).await;
    let recorded = recorded(stage);
    let before: BTreeSet<ImageId> = recorded.keys().cloned().collect();
    give_rules(stage, &mut dice);
    for n in 0..dice.usize(0..3) {
        let workload = ["web", "orders-db", "analytics"][dice.usize(..3)];
        stage.image(spec(workload, &format!("{workload}-late-{n}"), &[1]));
    }
    stage.start_both();
    let mut owners = Owners { act: others.bool(), ..Owners::default() };
    let is_obstructed = others.bool();
    owners.act(stage, &mut others);
    stage.pass(minutes(dice.u64(0..40))).await;
    for _ in 0..dice.usize(0..=DISTURBED) {
        if is_obstructed {
            obstruct(stage, &mut others, &before);
        }
        owners.act(stage, &mut others);
        disturb(stage, &mut dice);
        let wrongs = run(stage, &mut dice, &mut others).await;
        if !wrongs.is_empty() {
            return wrongs;
        }
        stage.wire.mend();
        stage.wire.revive("prune");
        stage.wire.revive("prune-2");
        stage.pass(minutes(dice.u64(0..90))).await;
        let wrongs = newest_stay(stage, &recorded);
        if !wrongs.is_empty() {
            return wrongs;
        }
    }
    owners.end(stage);
    stage.pass(sweep + minutes(30)).await;
    let began = stage.wire.count();
    let ahead = SignedDuration::from_secs(others.i64(-280..=280));
    let there = Vault::of(stage);
    let Some(last) = prune(stage, "prune", ahead, None).await else {
        return wrong("an undisturbed prune cannot list the vault".to_owned());
    };
    let (run, left) = (Run { ahead, in_doubt: false }, Vault::of(stage));
    let mut wrongs = there.lost_no_more_than_may_go(stage, &left, run);
    wrongs.extend(there.gave_up_all_that_nothing_keeps(stage, &left, run));
    stage.pass(sweep + minutes(30)).await;
    wrongs.extend(newest_stay(stage, &recorded));
    if !last.is_whole() {
        wrongs.extend(wrong(format!("an undisturbed prune is not whole: {last:#?}")));
    }
    wrongs.extend(nothing_comes_back(stage, began, &before));
    wrongs.extend(audit_knows(stage, &before).await);
    wrongs.extend(only_leftovers_go(stage, &mut others).await);
    wrongs
}

/// A prune that may be disturbed, interrupted or doubled, on a machine whose clock may be wrong. While it
/// works, the newest recovery point of a family may lose its place.
async fn run(stage: &Stage, dice: &mut fastrand::Rng, others: &mut fastrand::Rng) -> Vec<Wrong> {
    let ahead = skew(others);
    let run = Run { ahead, in_doubt: ahead.abs() > SignedDuration::from_mins(5) };
    let mut there = Vault::of(stage);
    match dice.u8(..3) {
        0 => {
            let both = async {
                tokio::join!(
                    prune(stage, "prune", ahead, None),
                    prune(stage, "prune-2", ahead, None)
                )
            };
            let _ = tokio::time::timeout(hours(2), both).await;
        }
        1 => {
            // Ctrl-C, at any moment.
            let span = Duration::from_millis(dice.u64(1..4_000));
            let _ = tokio::time::timeout(span, prune(stage, "prune", ahead, None)).await;
        }
        _ => {
            let newest = there.newest_with_image();
            let loses = others.u8(..3) > 0;
            let shared = others.choice(&newest).filter(|_| loses).cloned();
            let meanwhile = shared.as_ref().map(|id| (id, &mut there));
            let one = prune(stage, "prune", ahead, meanwhile);
            let _ = tokio::time::timeout(hours(2), one).await;
            let wrongs = there.lost_no_more_than_may_go(stage, &Vault::of(stage), run);
            if let Some(id) = shared {
                share(stage, &id, false);
            }
            return wrongs;
        }
    }
    there.lost_no_more_than_may_go(stage, &Vault::of(stage), run)
}

/// The prune as its role; `None` if it cannot even list the vault. Between its look at all of the vault and
/// its first step the AMI of one is shared, and what is there then is noted.
async fn prune(
    stage: &Stage,
    who: &'static str,
    ahead: SignedDuration,
    meanwhile: Option<(&ImageId, &mut Vault)>,
) -> Option<Pruned> {
    let pruner = pruner(stage, who, ahead);
    let contents = pruner.contents().await.ok()?;
    if let Some((id, there)) = meanwhile {
        share(stage, id, true);
        *there = Vault::of(stage);
    }
    let allowed = Allowed { apply: true, really: true };
    Some(pruner.run(&contents, allowed, &|_| {}).await)
}

fn pruner(stage: &Stage, who: &'static str, ahead: SignedDuration) -> Pruner {
    let vault = &stage.config.vaults[0];
    let root = stage.session(&vault.account, &vault.region, who);
    let role = stage.landscape.prune_role(&stage.world).unwrap();
    let session = root.assume_role(&role, None, "a-schedule", &vault.region);
    let clock = SkewedClock::new(stage.world.clock(), ahead);
    Pruner::new(&stage.config, vault, &session, Arc::new(clock))
}

/// How far the clock of the pruner's machine is ahead: not at all, a little, as far as that of a worker, or
/// by days.
fn skew(dice: &mut fastrand::Rng) -> SignedDuration {
    let seconds = match dice.u8(..6) {
        0..=2 => 0,
        3 => dice.i64(-280..=280),
        4 => dice.i64(320..=840),
        _ => dice.i64(1..400) * 86_400,
    };
    SignedDuration::from_secs(if dice.bool() { seconds } else { -seconds })
}

/// Shares the restored image of one with a stranger, or takes that back.
fn share(stage: &Stage, id: &ImageId, with: bool) {
    let Some(image) = aftermath::living(stage, id) else { return };
    let (none, stranger) = (Sharing::default(), aftermath::stranger());
    let (add, remove) = if with { (&stranger, &none) } else { (&none, &stranger) };
    let place = &stage.landscape.vault;
    lifecycle::share(&mut stage.world.lock(), place, &image.id, add, remove).unwrap();
}

/// The owners of the source, who go on with their lives.
#[derive(Debug, Default)]
struct Owners {
    act: bool,
    acts: usize,
    disabled: Vec<ImageId>,
}

impl Owners {
    /// They do something with up to two images.
    fn act(&mut self, stage: &mut Stage, dice: &mut fastrand::Rng) {
        for _ in 0..dice.usize(..3) {
            let ids = stage.recordable();
            let Some(id) = dice.choice(&ids).filter(|_| self.act).cloned() else { continue };
            let change = match dice.u8(..5) {
                4 => Change::Harden,
                kind => life::of_kind(dice, kind, hours(1)),
            };
            if matches!(change, Change::Disable { .. }) {
                self.disabled.push(id.clone());
            }
            self.acts += 1;
            life::change(stage, &id, change, format!("{} acts", self.acts));
        }
    }

    /// They enable again what they disabled.
    fn end(&mut self, stage: &mut Stage) {
        for id in self.disabled.drain(..) {
            stage.set_enabled(&id, true);
        }
    }
}

/// Locks become longer, holds and uses come and go.
fn obstruct(stage: &Stage, dice: &mut fastrand::Rng, ids: &BTreeSet<ImageId>) {
    let now = stage.world.now();
    for id in ids {
        let (kind, days) = (dice.u8(..12), dice.i64(1..200));
        let image = aftermath::living(stage, id).map(|image| image.id);
        let mut state = stage.world.lock();
        if let (3, Some(image)) = (kind, image) {
            let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
            let by = "arn:aws:ec2:us-west-2:222222222222:instance/i-0a".to_owned();
            let references = site.references.entry(image).or_default();
            if references.remove(&by).is_none() {
                references.insert(by, "ec2:Instance".to_owned());
            }
        }
        let key = truth::vault_key(stage, id, "image.bin");
        let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
        let Some(version) = bucket.version_mut(&key, None) else { continue };
        let VersionKind::Object(object) = &mut version.kind else { continue };
        match (kind, &mut object.attributes.retention) {
            (0..=1, Some(lock)) => {
                lock.until = lock.until.max(now + SignedDuration::from_hours(24 * days));
            }
            (2, _) => object.attributes.legal_hold = !object.attributes.legal_hold,
            _ => {}
        }
    }
}

/// A person deregisters an AMI and leaves its snapshots; a prune that clears up what is left over lets them be,
/// and all that is complete.
async fn only_leftovers_go(stage: &mut Stage, dice: &mut fastrand::Rng) -> Vec<Wrong> {
    stage.kill_all();
    let whole = Vault::of(stage).with_image();
    let chosen = dice.choice(&whole).cloned();
    if let Some((id, _)) = &chosen
        && let Some(image) = aftermath::living(stage, id)
    {
        let (now, place) = (stage.world.now(), stage.landscape.vault.clone());
        let mut state = stage.world.lock();
        lifecycle::unprotect(&mut state, now, &place, &image.id).unwrap();
        // In its cooldown it stays.
        let _ = lifecycle::deregister(&mut state, now, &place, &image.id, false);
    }
    let there = || -> BTreeSet<SnapshotId> {
        let state = stage.world.lock();
        let site = state.ec2.get(&stage.landscape.vault);
        site.map(|site| site.snapshots.keys().cloned().collect()).unwrap_or_default()
    };
    let (before, had) = (Vault::of(stage), there());
    let ahead = skew(dice);
    let run = Run { ahead, in_doubt: ahead.abs() > SignedDuration::from_mins(5) };
    let pruner = pruner(stage, "prune", ahead);
    let Ok(contents) = pruner.contents().await else {
        return wrong("an undisturbed prune cannot list the vault".to_owned());
    };
    let allowed = Allowed { apply: true, really: true };
    if let Err(fault) = pruner.leftovers(&contents, allowed, &|_| {}).await {
        return wrong(format!("what is left over cannot be found: {fault}"));
    }
    let has = there();
    let named = whole.iter().flat_map(|(_, snapshots)| snapshots);
    let lost = named.filter(|id| had.contains(*id) && !has.contains(*id));
    let lost = lost.flat_map(|id| wrong(format!("{id} is recorded, and went as left over")));
    let mut wrongs: Vec<Wrong> = lost.collect();
    if run.in_doubt && has != had {
        wrongs.extend(wrong("something left over went by a wrong clock".to_owned()));
    }
    wrongs.extend(before.lost_no_more_than_may_go(stage, &Vault::of(stage), run));
    wrongs
}

fn give_rules(stage: &mut Stage, dice: &mut fastrand::Rng) {
    for policy in &mut stage.config.policies.0 {
        let days = |days: u64| Some(Span::from_secs(days * 86_400));
        let keep = match dice.u8(..4) {
            0 => Keep { last: 1, ..Keep::default() },
            1 => Keep { within: days(dice.u64(1..130)), ..Keep::default() },
            2 => Keep { daily: 1, weekly: 1, ..Keep::default() },
            _ => Keep { last: 2, minimum: Some(2), ..Keep::default() },
        };
        policy.keep = Some(keep);
        if policy.tier == amiferry_core::policy::Tier::Ready && dice.bool() {
            policy.keep_ami = Some(Keep { within: days(dice.u64(1..130)), ..Keep::default() });
        }
    }
}

/// One call of the prune meets a mishap.
fn disturb(stage: &Stage, dice: &mut fastrand::Rng) {
    let mishaps = [
        Mishap::RequestLost,
        Mishap::AnswerLost,
        Mishap::DiesBefore,
        Mishap::DiesAfter,
        Mishap::DiesAnswered,
    ];
    let mishap = mishaps[dice.usize(..mishaps.len())];
    let fault = match dice.u8(..4) {
        0 => return,
        1 => Fault { operation: None, after: dice.usize(..200), ..Fault::first("", mishap) },
        _ => {
            let effect = EFFECTS[dice.usize(..EFFECTS.len())];
            Fault { after: dice.usize(..3), ..Fault::first(effect, mishap) }
        }
    };
    stage.wire.upset("prune", fault);
}

/// Policy, family and creation of all that was recorded when the rules came.
type Recorded = BTreeMap<ImageId, (String, String, Timestamp)>;

fn recorded(stage: &Stage) -> Recorded {
    let manifests = stage.recordable().into_iter().filter_map(|id| {
        let text = truth::manifest(stage, &id)?;
        let manifest = Manifest::from_json(text.as_bytes()).ok()?;
        Some((id, (manifest.policy, manifest.family, manifest.source.created_at)))
    });
    manifests.collect()
}

/// Of each family, one that was the newest is still as whole as it was.
fn newest_stay(stage: &Stage, recorded: &Recorded) -> Vec<Wrong> {
    let mut newest: BTreeMap<(&String, &String), Timestamp> = BTreeMap::new();
    for (policy, family, created) in recorded.values() {
        let latest = newest.entry((policy, family)).or_insert(*created);
        *latest = (*latest).max(*created);
    }
    let mut wrongs = Vec::new();
    for ((policy, family), latest) in newest {
        let of_it = recorded.iter().filter(|(_, (of, name, created))| {
            (of, name) == (policy, family) && *created == latest
        });
        let stays = of_it.clone().any(|(id, _)| truth::missing(stage, id).is_empty());
        // A newer one that is complete by now takes its place.
        let newer = stage.recordable().into_iter().any(|id| {
            !recorded.contains_key(&id)
                && truth::manifest(stage, &id).is_some_and(|text| {
                    Manifest::from_json(text.as_bytes()).is_ok_and(|manifest| {
                        (&manifest.policy, &manifest.family) == (policy, family)
                            && truth::missing(stage, &id).is_empty()
                    })
                })
        });
        if !stays && !newer {
            let ids: Vec<_> = of_it.map(|(id, _)| id.to_string()).collect();
            wrongs.extend(wrong(format!("{policy}/{family}: the newest, {ids:?}, is gone")));
        }
    }
    wrongs
}

/// Whether a record gives all of it up.
fn is_pruned(stage: &Stage, id: &ImageId) -> bool {
    let folder = truth::vault_key(stage, id, "");
    let state = stage.world.lock();
    let bucket = state.s3.bucket(VAULT_BUCKET).unwrap();
    bucket.all_versions().any(|(key, versions)| {
        key.starts_with(&folder) && key.ends_with("-pruned.json") && !versions.is_empty()
    })
}

/// No worker stores, copies or restores what was given up.
fn nothing_comes_back(stage: &Stage, began: usize, before: &BTreeSet<ImageId>) -> Vec<Wrong> {
    let pruned: Vec<&ImageId> = before.iter().filter(|id| is_pruned(stage, id)).collect();
    let calls = stage.wire.all();
    let begins = ["CreateStoreImageTask", "CreateMultipartUpload", "CreateRestoreImageTask"];
    let again = calls[began..].iter().filter(|call| begins.contains(&call.operation.as_str()));
    let about = again.filter_map(|call| {
        let id = pruned.iter().find(|id| call.text.contains(id.as_str()))?;
        Some(format!("{id} was given up, and {} called {}", call.who, call.operation))
    });
    about.flat_map(wrong).collect()
}

/// The audit calls what was given up by its name, nothing of it lost, and all else complete.
async fn audit_knows(stage: &Stage, before: &BTreeSet<ImageId>) -> Vec<Wrong> {
    let Ok(report) = inventory::report(stage).await else {
        return wrong("no audit can be made".to_owned());
    };
    let mut wrongs = Vec::new();
    if report.verdict() == Verdict::Lost {
        wrongs.extend(wrong(format!("the audit says that something is lost: {report:#?}")));
    }
    for id in before {
        let left = report.rejected.iter().find(|left| left.source_image_id == *id);
        let point = report.recovery_points.iter().find(|point| point.source_image_id == *id);
        let said = (left.map(|left| left.code), point.map(|point| point.state));
        let expected = match is_pruned(stage, id) {
            true => (Some(Code::Pruned), None),
            false => (None, Some(AuditState::Complete)),
        };
        if said != expected {
            wrongs.extend(wrong(format!("{id}: the audit says {said:?}, not {expected:?}")));
        }
    }
    wrongs
}

fn wrong(what: String) -> Vec<Wrong> {
    vec![Wrong { invariant: "I-8", what }]
}

//! What comes after a run: the rules give up recovery points while their sources live, workers run and new
//! images come, and the prune itself is disturbed, killed and doubled. Nothing goes but what may.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiferry_audit::inventory::State as AuditState;
use amiferry_audit::report::Verdict;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_core::manifest::Manifest;
use amiferry_core::retention::Keep;
use amiferry_core::span::Span;
use amiferry_prune::Pruner;
use amiferry_prune::report::Pruned;
use amiferry_prune::run::Allowed;
use amiferry_simulator::landscape::VAULT_BUCKET;
use jiff::Timestamp;

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
    stage.kill_all();
    stage.pass(LOCKS).await;
    let recorded = recorded(stage);
    let before: BTreeSet<ImageId> = recorded.keys().cloned().collect();
    give_rules(stage, &mut dice);
    for n in 0..dice.usize(0..3) {
        let workload = ["web", "orders-db", "analytics"][dice.usize(..3)];
        stage.image(spec(workload, &format!("{workload}-late-{n}"), &[1]));
    }
    stage.start_both();
    stage.pass(minutes(dice.u64(0..40))).await;
    for _ in 0..dice.usize(0..=DISTURBED) {
        disturb(stage, &mut dice);
        let one = prune(stage, "prune");
        match dice.u8(..3) {
            0 => {
                let _ = tokio::join!(one, prune(stage, "prune-2"));
            }
            1 => {
                // Ctrl-C, at any moment.
                let span = Duration::from_millis(dice.u64(1..4_000));
                let _ = tokio::time::timeout(span, one).await;
            }
            _ => {
                let _ = tokio::time::timeout(hours(2), one).await;
            }
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
    stage.pass(sweep + minutes(30)).await;
    let began = stage.wire.count();
    let Some(last) = prune(stage, "prune").await else {
        return wrong("an undisturbed prune cannot list the vault".to_owned());
    };
    stage.pass(sweep + minutes(30)).await;
    let mut wrongs = newest_stay(stage, &recorded);
    if !last.is_whole() {
        wrongs.extend(wrong(format!("an undisturbed prune is not whole: {last:#?}")));
    }
    wrongs.extend(nothing_comes_back(stage, began, &before));
    wrongs.extend(audit_knows(stage, &before).await);
    wrongs
}

/// The prune as its role; `None` if it cannot even list the vault.
async fn prune(stage: &Stage, who: &'static str) -> Option<Pruned> {
    let vault = &stage.config.vaults[0];
    let root = stage.session(&vault.account, &vault.region, who);
    let role = stage.landscape.prune_role(&stage.world).unwrap();
    let session = root.assume_role(&role, None, "a-schedule", &vault.region);
    let pruner = Pruner::new(&stage.config, vault, &session, stage.clock());
    let contents = pruner.contents().await.ok()?;
    let allowed = Allowed { apply: true, really: true };
    Some(pruner.run(&contents, allowed, &|_| {}).await)
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

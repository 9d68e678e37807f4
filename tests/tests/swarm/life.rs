//! What goes on in the accounts beside the workers, as a seed chooses it: owners change and remove
//! their images, quotas are small or change, and workers die more than once or all together.

use std::time::Duration;

use amiferry_core::ids::ImageId;
use amiferry_simulator::landscape::STAGING_BUCKET;

use crate::mischief::{Change, Fall, Mischief, WhichQuota};
use crate::plan::{Arrival, DAY};
use crate::stage::{Mishap, Role, Stage, minutes};

/// What goes on in the run of a seed with that many images.
pub fn draw(
    dice: &mut fastrand::Rng,
    chaos: Duration,
    images: usize,
    workers: &[(Role, &'static str)],
) -> Vec<Mischief> {
    let mut all = Vec::new();
    for which in [WhichQuota::Store, WhichQuota::Restore] {
        if dice.u8(..4) == 0 {
            all.push(Mischief::Quota { which, gb: size(dice), at: Duration::ZERO, lasts: None });
        } else if dice.u8(..6) == 0 {
            let at = chaos.mul_f64(dice.f64());
            let lasts = Some((chaos - at).mul_f64(dice.f64()));
            all.push(Mischief::Quota { which, gb: size(dice), at, lasts });
        }
    }
    if dice.u8(..3) == 0 {
        // Of one kind as a rule, so that others do not hide it.
        let kind = dice.u8(..5);
        for _ in 0..dice.usize(1..=images) {
            let kind = if kind == 4 { dice.u8(..4) } else { kind };
            all.push(owner(dice, kind, chaos, images));
        }
    }
    if dice.u8(..6) == 0 {
        all.extend(twice(dice, workers));
    }
    if dice.u8(..8) == 0 {
        let at = chaos.mul_f64(dice.f64());
        all.extend(workers.iter().map(|(_, who)| {
            let away = Duration::from_secs(dice.u64(1..=600));
            Mischief::Crash { who, when: Fall::At(at), away }
        }));
    }
    all
}

/// From one that admits a single image to one that admits a few of the swarm's.
fn size(dice: &mut fastrand::Rng) -> u64 {
    [1, 10, 30, 60][dice.usize(..4)]
}

fn owner(dice: &mut fastrand::Rng, kind: u8, chaos: Duration, images: usize) -> Mischief {
    let after = early(dice, chaos);
    let change = of_kind(dice, kind, chaos);
    Mischief::Image { index: dice.usize(..images), after, change }
}

/// What an owner does, of one of four kinds.
pub fn of_kind(dice: &mut fastrand::Rng, kind: u8, chaos: Duration) -> Change {
    match kind {
        0 => Change::Deregister { with_snapshots: dice.bool() },
        1 => Change::Disable { lasts: chaos.mul_f64(dice.f64()) },
        2 => Change::Tag,
        _ => {
            let workloads = [None, Some("orders-db"), Some("analytics"), Some("reports")];
            Change::Workload(workloads[dice.usize(..workloads.len())])
        }
    }
}

/// An owner does something with an image of the source; `note` is the value of the tag that changes.
pub fn change(stage: &mut Stage, id: &ImageId, change: Change, note: String) {
    let tags = stage.seen(id).map(|seen| seen.image.tags).unwrap_or_default();
    match change {
        Change::Deregister { with_snapshots } => stage.deregister(id, with_snapshots),
        Change::Disable { .. } => stage.set_enabled(id, false),
        Change::Harden => stage.demand_imds_v2(id),
        Change::Tag => {
            let other = ("reviewed".to_owned(), note);
            stage.retag(id, tags.into_iter().chain([other]).collect());
        }
        Change::Workload(workload) => {
            let kept = tags.into_iter().filter(|(key, _)| key != "workload");
            let given = workload.map(|name| ("workload".to_owned(), name.to_owned()));
            stage.retag(id, kept.chain(given).collect());
        }
    }
}

/// Most of what can be disturbed happens in the first minutes of an image.
fn early(dice: &mut fastrand::Rng, chaos: Duration) -> Duration {
    [minutes(2), minutes(15), chaos][dice.usize(..3)].mul_f64(dice.f64())
}

/// In some runs an owner has the instances of one image demand IMDSv2.
pub fn harden(dice: &mut fastrand::Rng, chaos: Duration, images: usize) -> Option<Mischief> {
    (dice.u8(..6) == 0).then(|| Mischief::Image {
        index: dice.usize(..images),
        after: early(dice, chaos),
        change: Change::Harden,
    })
}

/// In some runs a lifecycle rule of the staging bucket removes what lies there, once or more.
pub fn expire(dice: &mut fastrand::Rng, chaos: Duration) -> Vec<Mischief> {
    let times = if dice.u8(..5) == 0 { dice.usize(1..=3) } else { 0 };
    (0..times).map(|_| Mischief::Expire { at: chaos.mul_f64(dice.f64()) }).collect()
}

/// In some runs images that arrive were made long before, up to 400 days, and of each workload some.
pub fn age(dice: &mut fastrand::Rng, fleet: &mut [Arrival]) {
    if dice.u8(..4) != 0 {
        return;
    }
    let days = [2, 40, 400][dice.usize(..3)];
    for arrival in fleet {
        if dice.bool() {
            arrival.age = Duration::from_secs(dice.u64(..days * DAY));
        }
    }
}

/// Whether that is done to the image at this place of the fleet, which demands nothing before.
pub fn hardens(mischief: &[Mischief], index: usize) -> bool {
    mischief.iter().any(|mischief| {
        matches!(mischief, Mischief::Image { index: of, change: Change::Harden, .. } if *of == index)
    })
}

/// A worker dies at a call, and again a few calls after it came back.
fn twice(dice: &mut fastrand::Rng, workers: &[(Role, &'static str)]) -> [Mischief; 2] {
    let modes = [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::DiesAnswered];
    let (_, who) = workers[dice.usize(..workers.len())];
    let first = dice.usize(..150);
    [first, first + dice.usize(1..=30)].map(|call| Mischief::Crash {
        who,
        when: Fall::Call(call, modes[dice.usize(..3)]),
        away: Duration::from_secs(dice.u64(1..=60)),
    })
}

/// Takes away every version of all that is staged, as a lifecycle rule may.
pub fn take_staged(stage: &Stage) {
    let mut state = stage.world.lock();
    let Some(bucket) = state.s3.bucket_mut(STAGING_BUCKET) else { return };
    let staged: Vec<(String, String)> = bucket
        .all_versions()
        .flat_map(|(key, versions)| {
            versions.iter().map(move |version| (key.to_owned(), version.id.clone()))
        })
        .collect();
    for (key, version) in staged {
        bucket.remove(&key, &version);
    }
}

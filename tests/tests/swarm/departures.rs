//! What went between two looks at the vault, held to the rules by the oracle of the random histories: it
//! shares no line with the code under test. Nothing goes that the rules keep or that something holds.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::manifest::Manifest;
use amiferry_core::policy::{Policy, Tier};
use amiferry_core::retention::Point;
use amiferry_simulator::ec2::image::ImageState;
use amiferry_simulator::landscape::VAULT_BUCKET;
use jiff::{SignedDuration, Timestamp};

use crate::oracle;
use crate::stage::Stage;
use crate::stage::truth::{self, Wrong};

/// One recorded recovery point at a moment, read from the world.
#[derive(Debug, Clone)]
struct Seen {
    policy: String,
    family: String,
    point: Point,
    /// Whether all that it promises is there.
    complete: bool,
    /// Whether a record gives up all of it, or its AMI.
    pruned: bool,
    retired: bool,
    object: bool,
    image: bool,
    locked_until: Option<Timestamp>,
    /// Whether a legal hold is on the object, or something names its AMI.
    hold: bool,
    in_use: bool,
    snapshots: BTreeSet<SnapshotId>,
}

/// What is recorded in the vault at a moment.
#[derive(Debug, Clone)]
pub struct Vault {
    at: Timestamp,
    points: BTreeMap<ImageId, Seen>,
}

/// A run of a prune, as far as it matters for what may go.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// How far the clock of its machine is ahead.
    pub ahead: SignedDuration,
    /// Whether that is so far that nothing may go at all.
    pub in_doubt: bool,
}

impl Vault {
    /// Reads all of it.
    pub fn of(stage: &Stage) -> Self {
        let points = stage.recordable().into_iter().filter_map(|id| {
            let seen = Seen::of(stage, &id)?;
            Some((id, seen))
        });
        Self { at: stage.world.now(), points: points.collect() }
    }

    /// The complete ones of the same policy and family, in the order of their ids.
    fn complete_like(&self, of: &Seen) -> BTreeMap<ImageId, Point> {
        let like = self.points.iter().filter(|(_, seen)| {
            seen.complete && seen.policy == of.policy && seen.family == of.family
        });
        like.map(|(id, seen)| (id.clone(), seen.point)).collect()
    }

    /// The newest complete ones of families with several, if they have an AMI.
    pub fn newest_with_image(&self) -> Vec<ImageId> {
        let newest = self.points.iter().filter(|(id, seen)| {
            let all = self.complete_like(seen);
            let last = all.iter().max_by_key(|(id, point)| (point.created, *id));
            seen.image && all.len() > 1 && last.is_some_and(|(last, _)| last == *id)
        });
        newest.map(|(id, _)| id.clone()).collect()
    }

    /// Those whose AMI is there, with the snapshots that their records name.
    pub fn with_image(&self) -> Vec<(ImageId, BTreeSet<SnapshotId>)> {
        let whole = self.points.iter().filter(|(_, seen)| seen.complete && seen.image);
        whole.map(|(id, seen)| (id.clone(), seen.snapshots.clone())).collect()
    }

    /// Whatever went from here until `after` may go.
    pub fn lost_no_more_than_may_go(&self, stage: &Stage, after: &Self, run: Run) -> Vec<Wrong> {
        let mut wrongs = Vec::new();
        for (id, was) in &self.points {
            let Some(is) = after.points.get(id) else {
                wrongs.push(format!("{id}: its record is gone"));
                continue;
            };
            let whole = is.pruned && !was.pruned || was.object && !is.object;
            let ami = is.retired && !was.retired || was.image && !is.image;
            if !whole && !ami {
                continue;
            }
            if run.in_doubt {
                wrongs.push(format!("{id}: goes though the clock of the prune is in doubt"));
            }
            if !was.complete && !was.pruned && !was.retired {
                wrongs.push(format!("{id}: goes and is not complete"));
            }
            // By the latest time of the run's clock, among all that was complete at any time of it: what
            // the rules keep then, they keep at any moment before.
            let now = after.at + run.ahead.max(SignedDuration::ZERO);
            let mut among = self.complete_like(was);
            among.extend(after.complete_like(was));
            among.insert(id.clone(), was.point);
            let why = self.kept(stage, id, (&among, whole), now).or(was.held(whole, now));
            if let Some(why) = why {
                wrongs
                    .push(format!("{id}: goes{}, and {why}", if whole { "" } else { " in part" }));
            }
        }
        for seen in self.points.values() {
            let had = self.complete_like(seen).len();
            let has = after.complete_like(seen).len();
            let keep = policy(stage, seen).and_then(|policy| policy.keep);
            let least = keep.map_or(had, |keep| keep.least());
            if has < had.min(least) && !run.in_doubt {
                let family = &seen.family;
                wrongs.push(format!("{family}: {has} of {had} are left, of at least {least}"));
            }
        }
        wrongs.into_iter().map(wrong).collect()
    }

    /// Why the rules keep one among others, if they do: all of it, or its AMI.
    fn kept(
        &self,
        stage: &Stage,
        id: &ImageId,
        (among, whole): (&BTreeMap<ImageId, Point>, bool),
        now: Timestamp,
    ) -> Option<&'static str> {
        let Some(policy) = policy(stage, &self.points[id]) else {
            return Some("its policy is gone");
        };
        let floor = stage.config.prune.floor.signed();
        let keeps = |keep, among: &BTreeMap<ImageId, Point>| {
            let points: Vec<Point> = among.values().copied().collect();
            let at = among.keys().position(|other| other == id).unwrap();
            oracle::keeps(keep, floor, &points, at, now)
        };
        let by_rule = policy.keep.as_ref().is_none_or(|keep| keeps(keep, among));
        if whole || !by_rule {
            return by_rule.then_some("the rules keep it");
        }
        let mut images = among.clone();
        images.retain(|other, point| point.has_image || other == id);
        let newest = among.iter().max_by_key(|(id, point)| (point.created, *id));
        let is_newest = newest.is_some_and(|(newest, _)| newest == id);
        let by_rule = policy.keep_ami.as_ref().is_none_or(|keep| keeps(keep, &images));
        (by_rule || is_newest).then_some("the rules keep its AMI")
    }

    /// What nothing kept here is given up after a run to the end.
    pub fn gave_up_all_that_nothing_keeps(
        &self,
        stage: &Stage,
        after: &Self,
        run: Run,
    ) -> Vec<Wrong> {
        let now = self.at + run.ahead.min(SignedDuration::ZERO);
        let mut wrongs = Vec::new();
        for (id, seen) in self.points.iter().filter(|(_, seen)| seen.complete) {
            let among = self.complete_like(seen);
            let stays = |id: &ImageId| self.kept(stage, id, (&among, true), now).is_some();
            let Some(keep) = policy(stage, seen).and_then(|policy| policy.keep) else { continue };
            // Where the minimum keeps more than the rules, one more may stay.
            let kept = among.keys().filter(|id| stays(id)).count();
            let is_free = !stays(id) && kept >= keep.least() && seen.held(true, now).is_none();
            if is_free && !after.points[id].pruned {
                wrongs.push(wrong(format!("{id}: nothing keeps it, and it stays")));
            }
        }
        wrongs
    }
}

impl Seen {
    /// What holds it, if anything does: all of it, or its AMI.
    fn held(&self, whole: bool, now: Timestamp) -> Option<&'static str> {
        if self.in_use {
            return Some("its AMI is in use");
        }
        if whole && self.hold {
            return Some("a legal hold is on its object");
        }
        let is_locked = self.locked_until.is_some_and(|until| until > now);
        (whole && is_locked).then_some("its object is locked")
    }

    fn of(stage: &Stage, id: &ImageId) -> Option<Self> {
        let manifest = Manifest::from_json(truth::manifest(stage, id)?.as_bytes()).ok()?;
        let missing = truth::missing(stage, id);
        let created = manifest.source.created_at;
        let folder = truth::vault_key(stage, id, "");
        let key = truth::vault_key(stage, id, "image.bin");
        let state = stage.world.lock();
        let bucket = state.s3.bucket(VAULT_BUCKET)?;
        let has = |end: &str| {
            bucket.all_versions().any(|(key, versions)| {
                key.starts_with(&folder) && key.ends_with(end) && !versions.is_empty()
            })
        };
        let (pruned, retired) = (has("-pruned.json"), has("-retired.json"));
        let object = bucket.latest(&key).and_then(|version| version.object());
        let site = state.ec2.get(&stage.landscape.vault);
        let restored = manifest.restored.as_ref();
        let image = restored.and_then(|restored| site?.images.get(&restored.image_id));
        let image = image.filter(|image| image.state != ImageState::Deregistered);
        let references = restored.and_then(|restored| site?.references.get(&restored.image_id));
        Some(Self {
            point: Point {
                created,
                data_from: created,
                completed: manifest.completed_at,
                verified: false,
                has_image: manifest.tier == Tier::Ready && restored.is_some() && !retired,
            },
            complete: match (pruned, retired) {
                (true, _) => false,
                (false, true) => object.is_some(),
                (false, false) => missing.is_empty(),
            },
            pruned,
            retired,
            object: object.is_some(),
            image: image.is_some(),
            locked_until: object.and_then(|object| Some(object.retention?.until)),
            hold: object.is_some_and(|object| object.attributes.legal_hold),
            in_use: image.is_some() && references.is_some_and(|all| !all.is_empty()),
            snapshots: restored.iter().flat_map(|one| one.snapshots.iter().cloned()).collect(),
            policy: manifest.policy,
            family: manifest.family,
        })
    }
}

fn policy<'a>(stage: &'a Stage, seen: &Seen) -> Option<&'a Policy> {
    stage.config.policies.named(&seen.policy)
}

fn wrong(what: String) -> Wrong {
    Wrong { invariant: "I-8", what }
}

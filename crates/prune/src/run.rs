//! Takes what goes away, one recovery point after the other: observe, decide, act.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::manifest::Record;
use amiferry_core::model::ObjectVersion;
use amiferry_core::names::RecoveryPointId;
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::Removal;
use amiferry_core::retention::next::{Obstacle, Step, next, obstacle};
use amiferry_core::retention::{Fate, Fates, Kept};
use amiferry_target_worker::effects;

use crate::Pruner;
use crate::contents::{Contents, Standing};
use crate::remains::Found;
use crate::report::{Outcome, Pruned, Row, What};

/// How many steps one recovery point may take: many more than it needs.
const MOST_STEPS: usize = 200;

/// How often a look follows a step that failed.
const LOOKS_AGAIN: u32 = 2;

/// What a person allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// Whether to delete at all.
    pub apply: bool,
    /// Whether the brake is off.
    pub really: bool,
}

impl Pruner {
    /// Says what goes, and deletes it where that is allowed. Cancellation safe: a later run finds what
    /// is left.
    pub async fn run(
        &self,
        contents: &Contents,
        allowed: Allowed,
        tell: &(dyn Fn(&Row) + Sync),
    ) -> Pruned {
        let mut pruned = Pruned::new(self.vault(), !allowed.apply, self.clock.now());
        pruned.rows = self.kept(contents);
        // Also where nothing goes: by a clock that is wrong, something may have to.
        if !has(Bug::DoubtsIgnored) {
            pruned.refused.extend(contents.doubts.iter().cloned());
        }
        // What holds it is asked first: the brake counts what would really go.
        let mut going = Vec::new();
        for (id, fates) in contents.going() {
            let row = self.end(contents, &id, fates, false).await;
            match row.outcome {
                Outcome::Goes => going.push((id, fates, row)),
                _ => pruned.add(row, tell),
            }
        }
        let (count, of) = (going.len(), contents.counted());
        let brake = self.limits.brake();
        if brake.stops(count, of) && !allowed.really {
            pruned.refused.push(format!(
                "{count} of {of} recovery points would lose something, and one run may take {}: look at \
                 the list, then repeat with --yes-really",
                brake.allows(of)
            ));
        }
        let act = allowed.apply && pruned.refused.is_empty();
        let mut again: BTreeMap<_, Contents> = BTreeMap::new();
        for (id, fates, row) in going {
            if !act {
                pruned.add(row, tell);
                continue;
            }
            let family = contents.family(&id);
            // What is decided here rests on what is there now, not on what was when the run began.
            if let Some(family) = &family
                && !again.contains_key(family)
            {
                again =
                    BTreeMap::from([(family.clone(), self.contents_again(contents, family).await)]);
            }
            let fresh = family.and_then(|family| again.get(&family));
            let fresh = fresh.filter(|_| !has(Bug::NoSecondLook));
            let still = match fresh {
                Some(fresh) => fresh.fates.get(&id).copied(),
                None => Some(fates),
            };
            let row = match still.filter(|still| is_same(*still, fates)) {
                Some(_) => self.end(contents, &id, fates, true).await,
                None => {
                    let why = "it is not the same any more as when the run began; run it again";
                    Row { outcome: Outcome::Held, reason: why.to_owned(), ..row }
                }
            };
            pruned.add(row, tell);
        }
        pruned.rows.sort_by_key(|row| {
            (row.policy.clone(), row.family.clone(), row.created_at, row.source_image_id.clone())
        });
        pruned
    }

    /// The rows of what stays, and of what is not known.
    fn kept(&self, contents: &Contents) -> Vec<Row> {
        let mut rows: Vec<Row> = contents.unknown_rows().collect();
        let standing = contents.known.iter().filter(|(id, known)| {
            known.standing != Standing::Pruned || !contents.finished.contains(*id)
        });
        for (id, known) in standing {
            let manifest = Some(&known.manifest);
            match (&known.standing, contents.fates.get(id)) {
                (Standing::Other(code, detail), _) => {
                    let reason = format!("not complete: {code}: {detail}");
                    let row = Row::of(id, manifest, What::All, Outcome::Kept, reason);
                    rows.push(Row { code: Some(*code), ..row });
                }
                (standing, Some(Fates { point: Fate::Stays(kept), image })) => {
                    if *image == Some(Fate::Goes) {
                        continue;
                    }
                    let mut reason = words(*kept);
                    if *standing == Standing::Pruned {
                        reason = format!(
                            "a record gives it up, and the rules would keep it: {reason}. Nothing of \
                             it is deleted"
                        );
                    }
                    rows.push(Row::of(id, manifest, What::All, Outcome::Kept, reason));
                }
                (_, Some(Fates { point: Fate::Goes, .. }) | None) => {}
            }
        }
        rows
    }

    /// Ends one recovery point, or its AMI, as far as nothing holds it.
    async fn end(&self, contents: &Contents, id: &RecoveryPointId, fates: Fates, act: bool) -> Row {
        let whole = fates.point == Fate::Goes;
        let versions = contents.held.points.get(id).map_or(0, |written| written.manifests);
        let manifest = contents.known.get(id).map(|known| &known.manifest);
        let row = |outcome, reason: String| Row::of(id, manifest, what(fates), outcome, reason);
        let mut ended = Ended::default();
        for _ in 0..MOST_STEPS {
            let found = match self.found(id, versions, whole, &ended.images).await {
                Ok(found) => found,
                Err(fault) if ended.begun => return row(Outcome::Failed, fault.to_string()),
                // What uses it is not known.
                Err(fault) => return row(Outcome::Held, format!("not known: {fault}")),
            };
            let now = self.clock.now();
            if let Some(obstacle) = obstacle(id, &found.remains, self.limits.floor, now) {
                return row(Outcome::Held, in_the_way(&obstacle));
            }
            let step = next(&found.remains, &ended.retiring);
            let size = |row: Row| Row { bytes: found.bytes.max(row.bytes), ..row };
            match &step {
                Step::Done if !ended.begun && found.remains.recorded => {
                    return row(Outcome::Gone, "it was gone before".to_owned());
                }
                Step::Done => {
                    let mut reason = "no rule keeps it".to_owned();
                    if !found.used.is_empty() {
                        let used: Vec<_> = found.used.iter().map(ToString::to_string).collect();
                        reason = format!(
                            "no rule keeps it; other images use {}, which stay",
                            used.join(", ")
                        );
                    }
                    return size(row(Outcome::Gone, reason));
                }
                Step::Retiring(image) => {
                    let reason = format!("{image} is in its cooldown; a later run ends it");
                    return size(row(Outcome::Retiring, reason));
                }
                _ if !act => return size(row(Outcome::Goes, "no rule keeps it".to_owned())),
                _ => {}
            }
            ended.begun = true;
            match self.take(id, step, &found, &mut ended).await {
                Ok(()) => {}
                // The next look finds out what came of it. Where an answer was lost, the SDK has asked
                // again for something that is gone, which a policy by tags refuses.
                Err(_) if ended.faults < LOOKS_AGAIN => ended.faults += 1,
                Err(fault) => return row(Outcome::Failed, fault.to_string()),
            }
        }
        row(Outcome::Failed, "it took too many steps; run it again".to_owned())
    }

    async fn take(
        &self,
        id: &RecoveryPointId,
        step: Step,
        found: &Found,
        ended: &mut Ended,
    ) -> Result<(), Fault> {
        let vault = &self.observer.vault;
        match step {
            Step::Record => {
                let keys = self.observer.keys_of(id)?;
                let now = self.clock.now();
                let record = Record::giving_up(
                    &found.manifest,
                    found.newest,
                    found.remains.whole,
                    &found.given_up,
                    now,
                );
                // Where one is there already, another run wrote it: the next look reads it.
                effects::record_again(vault, &self.lock, &record, &keys, now).await?;
            }
            Step::Unprotect(image) => self.removal.unprotect(&image).await?,
            Step::Deregister(image) => match self.removal.deregister(&image).await? {
                Removal::Gone => {
                    ended.images.insert(image);
                }
                Removal::NotNow(_) => {
                    ended.retiring.insert(image);
                }
            },
            Step::DeleteSnapshot(snapshot) => {
                // Its image may still be listed: asked again, EC2 says that it is in use.
                let is_first = ended.snapshots.insert(snapshot.clone());
                if let Removal::NotNow(words) = self.removal.delete_snapshot(&snapshot).await?
                    && !is_first
                {
                    return Err(in_use(&snapshot, words));
                }
            }
            Step::DeleteObject(version) => {
                let version = match has(Bug::OtherVersionDeleted) {
                    true => ObjectVersion { version: None, ..version },
                    false => version,
                };
                self.versions.delete(&vault.account, &version).await?;
            }
            Step::Retiring(_) | Step::Done => {}
        }
        Ok(())
    }
}

/// What one run has done to one recovery point.
#[derive(Debug, Default)]
struct Ended {
    /// Whether any step was taken.
    begun: bool,
    /// How many steps failed.
    faults: u32,
    /// Images that EC2 let go.
    images: BTreeSet<ImageId>,
    /// Images that EC2 keeps for their cooldown.
    retiring: BTreeSet<ImageId>,
    /// Snapshots that EC2 was asked to delete.
    snapshots: BTreeSet<SnapshotId>,
}

fn in_use(snapshot: &SnapshotId, words: String) -> Fault {
    Fault {
        class: FaultClass::Conflict,
        operation: "ec2:DeleteSnapshot",
        resource: snapshot.to_string(),
        code: "InvalidSnapshot.InUse".to_owned(),
        detail: words,
        request_id: None,
    }
}

fn what(fates: Fates) -> What {
    if fates.point == Fate::Goes { What::All } else { What::Ami }
}

/// Whether as much goes as before.
fn is_same(now: Fates, before: Fates) -> bool {
    now.goes() && what(now) == what(before)
}

/// Why something stays, for people.
fn words(kept: Kept) -> String {
    match kept {
        Kept::Newest => "the newest complete recovery point of its family".to_owned(),
        Kept::NewestVerified => "the newest verified recovery point of its family".to_owned(),
        Kept::Rule(rule) => format!("rule {}", rule.as_str()),
        Kept::Young => "younger than the floor".to_owned(),
        Kept::InFuture => "its image is said to be created in the future".to_owned(),
        Kept::Minimum => "the family would fall below its minimum".to_owned(),
        Kept::NoRule => "its policy has no rule".to_owned(),
    }
}

/// What stands in the way, for people.
fn in_the_way(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Locked(until) => format!("locked until {until:.0}"),
        Obstacle::Held => "a legal hold is on the object".to_owned(),
        Obstacle::InUse(image, by) => format!("{image} is in use by {}", few(by)),
        Obstacle::SharedWith(image, with) => {
            format!("{image} is shared with {}, who may use it", few(with))
        }
        Obstacle::NotOurs(image) => {
            format!("{image} is not tagged as the restore of this recovery point")
        }
        Obstacle::Young(image) => format!("{image} is younger than the floor"),
        Obstacle::Unready(image) => format!("{image} is still being made"),
    }
}

/// The first few of these.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

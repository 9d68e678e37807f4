//! Ranks all that waits: sources take turns, and within a source priority decides, then the image
//! whose completion helps a promise most, then the older ones, newest first.
//!
//! What fails goes behind what is healthy.
//!
//! The image that helps is the newest of its family, if it is newer than the newest complete or
//! begun one. Among those the one goes first that is soonest *late whatever is done*: at the time
//! when its family breaks its RPO or, where a task would end later than that, when the task would
//! end. So families that can still keep their RPO go in the order in which they break it, and of
//! the others the smallest goes first, which keeps the sum of family-hours over RPO low. Lateness
//! counts a little against size, which bounds how long a large image waits for small ones. It counts
//! no more than that, because a large image fills the quota for hours: if it counted at 1/16 instead
//! of 1/128, families would be over their RPO three to nine times as long after an outage
//! (`benches/plan`). In the literature this is the *modified due date* rule for total tardiness
//! (Baker and Bertrand, 1982).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::policy::Backfill;
use crate::span::Span;

/// How long a task of one GB takes more than an empty one: 100 MB/s, what EC2 is seen to do. Only
/// the proportion to other times matters.
pub(super) const SECONDS_PER_GB: i64 = 10;

/// How long the smallest task takes.
pub(super) const SECONDS_PER_TASK: i64 = 60;

/// For each so many seconds that a family is over its RPO, the task of its newest image counts as
/// one second shorter.
pub(super) const AGEING: i64 = 128;

/// What a policy promises about a family of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Whose family it is: a position in the weights.
    pub source: usize,
    /// Higher goes first within a source.
    pub priority: i32,
    /// The age that the newest complete recovery point may reach.
    pub rpo: Span,
    /// How many older images are wanted, too.
    pub backfill: Backfill,
}

/// One image of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a, K> {
    /// Which it is.
    pub key: &'a K,
    /// Its family: a position in the promises.
    pub family: usize,
    /// When the image was created.
    pub created: Timestamp,
    /// Its volumes in GB.
    pub size_gb: u64,
    /// How far it is.
    pub standing: Standing,
}

/// How far an image is, as far as the plan cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its recovery point is complete.
    Complete,
    /// The step that is planned was taken, or is being taken.
    Begun,
    /// It waits for the step.
    Waits {
        /// How often the step failed in a row.
        failures: u32,
    },
    /// It counts as an image of its family and does not wait for this step.
    Elsewhere,
}

/// An image that waits, in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned<'a, K> {
    /// Which it is.
    pub key: &'a K,
    /// Its volumes in GB.
    pub size_gb: u64,
    /// Why it has this place.
    pub why: Why,
}

/// Why an image has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is the newest of its family, which breaks its RPO at this time, or broke it then.
    Breaks(Timestamp),
    /// A newer image of its family goes before it or is on its way.
    Older,
    /// The step failed before, so many times in a row.
    Failing(u32),
    /// The policy does not ask for so many older images.
    Superseded,
}

impl Why {
    /// For people.
    pub fn shown(self, now: Timestamp) -> String {
        let hours = |duration: SignedDuration| {
            format!("{} h {} min", duration.as_hours(), duration.as_mins() % 60)
        };
        match self {
            Self::Breaks(at) if at >= now => {
                format!("its family breaks its RPO in {}", hours(at.duration_since(now)))
            }
            Self::Breaks(at) => {
                format!("its family is {} over its RPO", hours(now.duration_since(at)))
            }
            Self::Older => "a newer image of its family goes first".to_owned(),
            Self::Failing(1) => "it failed once, so healthy images go first".to_owned(),
            Self::Failing(times) => {
                format!("it failed {times} times in a row, so healthy images go first")
            }
            Self::Superseded => "the policy's backfill asks for fewer older images".to_owned(),
        }
    }
}

/// Which sources had their turns: each turn moves its source back by its share, so that what is
/// scarce is shared over time and not only within one plan. Losing it forgets who was served last.
#[derive(Debug, Clone, Default)]
pub struct Turns(BTreeMap<usize, u64>);

/// A turn of a source of weight 1.
const TURN: u64 = 1 << 20;

impl Turns {
    /// An image of a source of this weight had its turn.
    pub fn taken(&mut self, source: usize, weight: u32) {
        let pass = self.0.entry(source).or_default();
        *pass = pass.saturating_add(share(weight));
    }

    /// The sources that wait, relative to the one that was served least. One that comes back after
    /// a long time starts level with the others: turns are not saved up.
    fn level(&mut self, waiting: &BTreeSet<usize>) -> BTreeMap<usize, u64> {
        self.0.retain(|source, _| waiting.contains(source));
        let least = self.0.values().copied().min().unwrap_or_default();
        for source in waiting {
            self.0.entry(*source).or_insert(least);
        }
        self.0.values_mut().for_each(|pass| *pass -= least);
        self.0.clone()
    }
}

fn share(weight: u32) -> u64 {
    TURN / u64::from(weight.max(1))
}

/// What the images of a family come to.
#[derive(Debug, Clone, Copy, Default)]
struct Family {
    oldest: Option<Timestamp>,
    newest_complete: Option<Timestamp>,
    /// The newest that is complete or begun.
    newest_taken: Option<Timestamp>,
    /// The position of the newest that waits and has not failed; of several made at once, of the one
    /// whose key is the greatest.
    newest_waiting: Option<usize>,
    images: u32,
}

impl Family {
    /// When it breaks its RPO, or broke it. It has an image.
    fn breaks(&self, promise: &Promise) -> Timestamp {
        let measured_from = self.newest_complete.or(self.oldest).unwrap_or_default();
        promise.rpo.after(measured_from)
    }
}

/// All members that wait, in the order of their turns; those that the policy does not ask for
/// come last. `weights` are those of the sources; one that has none counts as 1.
pub fn plan<'a, K: Ord>(
    members: &[Member<'a, K>],
    promises: &[Promise],
    weights: &[u32],
    turns: &mut Turns,
    now: Timestamp,
) -> Vec<Planned<'a, K>> {
    let families = families(members, promises.len());
    let superseded = superseded(members, promises, &families);
    let rank = |(index, member): (usize, &Member<'_, K>)| {
        let Standing::Waits { failures } = member.standing else { return None };
        let (promise, family) = (promises.get(member.family)?, families.get(member.family)?);
        let mut rank = rank(member, failures, promise, family, index, now);
        if superseded.get(index).copied().unwrap_or_default() {
            rank.class = Class::Superseded;
        }
        Some((rank, index))
    };
    let mut line: Vec<(Rank, usize)> = members.iter().enumerate().filter_map(rank).collect();
    line.sort_unstable_by(|(a, first), (b, second)| {
        a.cmp(b).then_with(|| members[*first].key.cmp(members[*second].key))
    });
    take_turns(&mut line, weights, turns);
    line.into_iter()
        .map(|(rank, index)| {
            let Member { key, size_gb, family, .. } = members[index];
            let why = match rank.class {
                Class::Superseded => Why::Superseded,
                Class::Failing => Why::Failing(u32::try_from(rank.due).unwrap_or(u32::MAX)),
                Class::Healthy if rank.is_older => Why::Older,
                Class::Healthy => Why::Breaks(families[family].breaks(&promises[family])),
            };
            Planned { key, size_gb, why }
        })
        .collect()
}

fn families<K: Ord>(members: &[Member<'_, K>], count: usize) -> Vec<Family> {
    let mut families = vec![Family::default(); count];
    for (index, member) in members.iter().enumerate() {
        let Some(family) = families.get_mut(member.family) else { continue };
        let created = member.created;
        family.images += 1;
        family.oldest = Some(family.oldest.map_or(created, |oldest| oldest.min(created)));
        match member.standing {
            Standing::Complete => {
                family.newest_complete = family.newest_complete.max(Some(created));
                family.newest_taken = family.newest_taken.max(Some(created));
            }
            Standing::Begun => family.newest_taken = family.newest_taken.max(Some(created)),
            Standing::Waits { failures: 0 } => {
                let is_newer = |other: usize| is_newer(member, &members[other]);
                if family.newest_waiting.is_none_or(is_newer) {
                    family.newest_waiting = Some(index);
                }
            }
            Standing::Waits { .. } | Standing::Elsewhere => {}
        }
    }
    families
}

/// Whether one image of a family is newer than another. Of two made at once it is the one with the
/// greater key, so that the order in which they are listed decides nothing.
fn is_newer<K: Ord>(one: &Member<'_, K>, other: &Member<'_, K>) -> bool {
    (one.created, one.key) > (other.created, other.key)
}

/// Which members are more older images of their family than its policy asks for, by position:
/// newer images count, whatever their standing. Empty where there is none.
fn superseded<K: Ord>(
    members: &[Member<'_, K>],
    promises: &[Promise],
    families: &[Family],
) -> Vec<bool> {
    let wanted = |family: usize| match promises.get(family)?.backfill {
        Backfill::Newest(older) => Some(older).filter(|older| families[family].images - 1 > *older),
        Backfill::All => None,
    };
    let mut newest_first: Vec<(usize, Reverse<Timestamp>, usize)> = members
        .iter()
        .enumerate()
        .filter(|(_, member)| wanted(member.family).is_some())
        .map(|(index, member)| (member.family, Reverse(member.created), index))
        .collect();
    if newest_first.is_empty() {
        return Vec::new();
    }
    newest_first.sort_unstable_by(|a, b| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| members[b.2].key.cmp(members[a.2].key))
    });
    let mut superseded = vec![false; members.len()];
    for family in newest_first.chunk_by(|a, b| a.0 == b.0) {
        let older = family.first().and_then(|(family, ..)| wanted(*family)).unwrap_or_default();
        let newest = usize::try_from(older).map_or(usize::MAX, |older| older.saturating_add(1));
        for (_, _, index) in family.iter().skip(newest) {
            superseded[*index] = true;
        }
    }
    superseded
}

/// The lesser goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Healthy,
    Failing,
    Superseded,
}

/// The place within a source, before sources take turns; the lesser goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    class: Class,
    /// Set once sources have taken turns.
    turn: u64,
    source: usize,
    priority: Reverse<i32>,
    /// Whether it moves its family's newest complete recovery point forward: first those that do.
    is_older: bool,
    /// By time for those that do, by failures for those that failed, the same for the others.
    due: i64,
    created: Reverse<Timestamp>,
}

fn rank<K>(
    member: &Member<'_, K>,
    failures: u32,
    promise: &Promise,
    family: &Family,
    index: usize,
    now: Timestamp,
) -> Rank {
    let is_newest = family.newest_waiting == Some(index);
    let helps = is_newest && family.newest_taken.is_none_or(|taken| member.created > taken);
    let (class, is_older, due) = match failures {
        0 if helps => (Class::Healthy, false, due(member.size_gb, family.breaks(promise), now)),
        0 => (Class::Healthy, true, 0),
        _ => (Class::Failing, false, i64::from(failures)),
    };
    Rank {
        class,
        turn: 0,
        source: promise.source,
        priority: Reverse(promise.priority),
        is_older,
        due,
        created: Reverse(member.created),
    }
}

/// When a family is late whatever is done, in seconds from now: see the module's doc.
fn due(size_gb: u64, breaks: Timestamp, now: Timestamp) -> i64 {
    let size = i64::try_from(size_gb).unwrap_or(i64::MAX);
    let task = size.saturating_mul(SECONDS_PER_GB).saturating_add(SECONDS_PER_TASK);
    let left = breaks.duration_since(now).as_secs();
    let late = left.saturating_neg().max(0);
    left.max(task.saturating_sub(late / AGEING))
}

/// Lets sources take turns: each of the images of a source, in their order, comes one turn later.
fn take_turns(line: &mut [(Rank, usize)], weights: &[u32], turns: &mut Turns) {
    let by_source =
        |(a, _): &(Rank, usize), (b, _): &(Rank, usize)| (a.class, a.source) == (b.class, b.source);
    let waiting = line.chunk_by(by_source).filter_map(|of| Some(of.first()?.0.source)).collect();
    let served = turns.level(&waiting);
    for of_source in line.chunk_by_mut(by_source) {
        let Some((Rank { source, .. }, _)) = of_source.first() else { continue };
        let share = share(weights.get(*source).copied().unwrap_or(1));
        let mut turn = served.get(source).copied().unwrap_or_default();
        for (rank, _) in of_source {
            turn = turn.saturating_add(share);
            rank.turn = turn;
        }
    }
    // Stable, so that what is equal stays in the order that the image's id gave it; and fast where
    // much is in order, as each source is.
    line.sort_by_key(|(rank, _)| (rank.class, rank.turn, rank.priority, rank.is_older, rank.due));
}

//! Ranks all that waits: sources take turns, and within a source priority decides, then the image
//! whose completion helps a promise most, then the older ones, newest first.
//!
//! What fails goes behind what is healthy.
//!
//! The image that helps is the newest of its family, if it is newer than the newest complete or
//! begun one. Among those the one goes first that is soonest *late whatever is done*: at the time
//! when its family breaks its RPO or, where a task would end later than that, when the task would
//! end. So families that still can keep their RPO go in the order in which they break it, and of
//! the others the smallest goes first, which keeps the sum of family-hours over RPO low; lateness
//! counts a little against size, so that none waits for ever. A large image that overtakes small
//! ones fills the quota for hours, so lateness counts no more than it must: at 1/16 of it instead of
//! 1/128 the families are over RPO three to nine times as long after an outage (`benches/plan`). In
//! the literature this is the *modified due date* rule for total tardiness (Baker and Bertrand, 1982).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::policy::Backfill;
use crate::span::Span;

/// How long a task of one GB takes more than an empty one: 100 MB/s, what EC2 is seen to do. Only
/// the proportion to other times matters.
pub(super) const SECONDS_PER_GB: i64 = 10;

/// How long the smallest task takes.
pub(super) const SECONDS_PER_TASK: i64 = 60;

/// An image over its RPO overtakes another that is so many times its lateness shorter.
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
    fn level(&mut self, waiting: &BTreeMap<usize, u64>) -> BTreeMap<usize, u64> {
        self.0.retain(|source, _| waiting.contains_key(source));
        let least = self.0.values().copied().min().unwrap_or_default();
        for source in waiting.keys() {
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
    let mut line: Vec<(Rank, usize, Why)> = Vec::new();
    let mut waiting = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        let Standing::Waits { failures } = member.standing else { continue };
        let (Some(promise), Some(family)) =
            (promises.get(member.family), families.get(member.family))
        else {
            continue;
        };
        *waiting.entry(promise.source).or_insert(0) += 1;
        let (rank, why) = rank(member, failures, promise, family, index, now);
        line.push((rank, index, why));
    }
    let by_image = |a: &(Rank, usize, Why), b: &(Rank, usize, Why)| {
        a.0.cmp(&b.0).then_with(|| members[a.1].key.cmp(members[b.1].key))
    };
    line.sort_unstable_by(by_image);
    supersede(&mut line, members, promises);
    take_turns(&mut line, weights, &turns.level(&waiting));
    line.into_iter()
        .map(|(_, index, why)| {
            let Member { key, size_gb, .. } = members[index];
            Planned { key, size_gb, why }
        })
        .collect()
}

fn families<K: Ord>(members: &[Member<'_, K>], count: usize) -> Vec<Family> {
    let mut families = vec![Family::default(); count];
    for (index, member) in members.iter().enumerate() {
        let Some(family) = families.get_mut(member.family) else { continue };
        let created = member.created;
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

/// The place within a source, before sources take turns; the lesser goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// 0 for what is healthy, 1 for what failed, 2 for what is not asked for.
    class: u8,
    /// Set once sources have taken turns.
    turn: u64,
    source: usize,
    priority: Reverse<i32>,
    /// Whether it moves its family's newest complete recovery point forward: first those that do.
    is_older: bool,
    /// By time for those that do, newest first for the others.
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
) -> (Rank, Why) {
    let is_newest = family.newest_waiting == Some(index);
    let helps = is_newest && family.newest_taken.is_none_or(|taken| member.created > taken);
    let measured_from = family.newest_complete.or(family.oldest).unwrap_or(member.created);
    let breaks = promise.rpo.after(measured_from);
    let (class, is_older, due, why) = match failures {
        0 if helps => (0, false, due(member.size_gb, breaks, now), Why::Breaks(breaks)),
        0 => (0, true, 0, Why::Older),
        _ => (1, false, i64::from(failures), Why::Failing(failures)),
    };
    let rank = Rank {
        class,
        turn: 0,
        source: promise.source,
        priority: Reverse(promise.priority),
        is_older,
        due,
        created: Reverse(member.created),
    };
    (rank, why)
}

/// When a family is late whatever is done, in seconds from now: see the module's doc.
fn due(size_gb: u64, breaks: Timestamp, now: Timestamp) -> i64 {
    let size = i64::try_from(size_gb).unwrap_or(i64::MAX);
    let task = size.saturating_mul(SECONDS_PER_GB).saturating_add(SECONDS_PER_TASK);
    let left = breaks.duration_since(now).as_secs();
    let late = left.saturating_neg().max(0);
    left.max(task.saturating_sub(late / AGEING))
}

/// Puts those last that are more older images of their family than its policy asks for.
fn supersede<K: Ord>(
    line: &mut [(Rank, usize, Why)],
    members: &[Member<'_, K>],
    promises: &[Promise],
) {
    if promises.iter().all(|promise| promise.backfill == Backfill::All) {
        return;
    }
    // How many newer images of the family there are, whatever their standing.
    let mut newest_first: Vec<usize> = (0..members.len()).collect();
    newest_first.sort_unstable_by_key(|&index| {
        let Member { family, created, key, .. } = members[index];
        (family, Reverse((created, key)))
    });
    let mut newer = vec![0_usize; members.len()];
    for pair in newest_first.windows(2) {
        let &[before, this] = pair else { continue };
        if members[before].family == members[this].family {
            newer[this] = newer[before] + 1;
        }
    }
    for (rank, index, why) in line.iter_mut() {
        let backfill = promises.get(members[*index].family).map(|promise| promise.backfill);
        if let Some(Backfill::Newest(older)) = backfill
            && newer[*index] > usize::try_from(older).unwrap_or(usize::MAX)
        {
            rank.class = 2;
            *why = Why::Superseded;
        }
    }
    line.sort_by_key(|(rank, ..)| *rank);
}

/// Lets sources take turns: each of the images of a source, in their order, comes one turn later.
fn take_turns(line: &mut [(Rank, usize, Why)], weights: &[u32], served: &BTreeMap<usize, u64>) {
    let mut passes: BTreeMap<(u8, usize), u64> = BTreeMap::new();
    for (rank, ..) in line.iter_mut() {
        let source = rank.source;
        let start = served.get(&source).copied().unwrap_or_default();
        let pass = passes.entry((rank.class, source)).or_insert(start);
        *pass = pass.saturating_add(share(weights.get(source).copied().unwrap_or(1)));
        rank.turn = *pass;
    }
    // Stable, so that what is equal stays in the order that the image's id gave it.
    line.sort_by_key(|(rank, ..)| (rank.class, rank.turn, rank.priority, rank.is_older, rank.due));
}

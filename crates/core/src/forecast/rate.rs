//! How long tasks take, and how that is learned from those that ended.

use jiff::{SignedDuration, Timestamp};

/// How long tasks of one kind take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What any task takes.
    pub start_up: SignedDuration,
    /// What each gigabyte of volumes adds.
    pub per_gb: SignedDuration,
}

impl Default for Rate {
    /// 100 MB/s after a minute: what EC2 is seen to do. AWS documents no rate.
    fn default() -> Self {
        Self { start_up: SignedDuration::from_secs(60), per_gb: SignedDuration::from_secs(10) }
    }
}

impl Rate {
    /// How long a task of so many gigabytes takes.
    pub fn time_for(self, size_gb: u64) -> SignedDuration {
        let size = i32::try_from(size_gb).unwrap_or(i32::MAX);
        self.start_up.saturating_add(self.per_gb.saturating_mul(size))
    }

    /// The same rate for tasks that take so many thousandths of its time.
    #[must_use]
    pub fn scaled(self, permille: i64) -> Self {
        let scale = |duration: SignedDuration| {
            let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            SignedDuration::from_millis(millis.saturating_mul(permille) / 1_000)
        };
        Self { start_up: scale(self.start_up), per_gb: scale(self.per_gb) }
    }
}

/// How long each step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    pub store: Rate,
    pub copy: Rate,
    pub restore: Rate,
    /// From the end of one step until the worker takes the next one.
    pub between: SignedDuration,
    /// How many tasks of this vault the rates of stores and restores were learned from.
    pub learned_from: usize,
}

impl Default for Rates {
    /// EC2's usual rate for stores and restores, and 1 GB/s for copies of what a store leaves of the
    /// volumes.
    fn default() -> Self {
        let copy = Rate {
            start_up: SignedDuration::from_secs(2),
            per_gb: SignedDuration::from_millis(500),
        };
        Self {
            store: Rate::default(),
            copy,
            restore: Rate::default(),
            between: SignedDuration::from_secs(2),
            learned_from: 0,
        }
    }
}

/// A recovery point that became complete, as far as times were observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// Its volumes in GB.
    pub size_gb: u64,
    /// When its store began, or else when the source image was created.
    pub stored_from: Timestamp,
    /// Whether it may have waited between that time and its store.
    pub waited: bool,
    /// When its object in the vault was written.
    pub written: Timestamp,
    /// When its restore began, and when its record was written.
    pub restored: Option<(Timestamp, Timestamp)>,
}

/// So many of the newest recovery points count: rates change over the weeks.
const NEWEST: usize = 40;

/// So few examples show no rate.
const FEWEST: usize = 3;

/// No task is believed to be this much faster or slower than usual, in thousandths of the usual time.
const POSSIBLE: std::ops::RangeInclusive<i64> = 50..=20_000;

/// A store that took this many times as long as the quickest ones has waited.
const WAITED: i64 = 2;

/// Where even the quickest stores took so many thousandths of the usual time, all may have waited.
const ALL_WAITED: i64 = 6_000;

/// A task that ended: its size in GB, what it took, and that in thousandths of the usual time.
#[derive(Debug, Clone, Copy)]
struct Ended {
    size_gb: u64,
    took: SignedDuration,
    permille: i64,
    /// Whether a wait may be in it.
    waited: bool,
}

impl Rates {
    /// The rates that these recovery points show.
    ///
    /// A restore is seen from its beginning to the record, and a store together with its copy. Of stores
    /// whose beginning is not known, those count that took about as long as the quickest ones, and only if
    /// too few others are. Where too little is seen of stores, they are taken to be as much slower or faster than usual as restores are.
    #[must_use]
    pub fn learned(examples: impl IntoIterator<Item = Example>) -> Self {
        let mut examples: Vec<Example> = examples.into_iter().collect();
        examples.sort_unstable_by_key(|example| std::cmp::Reverse(example.written));
        let usual = Self::default();
        let restores = ended(&examples, usual.restore, |example| {
            let (began, recorded) = example.restored?;
            Some(recorded.duration_since(began).saturating_sub(usual.between))
        });
        let mut stores = ended(&examples, usual.store, |example| {
            let copy = usual.copy.time_for(example.size_gb).saturating_add(usual.between);
            Some(example.written.duration_since(example.stored_from).saturating_sub(copy))
        });
        if stores.iter().filter(|store| !store.waited).count() >= FEWEST {
            stores.retain(|store| !store.waited);
        }
        let mut ratios: Vec<i64> = stores.iter().map(|store| store.permille).collect();
        ratios.sort_unstable();
        let quickest = ratios.get(ratios.len() / 10).copied().unwrap_or_default();
        stores.retain(|store| {
            !store.waited
                || (quickest < ALL_WAITED && store.permille <= quickest.saturating_mul(WAITED))
        });
        let restore = fitted(&restores, usual.restore);
        let as_restores = || (restores.len() >= FEWEST).then(|| median_ratio(&restores)).flatten();
        let store = fitted(&stores, usual.store)
            .or_else(|| as_restores().map(|permille| usual.store.scaled(permille)));
        let counts = [(&restore, restores.len()), (&store, stores.len())];
        let counted = counts.into_iter().filter(|(rate, _)| rate.is_some());
        Self {
            store: store.unwrap_or(usual.store),
            restore: restore.unwrap_or(usual.restore),
            learned_from: counted.map(|(_, count)| count).max().unwrap_or_default(),
            ..usual
        }
    }
}

/// The newest tasks that ended after a possible time.
fn ended(
    examples: &[Example],
    usual: Rate,
    took: impl Fn(&Example) -> Option<SignedDuration>,
) -> Vec<Ended> {
    let ended = examples.iter().filter_map(|example| {
        let took = took(example)?;
        let permille = permille(took, usual.time_for(example.size_gb))?;
        Some(Ended { size_gb: example.size_gb, took, permille, waited: example.waited })
    });
    ended.take(NEWEST).collect()
}

/// The rate of these tasks: the median slope between two of them, and the median of what is left (the
/// estimator of Theil and Sen, which a few outliers do not move). Where sizes show no slope, the usual rate
/// as much slower or faster as the median of them.
fn fitted(tasks: &[Ended], usual: Rate) -> Option<Rate> {
    if tasks.len() < FEWEST {
        return None;
    }
    let millis = |task: &Ended| i64::try_from(task.took.as_millis()).unwrap_or(i64::MAX);
    let size = |task: &Ended| i64::try_from(task.size_gb).unwrap_or(i64::MAX);
    let mut slopes = Vec::new();
    for (index, one) in tasks.iter().enumerate() {
        for other in tasks.iter().skip(index + 1).filter(|other| other.size_gb != one.size_gb) {
            let apart = size(other).saturating_sub(size(one));
            slopes.push(millis(other).saturating_sub(millis(one)) / apart);
        }
    }
    let slope = median(&mut slopes).filter(|slope| *slope > 0);
    let Some(slope) = slope else { return Some(usual.scaled(median_ratio(tasks)?)) };
    let left = |task: &Ended| millis(task).saturating_sub(slope.saturating_mul(size(task)));
    let start_up = median(&mut tasks.iter().map(left).collect::<Vec<_>>())?.max(0);
    Some(Rate {
        start_up: SignedDuration::from_millis(start_up),
        per_gb: SignedDuration::from_millis(slope),
    })
}

fn median_ratio(tasks: &[Ended]) -> Option<i64> {
    median(&mut tasks.iter().map(|task| task.permille).collect::<Vec<_>>())
}

fn median(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// How much of the usual time it took; `None` where that is impossible.
fn permille(took: SignedDuration, usual: SignedDuration) -> Option<i64> {
    let (took, usual) = (took.as_millis(), usual.as_millis().max(1));
    let permille = i64::try_from(took.saturating_mul(1_000) / usual).ok()?;
    POSSIBLE.contains(&permille).then_some(permille)
}

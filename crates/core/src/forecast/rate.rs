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
    /// When the source image was created.
    pub created: Timestamp,
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

impl Rates {
    /// The usual rates, as much slower or faster as these recovery points show.
    ///
    /// A restore is seen from its beginning to the record, so the median of the newest counts. A store is
    /// seen only together with its wait and its copy, so the quickest of them count, which hardly
    /// waited; stores are not believed to be slower than that, nor otherwise to differ from restores.
    #[must_use]
    pub fn learned(examples: impl IntoIterator<Item = Example>) -> Self {
        let mut examples: Vec<Example> = examples.into_iter().collect();
        examples.sort_unstable_by_key(|example| std::cmp::Reverse(example.written));
        let usual = Self::default();
        let mut restores: Vec<i64> = examples
            .iter()
            .filter_map(|example| {
                let (began, recorded) = example.restored?;
                let took = recorded.duration_since(began).saturating_sub(usual.between);
                permille(took, usual.restore.time_for(example.size_gb))
            })
            .take(NEWEST)
            .collect();
        restores.sort_unstable();
        let mut stores: Vec<i64> = examples
            .iter()
            .filter_map(|example| {
                let copy = usual.copy.time_for(example.size_gb).saturating_add(usual.between);
                let took = example.written.duration_since(example.created).saturating_sub(copy);
                permille(took, usual.store.time_for(example.size_gb))
            })
            .take(NEWEST)
            .collect();
        stores.sort_unstable();
        let enough = |all: &[i64]| all.len() >= FEWEST;
        let restore = restores.get(restores.len() / 2).copied().filter(|_| enough(&restores));
        let quickest = stores.get(stores.len() / 10).copied().filter(|_| enough(&stores));
        let store = match (quickest, restore) {
            (Some(quickest), restore) => Some(quickest.min(restore.unwrap_or(1_000).max(1_000))),
            (None, restore) => restore,
        };
        Self {
            store: usual.store.scaled(store.unwrap_or(1_000)),
            restore: usual.restore.scaled(restore.unwrap_or(1_000)),
            learned_from: [&restores, &stores]
                .into_iter()
                .map(Vec::len)
                .filter(|count| *count >= FEWEST)
                .max()
                .unwrap_or_default(),
            ..usual
        }
    }
}

/// How much of the usual time it took; `None` where that is impossible.
fn permille(took: SignedDuration, usual: SignedDuration) -> Option<i64> {
    let (took, usual) = (took.as_millis(), usual.as_millis().max(1));
    let permille = i64::try_from(took.saturating_mul(1_000) / usual).ok()?;
    POSSIBLE.contains(&permille).then_some(permille)
}

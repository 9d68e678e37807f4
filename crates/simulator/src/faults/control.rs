//! Installing and removing faults, and reading what was met.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Count, EventRule, Faults, Installed, Outage, Rule};
use crate::World;

/// Faults to install together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultPlan {
    entries: Vec<Entry>,
}

/// One thing to install; the names are those of scenario files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A fault of calls.
    Fault(Rule),
    /// A fault of event deliveries.
    EventFault(EventRule),
    /// A service or Region that is down.
    Outage(Outage),
}

impl FaultPlan {
    /// No faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault of calls.
    #[must_use]
    pub fn fault(self, rule: Rule) -> Self {
        self.with(Entry::Fault(rule))
    }

    /// Adds a fault of event deliveries.
    #[must_use]
    pub fn event_fault(self, rule: EventRule) -> Self {
        self.with(Entry::EventFault(rule))
    }

    /// Adds an outage.
    #[must_use]
    pub fn outage(self, outage: Outage) -> Self {
        self.with(Entry::Outage(outage))
    }

    /// Adds any of them.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// What is in it, in order. Running a world again with a part of it shows which faults a
    /// failure needs.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Checks every entry.
    ///
    /// # Errors
    /// The first that cannot be installed, and why.
    pub fn check(&self) -> Result<(), String> {
        self.entries.iter().try_for_each(Entry::check)
    }
}

impl FromIterator<Entry> for FaultPlan {
    fn from_iter<T: IntoIterator<Item = Entry>>(entries: T) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

impl Entry {
    /// Checks that it can do what it says.
    ///
    /// # Errors
    /// What is impossible, and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Fault(rule) => rule.check(),
            Self::EventFault(rule) => rule.check(),
            Self::Outage(outage) => outage.check(),
        }
    }
}

/// The faults of a world, to be changed while it runs.
#[derive(Debug)]
pub struct FaultControl<'w>(pub(crate) &'w World);

impl FaultControl<'_> {
    /// Installs a plan behind what is there; returns the ids of its entries, in order.
    ///
    /// # Errors
    /// The first entry that cannot be installed; then none of them is.
    pub fn install(&self, plan: FaultPlan) -> Result<Vec<u64>, String> {
        plan.check()?;
        let mut state = self.0.lock();
        Ok(plan.entries.into_iter().map(|entry| state.faults.install(entry)).collect())
    }

    /// Removes one entry; returns whether there was one of this id. What it has counted stays.
    pub fn remove(&self, id: u64) -> bool {
        self.0.lock().faults.remove(id)
    }

    /// Removes all of them: the world heals. What was counted stays.
    pub fn clear(&self) {
        self.0.lock().faults.clear();
    }

    /// How often each fault was met, by kind, service, and operation or queue.
    pub fn counts(&self) -> BTreeMap<Count, u64> {
        self.0.lock().faults.counts.clone()
    }

    /// How often each kind was met.
    pub fn kinds(&self) -> BTreeMap<&'static str, u64> {
        let mut kinds = BTreeMap::new();
        for (count, times) in self.0.lock().faults.counts() {
            *kinds.entry(count.kind).or_default() += times;
        }
        kinds
    }

    /// What is installed, with how often each entry matched and was met.
    pub fn installed(&self) -> Vec<FaultReport> {
        self.0.lock().faults.report()
    }
}

/// One installed entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultReport {
    /// Its id, for [`FaultControl::remove`].
    pub id: u64,
    /// How many calls or deliveries matched it; outages do not count these.
    pub seen: u64,
    /// How many of them met its effect.
    pub met: u64,
    #[serde(flatten)]
    pub entry: Entry,
}

impl Faults {
    fn install(&mut self, entry: Entry) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        match entry {
            Entry::Fault(rule) => self.calls.push(Installed::new(id, rule)),
            Entry::EventFault(rule) => self.events.push(Installed::new(id, rule)),
            Entry::Outage(outage) => self.outages.push(Installed::new(id, outage)),
        }
        id
    }

    fn remove(&mut self, id: u64) -> bool {
        let before = self.len();
        self.calls.retain(|rule| rule.id != id);
        self.events.retain(|rule| rule.id != id);
        self.outages.retain(|rule| rule.id != id);
        self.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.events.clear();
        self.outages.clear();
    }

    fn len(&self) -> usize {
        self.calls.len() + self.events.len() + self.outages.len()
    }

    fn report(&self) -> Vec<FaultReport> {
        fn reports<R: Clone>(
            rules: &[Installed<R>],
            entry: fn(R) -> Entry,
        ) -> impl Iterator<Item = FaultReport> {
            rules.iter().map(move |rule| FaultReport {
                id: rule.id,
                seen: rule.seen,
                met: rule.fired,
                entry: entry(rule.rule.clone()),
            })
        }
        let mut all: Vec<FaultReport> = reports(&self.outages, Entry::Outage)
            .chain(reports(&self.calls, Entry::Fault))
            .chain(reports(&self.events, Entry::EventFault))
            .collect();
        all.sort_by_key(|report| report.id);
        all
    }
}

//! The orders that are compared: amiferry's plan, and five that others use or that come to mind.

use amiferry_core::pacing::{CallBudget, CallRate};
use amiferry_core::plan::{Ended, Line, Member, Promise, Standing, Turn};
use jiff::Timestamp;

/// Which of those that wait goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// amiferry's.
    Plan,
    /// Each image is tried when it comes, and again five minutes after each refusal: what scripts
    /// do. It has no scheduler.
    FirstCome,
    /// By creation and RPO.
    Deadline,
    /// Newest image first.
    Newest,
    /// Each family's newest image, the smallest first; then the others in the same way.
    SmallestNewest,
    /// Each family's newest image, by the time when the family breaks its RPO; then the others.
    Breach,
}

impl Order {
    pub const ALL: [Self; 6] = [
        Self::Plan,
        Self::FirstCome,
        Self::Deadline,
        Self::Newest,
        Self::SmallestNewest,
        Self::Breach,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "amiferry's plan",
            Self::FirstCome => "first come, 5 min retry",
            Self::Deadline => "oldest deadline first",
            Self::Newest => "newest first",
            Self::SmallestNewest => "smallest newest first",
            Self::Breach => "by breach",
        }
    }
}

/// One stage's scheduler: amiferry's own line, or its ledger with another order before it.
#[derive(Debug)]
pub struct Scheduler {
    order: Order,
    line: Line<usize>,
}

impl Scheduler {
    pub fn new(order: Order, limit_gb: u64, rate: CallRate, now: Timestamp) -> Self {
        let calls = CallBudget::full(rate, now);
        Self { order, line: Line::new(limit_gb, calls, Vec::new()) }
    }

    /// Those that are to be called now; they are counted. And when to ask again for a call.
    pub fn round(
        &mut self,
        running: impl Iterator<Item = (Option<usize>, u64)>,
        members: &[Member<'_, usize>],
        promises: &[Promise],
        now: Timestamp,
    ) -> (Vec<usize>, Option<Timestamp>) {
        self.line.ledger.shown(running, now);
        if self.line.ledger.in_progress_gb() >= self.line.ledger.limit_gb() {
            return (Vec::new(), None);
        }
        let turns: Vec<(usize, Turn)> = if self.order == Order::Plan {
            let (placed, _) = self.line.answers(members, promises, now);
            placed.into_iter().map(|placed| (*placed.key, placed.turn)).collect()
        } else {
            let ranked = self.ranked(members, promises);
            let line = ranked.iter().map(|member| (member.key, member.size_gb));
            let turns = self.line.ledger.turns(line, now);
            ranked.iter().map(|member| *member.key).zip(turns).collect()
        };
        let due: Vec<usize> = turns
            .iter()
            .take_while(|(_, turn)| *turn == Turn::Now)
            .map(|(key, _)| *key)
            .filter(|key| !self.line.ledger.is_open(key))
            .collect();
        for key in &due {
            let place = members.binary_search_by_key(key, |member| *member.key);
            let size_gb = place.map_or(0, |place| members[place].size_gb);
            self.line.reserve(*key, 0, size_gb, now);
        }
        let again = turns.iter().find_map(|(_, turn)| match turn {
            Turn::Paced { at, .. } => Some(*at),
            Turn::Now | Turn::QuotaFull { .. } => None,
        });
        (due, again)
    }

    pub fn called(&mut self, key: usize, size_gb: u64, ended: Ended, now: Timestamp) {
        self.line.ledger.called(key, size_gb, ended, now);
    }

    pub fn ended(&mut self, key: usize) {
        self.line.ledger.settled(&key);
    }

    fn ranked<'m>(
        &self,
        members: &'m [Member<'m, usize>],
        promises: &[Promise],
    ) -> Vec<&'m Member<'m, usize>> {
        let mut newest_waiting = vec![Timestamp::MIN; promises.len()];
        let mut newest_taken = vec![Timestamp::MIN; promises.len()];
        let mut newest_complete = vec![Timestamp::MIN; promises.len()];
        for member in members {
            let raise = |newest: &mut [Timestamp]| {
                newest[member.family] = newest[member.family].max(member.created);
            };
            match member.standing {
                Standing::Complete => {
                    raise(&mut newest_complete);
                    raise(&mut newest_taken);
                }
                Standing::Begun => raise(&mut newest_taken),
                Standing::Waits { .. } => raise(&mut newest_waiting),
                Standing::Elsewhere => {}
            }
        }
        let mut ranked: Vec<&Member<'_, usize>> = members
            .iter()
            .filter(|member| matches!(member.standing, Standing::Waits { .. }))
            .collect();
        ranked.sort_by_cached_key(|member| {
            let (created, family) = (member.created.as_second(), member.family);
            let is_older =
                member.created < newest_waiting[family] || member.created < newest_taken[family];
            let rpo = promises[family].rpo;
            match self.order {
                Order::Plan | Order::FirstCome => (false, created, 0),
                Order::Deadline => (false, rpo.after(member.created).as_second(), 0),
                Order::Newest => (false, -created, 0),
                Order::SmallestNewest => (is_older, member.size_gb.cast_signed(), -created),
                Order::Breach if is_older => (true, -created, 0),
                Order::Breach => (false, rpo.after(newest_complete[family]).as_second(), 0),
            }
        });
        ranked
    }
}

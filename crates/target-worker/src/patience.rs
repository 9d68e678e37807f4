//! How long a look waits for what sources answer.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::names::SourceId;
use futures::{StreamExt, stream};

use crate::observe::CALLS_IN_FLIGHT;

/// So many sources are left behind soon: each of them can be looked at apart at once. Where more do
/// not answer, EC2 itself is slow, and looks at one source after another would take longer.
const FEW: usize = 4;

/// How long a look waits for sources, and which of them kept it waiting: those are asked no more.
#[derive(Debug)]
pub struct Patience {
    budget: Budget,
    silent: Mutex<BTreeSet<SourceId>>,
}

#[derive(Debug, Clone, Copy)]
enum Budget {
    Brief,
    Patient,
}

impl Patience {
    /// For a look that sources share: none of them may hold up the others.
    pub fn brief() -> Self {
        Self { budget: Budget::Brief, silent: Mutex::default() }
    }

    /// For a look at one source alone.
    pub fn patient() -> Self {
        Self { budget: Budget::Patient, ..Self::brief() }
    }

    /// How long one call about one object may take.
    fn of_call(&self) -> Duration {
        Duration::from_secs(match self.budget {
            Budget::Brief => 2,
            Budget::Patient => 60,
        })
    }

    /// How long there may be no answer at all while so many sources have not answered.
    fn of_silence(&self, open: usize) -> Duration {
        Duration::from_secs(match self.budget {
            Budget::Brief if open <= FEW => 1,
            Budget::Brief => 5,
            Budget::Patient => 60,
        })
    }

    fn silent(&self) -> MutexGuard<'_, BTreeSet<SourceId>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Awaits one call about an object of a source.
    ///
    /// # Errors
    /// The call's own fault, or that the source did not answer, now or before.
    pub(crate) async fn with<T>(
        &self,
        source: &SourceId,
        operation: &'static str,
        resource: &impl Display,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        if !self.silent().contains(source)
            && let Ok(answer) = tokio::time::timeout(self.of_call(), call).await
        {
            return answer;
        }
        self.silent().insert(source.clone());
        Err(no_answer(operation, resource))
    }

    /// Asks sources side by side, one question each, and hands over each answer as it comes. Those
    /// that do not answer in time, or did not before, get none.
    pub(crate) async fn with_each<T>(
        &self,
        asked: Vec<(SourceId, impl Future<Output = T>)>,
        mut answered: impl FnMut(SourceId, T),
    ) {
        let mut open: BTreeSet<SourceId> = asked.iter().map(|(source, _)| source.clone()).collect();
        let asked: Vec<_> = asked
            .into_iter()
            .filter(|(source, _)| !self.silent().contains(source))
            .map(|(source, question)| async move { (source, question.await) })
            .collect();
        let mut coming = stream::iter(asked).buffer_unordered(CALLS_IN_FLIGHT);
        while let Ok(Some((source, answer))) =
            tokio::time::timeout(self.of_silence(open.len()), coming.next()).await
        {
            open.remove(&source);
            answered(source, answer);
        }
        self.silent().append(&mut open);
    }
}

/// The fault of a source that does not answer in time.
pub(crate) fn no_answer(operation: &'static str, resource: &impl Display) -> Fault {
    Fault {
        class: FaultClass::Unavailable,
        operation,
        resource: resource.to_string(),
        code: "NoAnswer".to_owned(),
        detail: "no answer in time".to_owned(),
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: usize) -> SourceId {
        let account = format!("{number:012}").parse().unwrap();
        SourceId { account, region: "us-east-1".parse().unwrap() }
    }

    /// How long sources that take so many milliseconds to answer are waited for, and how many do.
    async fn ask(patience: &Patience, answers_after: &[u64]) -> (u64, usize) {
        let begun = tokio::time::Instant::now();
        let after = |after: &u64| tokio::time::sleep(Duration::from_millis(*after));
        let asked = answers_after.iter().enumerate().map(|(n, time)| (source(n), after(time)));
        let mut came = 0;
        patience.with_each(asked.collect(), |_, ()| came += 1).await;
        (u64::try_from(begun.elapsed().as_millis()).unwrap(), came)
    }

    const SILENT: u64 = 1_000_000;

    #[tokio::test(start_paused = true)]
    async fn a_few_silent_sources_are_left_behind_a_second_after_the_last_answer() {
        for (answers_after, expected) in
            [(&[300, SILENT, 400, SILENT][..], (1_400, 2)), (&[SILENT], (1_000, 0)), (&[], (0, 0))]
        {
            assert_eq!(ask(&Patience::brief(), answers_after).await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_many_are_slow_all_are_waited_for() {
        assert_eq!(ask(&Patience::brief(), &[3_000; 20]).await, (3_000, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_at_one_source_alone_is_patient() {
        assert_eq!(ask(&Patience::patient(), &[50_000]).await, (50_000, 1));
        assert_eq!(ask(&Patience::patient(), &[70_000]).await, (60_000, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_waits_for_a_silent_source_once() {
        let patience = Patience::brief();
        let never = || std::future::pending::<Result<(), Fault>>();
        let begun = tokio::time::Instant::now();
        for _ in 0..3 {
            let answer = patience.with(&source(0), "s3:HeadObject", &"a key", never()).await;
            assert_eq!(answer.unwrap_err().class, FaultClass::Unavailable);
        }
        assert_eq!(begun.elapsed().as_secs(), 2);
        assert_eq!(ask(&patience, &[0, 0]).await, (0, 1));
    }
}

//! The quotas that the plan keeps to, which come from the configuration. The rate of calls is compared with
//! what Service Quotas lists; of the gigabytes it lists nothing under a name that is known.

use super::listed::Listed;
use super::{Finding, Hop};
use crate::ids::Region;
use crate::pacing::CallRate;
use crate::ports::ListedQuota;

/// Which of EC2's two calls the quotas are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// `CreateStoreImageTask`.
    Store,
    /// `CreateRestoreImageTask`.
    Restore,
}

impl Task {
    /// The step that the quotas limit.
    pub fn hop(self) -> Hop {
        match self {
            Self::Store => Hop::Store,
            Self::Restore => Hop::Restore,
        }
    }

    fn api(self) -> &'static str {
        match self {
            Self::Store => "CreateStoreImageTask",
            Self::Restore => "CreateRestoreImageTask",
        }
    }

    /// What the keys of the configuration begin with.
    fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Restore => "restore",
        }
    }

    /// The line of the configuration that states a rate, and where it stands.
    fn line(self, CallRate { burst, refill }: CallRate) -> String {
        let table = match self {
            Self::Store => "[[source]]",
            Self::Restore => "[[vault]]",
        };
        let word = self.word();
        format!("{word}_calls = {{ burst = {burst}, refill = \"{refill}\" }} in {table}")
    }
}

/// The quota of gigabytes as it is configured. It is no doubt, because nothing could ever settle it
/// here: a quota that is set too high delays work, which the metrics show, and loses nothing.
pub fn gigabytes(task: Task, region: &Region, quota_gb: u64) -> Finding {
    let need = format!(
        "EC2's quota in {region} as configured: {quota_gb} GB in progress; not confirmed by AWS"
    );
    let proof = format!(
        "{}_quota_gb says so; Service Quotas has no known quota of it, so AWS Support has to say",
        task.word()
    );
    Finding::ok(task.hop(), need, proof)
}

/// What is needed of the rate of calls, whatever AWS says to it.
pub fn call_rate_need(task: Task, region: &Region, calls: CallRate) -> String {
    let (api, CallRate { burst, refill }) = (task.api(), calls);
    format!(
        "EC2's quota on {api} in {region} as configured: {burst} calls at once and one more every {refill}"
    )
}

/// Compares the configured rate of calls with the quotas that AWS lists. What AWS does not list is no
/// doubt, for the reason that [`gigabytes`] are none.
pub fn call_rate(task: Task, region: &Region, calls: CallRate, quotas: &[ListedQuota]) -> Finding {
    let (hop, need) = (task.hop(), call_rate_need(task, region, calls));
    let listed = Listed::of(task.api(), quotas);
    let (told, untold) = (listed.told(), listed.untold());
    if told.is_empty() {
        let proof = format!("{}_calls says so; Service Quotas {untold}", task.word());
        let note = format!("not confirmed by AWS; {}", how_to_look(task, region));
        return Finding::ok(hop, need, proof).noted(note);
    }
    let rest = if untold.is_empty() { String::new() } else { format!("; it {untold}") };
    let proof = format!("Service Quotas lists {told}{rest}");
    let allowed = listed.over(calls);
    let kept = CallRate {
        burst: calls.burst.min(allowed.burst),
        refill: calls.refill.max(allowed.refill),
    };
    if kept != calls {
        let cause = format!("{proof}: EC2 refuses calls beyond that, and the worker repeats them");
        let remedy = format!("write {}, or have AWS raise its quota", task.line(kept));
        return Finding::warn(hop, need, cause, remedy);
    }
    let finding = Finding::ok(hop, need, proof);
    if allowed != calls {
        let line = task.line(allowed);
        return finding.noted(format!(
            "AWS allows more: {line} uses all of it; keep less where others make the same calls"
        ));
    }
    match untold.is_empty() {
        true => finding,
        false => finding.noted(format!("confirmed in part; {}", how_to_look(task, region))),
    }
}

/// Where a person may find what is not among the quotas that were applied to the account.
fn how_to_look(task: Task, region: &Region) -> String {
    let api = task.api();
    format!(
        "AWS's defaults may show it: aws service-quotas list-aws-default-service-quotas --service-code ec2 \
         --region {region} --query \"Quotas[?starts_with(QuotaName, '{api} ')].[QuotaName, Value]\""
    )
}

#[cfg(test)]
#[path = "quotas_tests.rs"]
mod tests;

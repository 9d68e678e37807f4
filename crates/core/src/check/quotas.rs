//! The quotas that the plan keeps to. They come from the configuration: Service Quotas has no known codes
//! for those of gigabytes, and this program does not ask it for those of calls.

use super::{Finding, Hop};
use crate::ids::Region;
use crate::pacing::CallRate;

/// Which of EC2's two calls the quotas are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// `CreateStoreImageTask`.
    Store,
    /// `CreateRestoreImageTask`.
    Restore,
}

/// The quotas of a worker as they are configured. It is no doubt, because nothing could ever settle it
/// here: a quota that is set too high delays work, which the metrics show, and loses nothing.
pub fn quotas(task: Task, region: &Region, quota_gb: u64, calls: CallRate) -> Finding {
    let (hop, word, api) = match task {
        Task::Store => (Hop::Store, "store", "CreateStoreImageTask"),
        Task::Restore => (Hop::Restore, "restore", "CreateRestoreImageTask"),
    };
    let CallRate { burst, refill } = calls;
    let need = format!(
        "EC2's quotas in {region} as configured: {quota_gb} GB in progress, {burst} calls of {api} at \
         once and one more every {:?}; not confirmed by AWS",
        refill.duration()
    );
    let proof = format!(
        "{word}_quota_gb and {word}_calls say so. Service Quotas shows the call rate: aws service-quotas \
         list-service-quotas --service-code ec2 --region {region} --query \
         \"Quotas[?starts_with(QuotaName, '{api} ')].[QuotaName, Value]\"; for the gigabytes it has no \
         known quota, so AWS Support has to say"
    );
    Finding::ok(hop, need, proof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;
    use crate::span::Span;

    #[test]
    fn quotas_are_told_as_configured_and_never_as_confirmed() {
        let region: Region = "us-west-2".parse().unwrap();
        let calls = CallRate { burst: 80, refill: Span::from_millis(2_500) };
        for (task, hop, words) in [
            (Task::Store, Hop::Store, ["CreateStoreImageTask", "store_quota_gb", "store_calls"]),
            (
                Task::Restore,
                Hop::Restore,
                ["CreateRestoreImageTask", "restore_quota_gb", "restore_calls"],
            ),
        ] {
            let found = quotas(task, &region, 700, calls);
            assert_eq!((found.level, found.hop), (Level::Ok, hop));
            for told in ["us-west-2", "700 GB", "80 calls", "every 2.5s", "not confirmed by AWS"] {
                assert!(found.need.contains(told), "{told}: {found:#?}");
            }
            for word in words.into_iter().chain(["aws service-quotas list-service-quotas"]) {
                assert!(found.cause.contains(word), "{word}: {found:#?}");
            }
        }
    }
}

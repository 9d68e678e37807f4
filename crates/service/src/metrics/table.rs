//! The table of all metrics: what dashboards, alerts and their tests are checked against.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes both ways.
    Gauge,
    /// A distribution, with explicit buckets.
    Histogram,
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds; for a timestamp since 1970.
    Seconds,
    /// Bytes.
    Bytes,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name as exposed.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// The help text.
    pub help: &'static str,
}

/// Declares constants with the metrics, and the list of all.
macro_rules! metrics {
    ($($id:ident $kind:ident $unit:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(#[doc = $help] pub(crate) const $id: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            help: $help,
        };)+

        /// Every metric, in the order of the reference.
        pub const ALL: &[Metric] = &[$($id),+];
    };
}

metrics! {
    RECOVERY_POINT_TIMESTAMP Gauge Seconds "amiferry_recovery_point_timestamp_seconds" ["policy", "source_account", "source_region", "target_region"]
        "Creation time of the source image behind the newest complete recovery point, for the family of the policy that is worst off";
    POLICY_RPO Gauge Seconds "amiferry_policy_rpo_seconds" ["policy", "target_region"]
        "How old the newest complete recovery point of a family may be";
    IMAGES_IN_SCOPE Gauge Count "amiferry_images_in_scope" ["policy", "source_account", "source_region"]
        "Images that the policy selects, at the last sweep";
    IMAGES_UNPROTECTED Gauge Count "amiferry_images_unprotected" ["policy", "source_account", "source_region", "target_region"]
        "Images in scope without a complete recovery point, at the last sweep";
    STAGE_DURATION Histogram Seconds "amiferry_stage_duration_seconds" ["stage", "outcome"]
        "How long a stage took";
    STAGE Counter Count "amiferry_stage_total" ["stage", "outcome", "reason"]
        "Stages that ended; reason is empty for a success and the class of the fault for a failure";
    PARKED Gauge Count "amiferry_parked" ["worker", "reason"]
        "Images that need a person or another system before work goes on";
    WAITING Gauge Count "amiferry_waiting" ["worker", "reason"]
        "Images whose work waits for something that passes by itself";
    IN_FLIGHT_EFFECTS Gauge Count "amiferry_in_flight_effects" ["worker", "stage"]
        "Effects being performed";
    EVENTS Counter Count "amiferry_events_total" ["worker", "kind", "outcome"]
        "Messages received: accepted, ignored (nothing to look at) or quarantined";
    QUARANTINED Counter Count "amiferry_quarantined_messages_total" ["worker", "reason"]
        "Refused messages and records, each with a record in the log";
    FOUND_BY_SWEEP Counter Count "amiferry_found_by_sweep_total" ["worker"]
        "Images that a sweep found in need of work, with no event for them";
    SWEEP_LAST_SUCCESS Gauge Seconds "amiferry_sweep_last_success_timestamp_seconds" ["worker"]
        "When the last complete sweep ended";
    QUOTA_USED Gauge Bytes "amiferry_quota_used_bytes" ["quota"]
        "Data of images in progress under an EC2 quota";
    QUOTA_LIMIT Gauge Bytes "amiferry_quota_limit_bytes" ["quota"]
        "The configured limit of an EC2 quota";
    COPIED_BYTES Counter Bytes "amiferry_copied_bytes_total" ["target_region"]
        "Bytes copied into the vault bucket";
    COPIED_PARTS Counter Count "amiferry_copied_parts_total" ["target_region"]
        "Parts copied into the vault bucket";
    QUEUE_MESSAGES Gauge Count "amiferry_queue_messages" ["worker", "state"]
        "Approximate number of messages in the worker's queue, waiting or in flight";
    DEAD_LETTERS Gauge Count "amiferry_dead_letters" ["worker"]
        "Approximate number of messages in the dead-letter queue behind the worker's queue; absent where there is none or it may not be asked";
    KMS_KEY_USABLE Gauge Count "amiferry_kms_key_usable" ["use"]
        "Whether a key can be used: 1 yes, 0 no, -1 unknown because KMS would not tell";
    AWS_FAULTS Counter Count "amiferry_aws_faults_total" ["operation", "class"]
        "Calls to AWS that failed after the SDK's own retries";
    BUILD_INFO Gauge Count "amiferry_build_info" ["version"]
        "Always 1; the version is in the label";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let mut names = BTreeSet::new();
        for metric in ALL {
            assert!(names.insert(metric.name), "{} twice", metric.name);
            assert!(metric.name.starts_with("amiferry_"));
            let counter = metric.kind == Kind::Counter;
            assert_eq!(metric.name.ends_with("_total"), counter, "{}", metric.name);
            let stem = metric.name.trim_end_matches("_total");
            assert_eq!(stem.ends_with("_seconds"), metric.unit == Unit::Seconds, "{stem}");
            assert_eq!(stem.ends_with("_bytes"), metric.unit == Unit::Bytes, "{stem}");
            assert!(!metric.help.ends_with('.'));
        }
    }

    #[test]
    fn no_label_can_carry_an_id() {
        for label in ALL.iter().flat_map(|metric| metric.labels) {
            for forbidden in ["image", "key", "bucket", "message", "request", "error", "name"] {
                assert!(!label.contains(forbidden), "{label}");
            }
        }
    }
}

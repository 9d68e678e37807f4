//! The table of all metrics, against which dashboards, alerts and their tests are checked.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution, with explicit buckets.
    Histogram,
}

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Seconds; for a timestamp, since 1970.
    Seconds,
    Bytes,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name as exposed.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    /// What it means, without a full stop: help text and reference.
    pub help: &'static str,
}

/// Declares a constant for each metric, and the list of all.
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
    RECOVERY_POINT_TIMESTAMP Gauge Seconds "amiferry_recovery_point_timestamp_seconds" ["policy", "family", "source_account", "source_region", "target_account", "target_region"]
        "Creation time of the source image behind the family's newest complete recovery point, or of the older image whose snapshots it has; 0 without one";
    RECOVERY_POINT_STORED Gauge Seconds "amiferry_recovery_point_stored_timestamp_seconds" ["policy", "family", "source_account", "source_region", "target_account", "target_region"]
        "Creation time of the family's newest image with a copy in the vault bucket, complete or not; 0 without one";
    RPO_START Gauge Seconds "amiferry_rpo_start_timestamp_seconds" ["policy", "family", "source_account", "source_region", "target_account", "target_region"]
        "Time from which the family's RPO counts: creation of the source image of the newest complete recovery point, or else of the oldest image; 0 without an image";
    RPO_BREACH_ETA Gauge Seconds "amiferry_rpo_breach_eta_seconds" ["policy", "family", "source_account", "source_region", "target_account", "target_region"]
        "Time at which the family breaks its RPO, or broke it, because a newer image will be complete too late by the plan, or cannot be planned; NaN if every newer image will be complete in time, or there is none";
    RECOVERY_POINTS Gauge Count "amiferry_recovery_points" ["policy", "family", "source_account", "source_region", "target_account", "target_region", "state"]
        "The family's images and recovery points, by state";
    RECOVERY_POINTS_LOST Gauge Count "amiferry_recovery_points_lost" ["target_account", "target_region", "state"]
        "Recovery points of the vault that were complete and are lost, tampered with or unusable, whatever family and policy they belong to";
    VAULT_OBJECT_BYTES Gauge Bytes "amiferry_vault_object_bytes" ["policy", "family", "source_account", "source_region", "target_account", "target_region"]
        "Size of the family's objects in the vault bucket";
    FAMILIES Gauge Count "amiferry_families" ["policy", "source_account", "source_region", "target_account", "target_region", "state"]
        "Families, listed or not, by their state against their RPO, as in amiferry audit";
    POLICY_RPO Gauge Seconds "amiferry_policy_rpo_seconds" ["policy", "target_region"]
        "The greatest age that the newest complete recovery point of a family may have";
    COST_FREED Gauge Count "amiferry_monthly_cost_freed_estimate" ["policy", "target_account", "target_region", "currency"]
        "How much less the policy's copies in the vault are estimated to cost a month after amiferry prune; NaN where that is not assessed";
    COST Gauge Count "amiferry_monthly_cost_estimate" ["policy", "target_account", "target_region", "part", "currency"]
        "What the policy's copies in the vault are estimated to cost a month, by the configured prices: objects, snapshots, and the transfer, blocks and requests of the last 30 days; NaN where a price or a size is not known";
    IMAGES_IN_SCOPE Gauge Count "amiferry_images_in_scope" ["policy", "source_account", "source_region"]
        "Images of the source that the policy selects";
    IMAGES_UNPROTECTED Gauge Count "amiferry_images_unprotected" ["policy", "source_account", "source_region", "target_account", "target_region"]
        "Images in scope without a complete recovery point, including those that EC2 cannot store";
    INVENTORY_LAST_SUCCESS Gauge Seconds "amiferry_inventory_last_success_timestamp_seconds" ["target_account", "target_region"]
        "Time of the oldest observation in the inventory: the recovery-point metrics were correct at that time or later";
    INVENTORY_NOT_ASSESSED Gauge Count "amiferry_inventory_not_assessed" ["target_account", "target_region"]
        "What the last look or sweep could not observe: recovery points, images that cannot be read, and whole sources; the metrics show their previous state";
    COMPLETION Histogram Seconds "amiferry_recovery_point_completion_seconds" ["policy"]
        "Time from the creation of the source image to the completion of its recovery point";
    SWEEP_LAST_SUCCESS Gauge Seconds "amiferry_sweep_last_success_timestamp_seconds" ["worker"]
        "Time at which the last complete sweep ended";
    SWEEP_INTERVAL Gauge Seconds "amiferry_sweep_interval_seconds" ["worker"]
        "The configured time between two sweeps";
    STAGE_DURATION Histogram Seconds "amiferry_stage_duration_seconds" ["stage", "outcome"]
        "How long a stage took; for EC2's own tasks, as observed from outside";
    STAGE Counter Count "amiferry_stage_total" ["stage", "outcome", "reason"]
        "Stages that ended; reason is empty for a success and the class of the fault for a failure";
    IN_FLIGHT_EFFECTS Gauge Count "amiferry_in_flight_effects" ["worker", "stage"]
        "Effects being performed";
    TASKS_RUNNING Gauge Count "amiferry_tasks_running" ["stage"]
        "Tasks that EC2 runs: all store tasks of the source, and the vault's restores that the worker waits for";
    TASK_PROGRESS Gauge Count "amiferry_task_progress_ratio" ["stage"]
        "Mean progress of the running tasks; 0 while none runs";
    PARKED Gauge Count "amiferry_parked" ["worker", "reason"]
        "Images that need a person or another system before work goes on";
    WAITING Gauge Count "amiferry_waiting" ["worker", "reason"]
        "Images whose work waits for something that passes by itself";
    QUOTA_USED Gauge Bytes "amiferry_quota_used_bytes" ["quota"]
        "Data of images in progress under an EC2 quota";
    QUOTA_LIMIT Gauge Bytes "amiferry_quota_limit_bytes" ["quota"]
        "The configured limit of an EC2 quota";
    STAGED Gauge Bytes "amiferry_staged_bytes" ["needed"]
        "Staged objects of the source at the last sweep; needed is no where every vault that the policy demands has the image complete or pruned";
    COPIED_BYTES Counter Bytes "amiferry_copied_bytes_total" ["target_region"]
        "Bytes copied into the vault bucket";
    COPIED_PARTS Counter Count "amiferry_copied_parts_total" ["target_region"]
        "Parts copied into the vault bucket";
    EVENTS Counter Count "amiferry_events_total" ["worker", "kind", "outcome"]
        "Messages received: accepted, ignored (nothing to look at) or quarantined";
    QUARANTINED Counter Count "amiferry_quarantined_messages_total" ["worker", "reason"]
        "Refused messages and records; the log has a record of each";
    CHECK_FINDINGS Gauge Count "amiferry_check_findings" ["worker", "level"]
        "What the worker's latest check of its deployment found, by level: ok, unknown, warn or fail";
    CHECK_AT Gauge Seconds "amiferry_check_timestamp_seconds" ["worker"]
        "Time of that check: at the start, then every hour, and every five minutes while something fails";
    UNREADABLE_ITEMS Gauge Count "amiferry_unreadable_items" ["worker"]
        "Items of AWS's listings that the last sweep could not read and left out: images, store tasks, keys, uploads";
    FOUND_BY_SWEEP Counter Count "amiferry_found_by_sweep_total" ["worker"]
        "Images that a sweep found in need of work, without an event";
    QUEUE_MESSAGES Gauge Count "amiferry_queue_messages" ["worker", "state"]
        "Approximate number of messages in the worker's queue, waiting or in flight";
    QUEUE_LAST_RECEIVE Gauge Seconds "amiferry_queue_last_receive_timestamp_seconds" ["worker"]
        "Time at which the queue last answered a receive, with or without messages";
    DEAD_LETTERS Gauge Count "amiferry_dead_letters" ["worker"]
        "Approximate number of messages in the dead-letter queue behind the worker's queue; absent if there is none or the worker may not read it";
    KMS_KEY_USABLE Gauge Count "amiferry_kms_key_usable" ["use"]
        "Whether a key can be used: 1 yes, 0 no, -1 unknown because KMS does not say";
    KMS_CHECKED Gauge Seconds "amiferry_kms_check_timestamp_seconds" ["use"]
        "Time of the last check of that key with KMS";
    AWS_REQUESTS Counter Count "amiferry_aws_api_requests_total" ["worker", "service", "operation", "outcome"]
        "Calls to AWS; outcome is ok or the class of the fault that remained after the SDK's own retries";
    AWS_DURATION Histogram Seconds "amiferry_aws_api_duration_seconds" ["worker", "service", "operation"]
        "How long calls to AWS took, including the SDK's own retries; a receive waits up to 20 seconds by design";
    NOTIFICATIONS Counter Count "amiferry_notifications_total" ["outcome"]
        "Notifications that the event bus took or did not take, if one is configured; what it did not take is told again a minute later";
    BUILD_INFO Gauge Count "amiferry_build_info" ["version"]
        "Always 1; the version is in the label";
    PROCESS_CPU Counter Seconds "process_cpu_seconds_total" []
        "Processor time used by the process, in user and system mode";
    PROCESS_MEMORY Gauge Bytes "process_resident_memory_bytes" []
        "Resident memory of the process";
    PROCESS_THREADS Gauge Count "process_threads" []
        "Threads of the process";
    PROCESS_OPEN_FILES Gauge Count "process_open_fds" []
        "Open file descriptors of the process";
    PROCESS_MOST_FILES Gauge Count "process_max_fds" []
        "File descriptors that the process may open";
    PROCESS_STARTED Gauge Seconds "process_start_time_seconds" []
        "Time at which the process started";
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
            let prefix = metric.name.split('_').next().unwrap();
            assert!(["amiferry", "process"].contains(&prefix), "{}", metric.name);
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

//! Settings drawn from a seed: what AWS leaves open differs from run to run, so that nothing is
//! built on one guess.
//!
//! Every field is written out: a new switch does not compile until it is drawn here. Documented
//! rates and quotas are left as they are, but for limits that are only there to be lowered.

use std::time::Duration;

use crate::ec2::settings::{
    Codes, OneCopy, Pace, QuotaScope, RestoredTags, StoredChecksum, TaskPermissions,
};
use crate::sts::RequestTimes;
use crate::{Settings, ec2, events, kms, quotas, s3, sqs, sts};

impl Settings {
    /// Settings in which every switch is drawn from `seed`; equal seeds give equal settings.
    ///
    /// All of them keep a world in which work can be done: delays end, and refusals by permission
    /// concern only callers who lack one that AWS lists.
    pub fn randomised(seed: u64) -> Self {
        // Another stream than the world's own, which begins with the same seed.
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5e77_1465);
        let mut draw = Draw(&mut rng);
        Self {
            ec2: ec2(&mut draw),
            events: events::Settings { delay: draw.up_to(5_000) },
            s3: s3(&mut draw),
            sqs: sqs::Settings {
                stale_handles_delete: draw.coin(),
                short_polls_sample: draw.coin(),
                in_flight_limit: sqs::Settings::default().in_flight_limit,
            },
            kms: kms::Settings {
                grant_delay: draw.of(&[0, 5, 300]),
                grant_limit: kms::Settings::default().grant_limit,
            },
            sts: sts::Settings {
                skew: sts::Settings::default().skew,
                request_times: draw.of(&[RequestTimes::Sessions, RequestTimes::Everyone]),
            },
            // Last, so that the draws above are those of the seeds that are recorded.
            servicequotas: quotas::Settings {
                buckets_listed: draw.coin(),
                ..quotas::Settings::default()
            },
            seed,
        }
    }
}

fn ec2(draw: &mut Draw<'_>) -> ec2::Settings {
    let documented = ec2::Settings::default();
    let pace = |draw: &mut Draw<'_>| Pace {
        start_up: draw.up_to(300_000),
        megabytes_per_second: draw.of(&[50, 100, 400]),
        parallel: draw.of(&[1, 4, usize::MAX]),
    };
    let page = draw.of(&[1, 5]);
    ec2::Settings {
        throttling: documented.throttling,
        store: pace(draw),
        restore: pace(draw),
        copy: pace(draw),
        snapshot: pace(draw),
        store_quota_gb: documented.store_quota_gb,
        restore_quota_gb: documented.restore_quota_gb,
        stored_percent: draw.of(&[10, 40, 100]),
        one_copy: draw.of(&[OneCopy::PerBucket, OneCopy::PerKey, OneCopy::Unlimited]),
        concurrent_stores: documented.concurrent_stores,
        older_tasks_listed: documented.older_tasks_listed,
        failed_image_keeps_name: draw.coin(),
        name_release: draw.up_to(60_000),
        restored_tags: draw.of(&[RestoredTags::Merge, RestoredTags::Replace]),
        product_codes_survive: documented.product_codes_survive,
        uefi_data_survives: documented.uefi_data_survives,
        watermarks_survive: documented.watermarks_survive,
        instance_types_survive: documented.instance_types_survive,
        consistency_window: draw.up_to(60_000),
        foreign_buckets: draw.coin(),
        task_permissions: draw.of(&[TaskPermissions::ByDirection, TaskPermissions::WholeList]),
        keys_checked_at_call: draw.coin(),
        quota_scope: draw.of(&[QuotaScope::AccountAndRegion, QuotaScope::Account]),
        deregistered_listed: draw.up_to(60_000),
        image_pages: (page, documented.image_pages.1),
        longest_page: documented.longest_page,
        restored_snapshot_events: draw.coin(),
        trail: draw.coin(),
        codes: codes(draw),
        // That of SHA-256 would read every byte.
        stored_checksum: draw.of(&[
            StoredChecksum::Crc64Nvme,
            StoredChecksum::Crc32,
            StoredChecksum::Crc32CParts,
        ]),
    }
}

/// Codes that EC2 documents for something of the kind, for refusals that it documents none for.
fn codes(draw: &mut Draw<'_>) -> Codes {
    let mut any = |codes: &[&'static str]| draw.of(codes).to_owned();
    Codes {
        quota: any(&["ResourceLimitExceeded", "ResourceCountExceeded", "SnapshotLimitExceeded"]),
        second_copy: any(&["InvalidRequest", "InvalidParameterValue"]),
        unsupported_image: any(&[
            "UnsupportedOperation",
            "InvalidParameterValue",
            "InvalidRequest",
        ]),
        bucket_inaccessible: any(&["InaccessibleStorageLocation", "InvalidParameterValue"]),
        bucket_elsewhere: any(&["InvalidParameterValue", "InvalidRequest", "InvalidParameter"]),
        object_missing: any(&["InvalidParameterValue", "InvalidRequest"]),
        key_inaccessible: any(&["CustomerKeyHasBeenRevoked", "InvalidKMSKey.InvalidState"]),
    }
}

fn s3(draw: &mut Draw<'_>) -> s3::Settings {
    s3::Settings {
        copy_delay: draw.up_to(500),
        copy_rate: draw.of(&[20_000_000, 100_000_000, 1_000_000_000]),
        event_delay: draw.up_to(60_000),
        conflict_window: draw.up_to(2_000),
        ..s3::Settings::default()
    }
}

struct Draw<'a>(&'a mut fastrand::Rng);

impl Draw<'_> {
    fn coin(&mut self) -> bool {
        self.0.bool()
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.usize(..choices.len())]
    }

    /// A time of up to that many milliseconds; none in one of three draws.
    fn up_to(&mut self, milliseconds: u64) -> Duration {
        match self.0.u8(..3) {
            0 => Duration::ZERO,
            _ => Duration::from_millis(self.0.u64(..=milliseconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn equal_seeds_give_equal_settings_and_every_switch_takes_more_than_one_value() {
        let written = |seed| serde_json::to_value(Settings::randomised(seed)).unwrap();
        assert_eq!(written(7), written(7));
        let all: Vec<_> = (0..64).map(written).collect();
        for (service, name) in [
            ("ec2", "one_copy"),
            ("ec2", "failed_image_keeps_name"),
            ("ec2", "name_release"),
            ("ec2", "restored_tags"),
            ("ec2", "consistency_window"),
            ("ec2", "foreign_buckets"),
            ("ec2", "task_permissions"),
            ("ec2", "keys_checked_at_call"),
            ("ec2", "quota_scope"),
            ("ec2", "deregistered_listed"),
            ("ec2", "image_pages"),
            ("ec2", "restored_snapshot_events"),
            ("ec2", "trail"),
            ("ec2", "codes"),
            ("events", "delay"),
            ("s3", "event_delay"),
            ("s3", "conflict_window"),
            ("sqs", "stale_handles_delete"),
            ("sqs", "short_polls_sample"),
            ("kms", "grant_delay"),
            ("sts", "request_times"),
            ("servicequotas", "buckets_listed"),
        ] {
            let values: BTreeSet<String> =
                all.iter().map(|settings| settings[service][name].to_string()).collect();
            assert!(values.len() > 1 && !values.contains("null"), "{service}.{name}: {values:?}");
        }
    }

    #[test]
    fn the_table_of_behaviour_names_every_setting_and_no_other() {
        let page = include_str!("../../../docs/simulator.md");
        let (_, section) = page.split_once("## Behaviour").unwrap();
        let settings = serde_json::to_value(Settings::default()).unwrap();
        let mut known = BTreeSet::new();
        for (service, fields) in settings.as_object().unwrap() {
            let fields = fields.as_object().unwrap();
            known.extend(fields.keys().map(|field| format!("{service}.{field}")));
        }
        let services: BTreeSet<&str> =
            known.iter().map(|name| name.split_once('.').unwrap().0).collect();
        let named: BTreeSet<String> = section
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| {
                let parts = code.split_once('.');
                parts.is_some_and(|(service, field)| {
                    services.contains(service) && !field.contains('.')
                })
            })
            .map(str::to_owned)
            .collect();
        assert_eq!(named, known);
    }
}

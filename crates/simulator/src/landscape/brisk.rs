//! Rates for a world to watch: what takes AWS hours takes seconds, the order stays the same.

use std::time::Duration;

use crate::ec2::settings::{Pace, Throttling};
use crate::{Settings, ec2, s3};

/// A store of 500 GB takes about 3 seconds, and token buckets refill 60 times as fast as AWS's.
pub fn brisk() -> Settings {
    let task =
        Pace { start_up: Duration::from_millis(300), megabytes_per_second: 200_000, parallel: 8 };
    Settings {
        ec2: ec2::Settings {
            throttling: Throttling::On { refill_factor: 60.0 },
            store: task,
            restore: task,
            copy: task,
            snapshot: task,
            ..ec2::Settings::default()
        },
        s3: s3::Settings {
            copy_delay: Duration::from_millis(20),
            copy_rate: 10_000_000_000,
            ..s3::Settings::default()
        },
        ..Settings::default()
    }
}

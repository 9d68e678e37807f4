//! EC2's quotas during a run, in AWS and in the workers' configuration.

use crate::mischief::WhichQuota;
use crate::stage::Stage;

/// Sets a quota of AWS's.
pub fn set(stage: &Stage, which: WhichQuota, gb: u64) {
    let mut state = stage.world.lock();
    match which {
        WhichQuota::Store => state.settings.ec2.store_quota_gb = gb,
        WhichQuota::Restore => state.settings.ec2.restore_quota_gb = gb,
    }
}

/// Lets workers that are started from now on know a quota.
pub fn configure(stage: &mut Stage, which: WhichQuota, gb: u64) {
    let gb = gb.try_into().unwrap();
    match which {
        WhichQuota::Store => stage.config.sources[0].store_quota_gb = gb,
        WhichQuota::Restore => stage.config.vaults[0].restore_quota_gb = gb,
    }
}

/// A quota as the account has it before anything happens to it.
pub fn usual(stage: &Stage, which: WhichQuota) -> u64 {
    let settings = &stage.world.lock().settings.ec2;
    match which {
        WhichQuota::Store => settings.store_quota_gb,
        WhichQuota::Restore => settings.restore_quota_gb,
    }
}

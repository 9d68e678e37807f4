//! More sources of the landscape's vault, as a large organisation has them.

use amiferry_core::ids::{AccountId, Region};

use super::roles::read_role;
use super::{Landscape, place, policies};
use crate::s3::BucketSpec;
use crate::{World, s3};

/// The first account of the further sources; the others count up from it.
const FIRST_ACCOUNT: u64 = 300_000_000_000;

impl Landscape {
    /// Adds a source for each Region, in an account of its own, and answers them. The vault may see
    /// its images and staged objects. It has neither queue nor rules, so the vault learns what
    /// happens in it from a sweep, or from a message that a test sends.
    ///
    /// # Errors
    /// What could not be made, and why; only a mistake in this module or a second call.
    pub fn add_sources(
        &self,
        world: &World,
        regions: impl IntoIterator<Item = &'static str>,
    ) -> Result<Vec<(AccountId, Region)>, String> {
        let now = world.now();
        let mut state = world.lock();
        let mut sources = Vec::new();
        for (account, region) in (FIRST_ACCOUNT..).zip(regions) {
            let (account, region) = place(&account.to_string(), region)?;
            read_role(&mut state, &account, None)?;
            let bucket = staging_bucket_of(&account, &region);
            let spec = BucketSpec {
                versioned: true,
                policy: Some(policies::staging_bucket(&bucket, None)),
                ..BucketSpec::new(&bucket, account.clone(), region.clone())
            };
            s3::create_bucket(&mut state, now, spec)?;
            sources.push((account, region));
        }
        Ok(sources)
    }
}

/// The staging bucket of a source, that of the landscape's own included.
pub fn staging_bucket_of(account: &AccountId, region: &Region) -> String {
    format!("amiferry-staging-{account}-{region}")
}

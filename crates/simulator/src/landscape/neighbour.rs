//! One more source of the landscape's vault, without a worker of its own.

use amiferry_core::ids::{AccountId, Arn, Region};

use super::roles::read_role;
use super::{Landscape, READ_ROLE, policies};
use crate::s3::BucketSpec;
use crate::{World, s3};

/// What the configuration of a vault names of a source.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The staging bucket. It exists, is empty, and lets the vault read it if the source trusts the
    /// vault.
    pub bucket: String,
    /// The ARN of the role that the vault assumes, whether it exists or not.
    pub read_role: Arn,
}

impl Landscape {
    /// Adds a source that the vault may describe and whose staged objects it may read if
    /// `trusts_vault`, and whose role does not exist otherwise.
    ///
    /// # Errors
    /// What could not be made, and why: the account or the Region has a source already.
    pub fn neighbour(
        world: &World,
        account: AccountId,
        region: Region,
        trusts_vault: bool,
    ) -> Result<Neighbour, String> {
        let now = world.now();
        let mut state = world.lock();
        let bucket = format!("amiferry-staging-{account}-{region}");
        let policy = trusts_vault.then(|| policies::staging_bucket(&bucket, None));
        let spec =
            BucketSpec { policy, ..BucketSpec::new(&bucket, account.clone(), region.clone()) };
        s3::create_bucket(&mut state, now, spec)?;
        let read_role = if trusts_vault {
            read_role(&mut state, &account, None)?
        } else {
            let arn = format!("arn:aws:iam::{account}:role/{READ_ROLE}");
            arn.parse().map_err(|error| format!("{arn}: {error}"))?
        };
        Ok(Neighbour { account, region, bucket, read_role })
    }
}

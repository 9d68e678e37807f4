//! Another place that the restore operator may restore into.

use amiferry_core::ids::{AccountId, Arn, Region};
use serde_json::Value;

use super::roles::{RESTORE_ROLE, role};
use super::{Landscape, policies};
use crate::s3::{BucketSpec, Encryption};
use crate::{World, ec2, iam, kms, s3};

/// The role that the restore operator assumes in a destination of another account.
pub const DESTINATION_ROLE: &str = "amiferry-destination";

/// What the configuration names of a destination.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The bucket that objects are copied to.
    pub bucket: String,
    /// The key of that bucket, and of EBS encryption by default there.
    pub key: Arn,
    /// The role of the account; `None` in the vault's own.
    pub role: Option<Arn>,
}

impl Landscape {
    /// Makes a destination with the policies of `deploy/iam`, and lets the restore operator reach it.
    ///
    /// # Errors
    /// What could not be made, and why: the place has a destination already.
    pub fn destination(
        &self,
        world: &World,
        account: &AccountId,
        region: &Region,
    ) -> Result<Destination, String> {
        let now = world.now();
        let mut state = world.lock();
        let spec = kms::KeySpec {
            alias: Some("alias/amiferry-destination".to_owned()),
            description: "amiferry: a destination of restores".to_owned(),
            policy: Some(policies::destination_key(account)),
        };
        let key = kms::create_key(&mut state, now, account, region, &spec)?;
        ec2::set_default_encryption(&mut state, account, region, Some(key.clone()));
        let bucket = format!("amiferry-destination-{account}-{region}");
        let names = [
            ("DestinationAccounts", account.as_str()),
            ("DestinationRegion", region.as_str()),
            ("DestinationBucket", bucket.as_str()),
            ("DestinationKey", key.as_str()),
        ];
        let spec = BucketSpec {
            versioned: true,
            encryption: Encryption::Kms(key.clone()),
            policy: Some(policies::destination_bucket(&names)),
            ..BucketSpec::new(&bucket, account.clone(), region.clone())
        };
        s3::create_bucket(&mut state, now, spec)?;
        let mut operator =
            vec![policies::vault_restore(&self.vault_key), policies::destination_copy(&names)];
        let makes_images = policies::destination_restore(&names);
        let role_there = match *account == self.vault.0 {
            true => {
                operator.push(makes_images);
                None
            }
            false => {
                let spec = iam::RoleSpec {
                    name: DESTINATION_ROLE,
                    trust_json: &policies::destination_trust(),
                    permissions_json: &makes_images,
                    max_session: 43_200,
                };
                Some(iam::create_role(&mut state, account, &spec)?)
            }
        };
        role(&mut state, &self.vault.0, RESTORE_ROLE, &joined(&operator)?)?;
        let (account, region) = (account.clone(), region.clone());
        Ok(Destination { account, region, bucket, key, role: role_there })
    }
}

/// One policy with the statements of several, as IAM evaluates them together.
fn joined(policies: &[String]) -> Result<String, String> {
    let mut statements = Vec::new();
    for (number, text) in policies.iter().enumerate() {
        let policy: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for statement in policy["Statement"].as_array().into_iter().flatten() {
            let mut statement = statement.clone();
            let sid = statement["Sid"].as_str().unwrap_or_default();
            // Each of them is used once in a policy.
            statement["Sid"] = Value::from(format!("{sid}{number}"));
            statements.push(statement);
        }
    }
    let whole = serde_json::json!({ "Version": "2012-10-17", "Statement": statements });
    Ok(whole.to_string())
}

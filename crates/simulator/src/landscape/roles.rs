//! The roles of the landscape: workers, and people of the vault.

use amiferry_core::ids::{AccountId, Arn};

use super::{Landscape, READ_ROLE, STAGING_BUCKET, policies};
use crate::s3::bucket::BucketPolicy;
use crate::world::State;
use crate::{World, iam, kms};

/// The role of a person who restores from the vault.
pub const RESTORE_ROLE: &str = "amiferry-restore";
/// The role of `amiferry prune`.
pub const PRUNE_ROLE: &str = "amiferry-prune";
/// The role of the source worker.
const SOURCE_WORKER_ROLE: &str = "amiferry-source-worker";
/// The role of the target worker.
const VAULT_WORKER_ROLE: &str = "amiferry-vault-worker";
/// The role of an auditor.
const AUDIT_ROLE: &str = "amiferry-vault-audit";

/// The roles of workers and auditors, with the policies of `deploy/iam`.
#[derive(Debug, Clone)]
pub struct Roles {
    /// The role of the source worker, in the source account.
    pub source_worker: Arn,
    /// The role of the target worker, in the vault account.
    pub vault_worker: Arn,
    /// The role of an auditor, in the vault account.
    pub auditor: Arn,
}

impl Landscape {
    /// Makes the roles, and lets no one else of the vault account reach the source: the read role's
    /// trust, the staging bucket and its key then name the roles, as the templates do. A second call
    /// puts back what was changed meanwhile.
    ///
    /// # Errors
    /// What could not be made, and why; only a mistake in this module.
    pub fn roles(&self, world: &World) -> Result<Roles, String> {
        let mut state = world.lock();
        let vault = &self.vault.0;
        let readers = format!("arn:aws:iam::{vault}:role/amiferry-vault-*");
        let worker = policies::source_worker(&self.staging_key);
        let roles = Roles {
            source_worker: role(&mut state, &self.source.0, SOURCE_WORKER_ROLE, &worker)?,
            vault_worker: role(
                &mut state,
                vault,
                VAULT_WORKER_ROLE,
                &policies::vault_worker(&self.vault_key),
            )?,
            auditor: role(&mut state, vault, AUDIT_ROLE, &policies::vault_audit(&self.vault_key))?,
        };
        read_role(&mut state, &self.source.0, Some(&readers))?;
        let staging = policies::staging_key(Some(&readers));
        kms::set_policy(&mut state, &self.staging_key, &staging)?;
        let policy =
            BucketPolicy::parse(&policies::staging_bucket(STAGING_BUCKET, Some(&readers)))?;
        let bucket = state.s3.bucket_mut(STAGING_BUCKET);
        bucket.ok_or("there is no staging bucket")?.policy = Some(policy);
        Ok(roles)
    }

    /// The role of a person who restores from the vault, made at the first call. Workers have no use
    /// for it.
    ///
    /// # Errors
    /// What could not be made, and why; only a mistake in this module.
    pub fn restore_role(&self, world: &World) -> Result<Arn, String> {
        self.role_of_people(world, RESTORE_ROLE, &policies::vault_restore(&self.vault_key))
    }

    /// The role of a prune, made at the first call. Workers have no use for it.
    ///
    /// # Errors
    /// What could not be made, and why; only a mistake in this module.
    pub fn prune_role(&self, world: &World) -> Result<Arn, String> {
        self.role_of_people(world, PRUNE_ROLE, &policies::vault_prune(&self.vault_key))
    }

    fn role_of_people(&self, world: &World, name: &str, may: &str) -> Result<Arn, String> {
        let (account, _) = &self.vault;
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        let arn: Arn = arn.parse().map_err(|error| format!("{error}"))?;
        let mut state = world.lock();
        let roles = state.iam.get(account).map(|account| &account.roles);
        if roles.is_some_and(|roles| roles.contains_key(name)) {
            return Ok(arn);
        }
        role(&mut state, account, name, may)
    }
}

/// A role that its account's own principals may assume. One of the same name is replaced.
pub(super) fn role(
    state: &mut State,
    account: &AccountId,
    name: &str,
    permissions: &str,
) -> Result<Arn, String> {
    let spec = iam::RoleSpec {
        name,
        trust_json: &policies::people_trust(account),
        permissions_json: permissions,
        max_session: 43_200,
    };
    iam::create_role(state, account, &spec)
}

/// The role that the vault assumes in a source: `readers` says who of the vault may, everyone if it
/// is `None`.
pub(super) fn read_role(
    state: &mut State,
    account: &AccountId,
    readers: Option<&str>,
) -> Result<Arn, String> {
    let spec = iam::RoleSpec {
        name: READ_ROLE,
        trust_json: &policies::read_role_trust(readers),
        permissions_json: policies::read_role(),
        max_session: 3600,
    };
    iam::create_role(state, account, &spec)
}

//! Workers and audits with the roles of `deploy/iam` instead of their accounts' roots.

use amiferry_aws::Session;
use amiferry_core::ids::Arn;
use amiferry_simulator::iam::{self, RoleSpec};
use amiferry_simulator::landscape::{READ_ROLE, Roles, VAULT_ACCOUNT};
use serde_json::json;

use super::Stage;

impl Stage {
    /// From now on workers and audits run with the roles of `deploy/iam`, and no one else of the
    /// vault reaches the source.
    pub fn act_in_roles(&mut self) {
        self.run_as(self.landscape.roles(&self.world).unwrap());
    }

    /// From now on workers and audits run with these roles.
    pub fn run_as(&mut self, roles: Roles) {
        self.roles = Some(roles);
    }

    /// The session of the role that its user has, if the stage acts in roles.
    pub(super) fn in_role(&self, session: Session, role: impl FnOnce(&Roles) -> &Arn) -> Session {
        let Some(roles) = &self.roles else { return session };
        session.assume_role(role(roles), None, "amiferry", session.region())
    }

    /// Makes the read role of the source again: what the vault must present to assume it, and what it
    /// may do.
    pub fn set_read_role(&self, external_id: &str, permissions: &str) {
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{VAULT_ACCOUNT}:root") },
                "Action": "sts:AssumeRole",
                "Condition": { "StringEquals": { "sts:ExternalId": external_id } },
            }],
        });
        let role = RoleSpec {
            name: READ_ROLE,
            trust_json: &trust.to_string(),
            permissions_json: permissions,
            max_session: 3600,
        };
        iam::create_role(&mut self.world.lock(), &self.landscape.source.0, &role).unwrap();
    }

    /// The session of an auditor.
    pub fn auditor(&self) -> Session {
        let vault = &self.config.vaults[0];
        let session = self.session(&vault.account, &vault.region, "audit");
        self.in_role(session, |roles| &roles.auditor)
    }
}

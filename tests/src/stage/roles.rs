//! Workers, checks and audits, with the roles of `deploy/iam` or as their accounts' roots.

use amiferry_aws::Session;
use amiferry_core::ids::Arn;
use amiferry_service::preflight::Findings;
use amiferry_simulator::iam::{self, RoleSpec};
use amiferry_simulator::landscape::{READ_ROLE, Roles, VAULT_ACCOUNT};
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use serde_json::json;

use super::{Role, Stage};

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

    /// All that `amiferry check` asks of a worker, with a canary or without one.
    pub async fn examine(&self, role: Role, canary: bool) -> Findings {
        if role == Role::Source {
            let source = &self.config.sources[0];
            let session = self.session(&source.account, &source.region, "source");
            let session = self.in_role(session, |roles| &roles.source_worker);
            return source_worker::preflight::examine(&self.config, source, &session).await;
        }
        let vault = &self.config.vaults[0];
        let session = self.session(&vault.account, &vault.region, "target");
        let session = self.in_role(session, |roles| &roles.vault_worker);
        let observer = target_worker::assemble::observer(&self.config, vault, &session);
        target_worker::preflight::examine(&self.config, vault, &session, &observer, canary).await
    }

    /// The session of an auditor.
    pub fn auditor(&self) -> Session {
        let vault = &self.config.vaults[0];
        let session = self.session(&vault.account, &vault.region, "audit");
        self.in_role(session, |roles| &roles.auditor)
    }
}

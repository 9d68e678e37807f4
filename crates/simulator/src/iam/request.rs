//! What one request says about condition keys: from the call, from the caller, from the world.

use super::Access;
use crate::principal::{Principal, PrincipalKind, SessionContext};
use crate::world::State;

/// A call as IAM looks at it.
pub(super) struct Request<'a> {
    pub state: &'a State,
    pub caller: &'a Principal,
    pub access: &'a Access<'a>,
}

impl Request<'_> {
    /// The request's values of a condition key; keys ignore case. None where the key is absent.
    pub fn values(&self, key: &str) -> Vec<String> {
        let given = self.access.context.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let given: Vec<String> = given.map(|(_, value)| value.clone()).collect();
        if given.is_empty() {
            self.derived(&key.to_ascii_lowercase()).into_iter().collect()
        } else {
            given
        }
    }

    fn derived(&self, key: &str) -> Option<String> {
        let owner = self.access.owner;
        let of_service = matches!(self.caller.kind, PrincipalKind::Service(_));
        match key {
            // Over loopback there may be no TLS; to a policy every call looks as to AWS.
            "aws:securetransport" => Some("true".to_owned()),
            "s3:tlsversion" if self.of_s3() => Some("1.3".to_owned()),
            "s3:signatureversion" if self.of_s3() => Some("AWS4-HMAC-SHA256".to_owned()),
            "s3:resourceaccount" if self.of_s3() => Some(owner.to_string()),
            "aws:viaawsservice" => Some("false".to_owned()),
            "aws:resourceaccount" => Some(owner.to_string()),
            "aws:resourceorgid" => self.organisation(owner),
            "aws:currenttime" => Some(self.state.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            "aws:epochtime" => Some(self.state.now.as_second().to_string()),
            "aws:requestedregion" => {
                let region = self.access.resource.split(':').nth(3);
                region.filter(|region| !region.is_empty()).map(str::to_owned)
            }
            "aws:principalisawsservice" => Some(of_service.to_string()),
            "aws:principalservicename" if of_service => Some(self.caller.arn()),
            "aws:sourceorgid" if of_service => self.organisation(&self.caller.account),
            _ if of_service => None,
            "aws:principalaccount" | "kms:calleraccount" => Some(self.caller.account.to_string()),
            "aws:principalarn" => Some(self.caller.role_arn().unwrap_or_else(|| self.caller.arn())),
            "aws:principalorgid" => self.organisation(&self.caller.account),
            "aws:principaltype" => Some(self.caller.kind_name().to_owned()),
            "aws:userid" => Some(super::user_id(self.state, self.caller)),
            "aws:username" => match &self.caller.kind {
                PrincipalKind::User { name } => Some(name.clone()),
                _ => None,
            },
            key => self.of_session(key),
        }
    }

    fn of_session(&self, key: &str) -> Option<String> {
        let session = self.caller.session_context()?;
        let SessionContext { tags, source_identity, issued, .. } = session;
        match key {
            // No session here was made with a second factor.
            "aws:multifactorauthpresent" => Some("false".to_owned()),
            "aws:tokenissuetime" => Some(issued.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            "aws:sourceidentity" => source_identity.clone(),
            key => {
                let name = key.strip_prefix("aws:principaltag/")?;
                let tag = tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                tag.map(|(_, value)| value.clone())
            }
        }
    }

    fn of_s3(&self) -> bool {
        self.access.action.starts_with("s3:")
    }

    fn organisation(&self, account: &amiferry_core::ids::AccountId) -> Option<String> {
        self.state.iam.get(account)?.organisation.clone()
    }
}

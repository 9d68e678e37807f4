//! `GetCallerIdentity`: the principal behind a session.

use amiferry_core::fault::Fault;
use amiferry_core::ports::{Caller, CredentialChoice, Identity};
use async_trait::async_trait;
use aws_sdk_sts::Client;

use crate::call::Call;
use crate::client::Session;

/// The identity of a session, asked at the Regional endpoint.
#[derive(Debug, Clone)]
pub struct StsIdentity {
    session: Session,
    client: Client,
}

impl StsIdentity {
    /// The identity of `session`.
    pub fn new(session: &Session) -> Self {
        Self { client: session.sts("identity"), session: session.clone() }
    }
}

#[async_trait]
impl Identity for StsIdentity {
    async fn caller(&self) -> Result<Caller, Fault> {
        let call = Call::new("sts:GetCallerIdentity", self.session.region().as_str());
        let answer = self.session.send(&call, self.client.get_caller_identity().send()).await?;
        let account = answer.account.ok_or_else(|| call.unexpected("Account", None))?;
        let account =
            account.parse().map_err(|_| call.unexpected("Account", Some(account.as_str())))?;
        let arn = answer.arn.ok_or_else(|| call.unexpected("Arn", None))?;
        Ok(Caller { account, arn })
    }

    fn choice(&self) -> Option<CredentialChoice> {
        self.session.choice().cloned()
    }
}

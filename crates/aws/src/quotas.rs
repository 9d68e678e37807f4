//! `ListServiceQuotas`: which quotas of EC2 apply to an account in a Region.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ports::{ListedQuota, Quotas};
use async_trait::async_trait;
use aws_sdk_servicequotas::Client;
use aws_sdk_servicequotas::types::ServiceQuota;

use crate::call::Call;
use crate::client::Session;

/// EC2's code in Service Quotas.
const EC2: &str = "ec2";

/// Quotas of one page, the most that there may be.
const PAGE: i32 = 100;

/// Pages that are read. EC2 has some 800 calls, and two quotas on each would be 16.
const PAGES: usize = 100;

/// Service Quotas, in the session's Region.
#[derive(Debug, Clone)]
pub struct ServiceQuotas {
    session: Session,
    client: Client,
}

impl ServiceQuotas {
    /// The quotas of the session's account.
    pub fn new(session: &Session) -> Self {
        Self { client: session.quotas(), session: session.clone() }
    }
}

#[async_trait]
impl Quotas for ServiceQuotas {
    async fn of_ec2(&self) -> Result<Vec<ListedQuota>, Fault> {
        let call = Call::new("servicequotas:ListServiceQuotas", EC2);
        let (mut quotas, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let request = self
                .client
                .list_service_quotas()
                .service_code(EC2)
                .max_results(PAGE)
                .set_next_token(token.take());
            let answer = self.session.send(&call, request.send()).await?;
            let page = answer.quotas.ok_or_else(|| call.unexpected("Quotas", None))?;
            quotas.extend(page.into_iter().map(listed));
            token = answer.next_token.filter(|next| !next.is_empty());
            if token.is_none() {
                return Ok(quotas);
            }
        }
        let detail = format!("the list of quotas does not end after {PAGES} pages");
        Err(call.fault(FaultClass::Bug, "UnexpectedAnswer", &detail))
    }
}

/// A quota without a name is kept: it is never the one that a check looks for.
fn listed(quota: ServiceQuota) -> ListedQuota {
    ListedQuota { name: quota.quota_name.unwrap_or_default(), value: quota.value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_without_a_name_or_a_value_is_listed_as_it_is() {
        let named = listed(ServiceQuota::builder().quota_name("x refill rate").build());
        assert_eq!(named, ListedQuota { name: "x refill rate".to_owned(), value: None });
        let nameless = listed(ServiceQuota::builder().value(-1.5).build());
        assert_eq!(nameless, ListedQuota { name: String::new(), value: Some(-1.5) });
    }
}

//! The quotas of an account, as AWS lists them.

use async_trait::async_trait;

use crate::fault::Fault;

/// A quota that AWS lists.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedQuota {
    /// Its name, by which people find it.
    pub name: String,
    /// Its value as AWS sends it; `None` where it sends none.
    pub value: Option<f64>,
}

/// What AWS allows an account in a Region.
#[async_trait]
pub trait Quotas: Send + Sync {
    /// All quotas of EC2 that AWS lists for the account, in no order.
    ///
    /// # Errors
    /// A page could not be had: nothing is known then. `NotFound` where AWS lists no quotas of EC2.
    async fn of_ec2(&self) -> Result<Vec<ListedQuota>, Fault>;
}

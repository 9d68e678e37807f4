//! KMS as one principal sees it.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::Arn;
use crate::model::KeyFacts;

/// KMS keys, named by ARN; the Region is the ARN's.
#[async_trait]
pub trait Keys: Send + Sync {
    /// What KMS says about a key, and whether a DryRun of `GenerateDataKey` and `Decrypt` would
    /// succeed for this caller. A denial is not a fault but an unknown in the facts; so is a
    /// denied `ListGrants`.
    async fn examine(&self, key: &Arn) -> Result<KeyFacts, Fault>;
}

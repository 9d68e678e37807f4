//! KMS as one principal sees it.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::Arn;
use crate::model::{Grant, KeyFacts, KeyPurpose};

/// KMS keys, named by ARN; the Region is the ARN's.
#[async_trait]
pub trait Keys: Send + Sync {
    /// What KMS says about a key, and what a DryRun of every operation that these purposes need
    /// would end with for this caller. Only `DescribeKey` can fail: a denial is an unknown in the
    /// facts, a key that is not there a state, and a DryRun that fails or is executed an unknown.
    async fn examine(&self, key: &Arn, purposes: &[KeyPurpose]) -> Result<KeyFacts, Fault>;

    /// The policy of a key, as JSON. KMS shows it to principals of the key's own account only, whom
    /// `kms:GetKeyPolicy` is allowed.
    async fn policy(&self, key: &Arn) -> Result<String, Fault>;

    /// The grants on a key, those of the first pages; `None` where listing is not allowed, which
    /// proves nothing: `kms:GrantIsForAWSResource` denies every direct `ListGrants`.
    async fn grants(&self, key: &Arn) -> Result<Option<Vec<Grant>>, Fault>;
}

//! The effect that lets other accounts launch an image. No worker has it: only a person who restores
//! asks for it.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::{AccountId, ImageId};

/// Launch permissions of the images of one account and Region.
#[async_trait]
pub trait ImageSharing: Send + Sync {
    /// Adds these accounts to those that may launch an image (`ModifyImageAttribute`). Repeating it
    /// changes nothing.
    async fn share(&self, id: &ImageId, accounts: &BTreeSet<AccountId>) -> Result<(), Fault>;
}

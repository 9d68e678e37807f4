//! What hardens an image.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::ImageId;

/// Protection of the images of one account and Region.
#[async_trait]
pub trait ImageProtection: Send + Sync {
    /// Turns deregistration protection on (without cool-down unless asked). Repeating it changes
    /// nothing.
    async fn protect(&self, id: &ImageId, with_cooldown: bool) -> Result<(), Fault>;

    /// Has instances of an image demand IMDSv2. Repeating it changes nothing; nothing undoes it.
    async fn demand_imds_v2(&self, id: &ImageId) -> Result<(), Fault>;
}

//! The effects that protect an image.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::ImageId;

/// Protection of the images of one account and Region.
#[async_trait]
pub trait ImageProtection: Send + Sync {
    /// Turns deregistration protection on (without cool-down unless asked). Repeating it changes
    /// nothing.
    async fn protect(&self, id: &ImageId, with_cooldown: bool) -> Result<(), Fault>;

    /// Makes instances of an image require IMDSv2. Repeating it changes nothing; EC2 cannot undo
    /// it.
    async fn demand_imds_v2(&self, id: &ImageId) -> Result<(), Fault>;
}

//! The images of one account and Region.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::ImageId;
use crate::model::Image;

/// Images that one account owns in one Region.
#[async_trait]
pub trait Images: Send + Sync {
    /// The images among `ids` that this account owns; unknown and foreign ones are left out.
    /// Any number of ids; sent as filter values in calls of at most 200.
    async fn describe(&self, ids: &[ImageId]) -> Result<Vec<Image>, Fault>;

    /// The images of this account with one of these exact names. Wildcards in a name are
    /// escaped; any number of names.
    async fn named(&self, names: &[String]) -> Result<Vec<Image>, Fault>;

    /// The images of this account that are being made now.
    async fn pending(&self) -> Result<Vec<Image>, Fault>;

    /// One page of all images that this account owns, disabled ones included, and the token of
    /// the next page.
    async fn page(&self, token: Option<String>) -> Result<(Vec<Image>, Option<String>), Fault>;
}

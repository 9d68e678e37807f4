//! The images of one account and Region.

use async_trait::async_trait;

use super::Listing;
use crate::fault::Fault;
use crate::ids::ImageId;
use crate::model::Image;

/// Images that one account owns in one Region. Kernels and RAM disks, which EC2 lists among them,
/// are left out.
#[async_trait]
pub trait Images: Send + Sync {
    /// The images among `ids` that this account owns; unknown and foreign ones are left out.
    /// Any number of ids; sent as filter values in calls of at most 200.
    async fn describe(&self, ids: &[ImageId]) -> Result<Listing<Image>, Fault>;

    /// The images of this account with one of these exact names, or with such a name followed by
    /// `/` and anything: the later restores of a recovery point. Wildcards in a name are escaped;
    /// any number of names. What cannot be read is listed under its name. An image whose name EC2
    /// does not show is still read, with an empty name.
    async fn named(&self, names: &[String]) -> Result<Listing<Image>, Fault>;

    /// The images of this account that are being made now.
    async fn pending(&self) -> Result<Listing<Image>, Fault>;

    /// One page of all images that this account owns, disabled ones included, and the token of
    /// the next page.
    async fn page(&self, token: Option<String>) -> Result<(Listing<Image>, Option<String>), Fault>;
}

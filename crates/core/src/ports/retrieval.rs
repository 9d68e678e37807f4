//! The effect by which S3 makes an archived object readable.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::AccountId;
use crate::model::{Archived, ObjectVersion, Retrieval};

/// Retrieval of archived objects. No worker has it: it costs money, and a person decides.
#[async_trait]
pub trait ObjectRetrieval: Send + Sync {
    /// Has S3 retrieve a version, which takes minutes to days; [`super::Objects::head`] shows how far it
    /// is. Again, it is `Ok` while S3 is at it, and afterwards the copy lasts as many days from then.
    ///
    /// # Errors
    /// `Invalid`, code `InvalidObjectState`, for an object that is not archived any more. Where S3 has no
    /// capacity for expedited retrievals, the code is `GlacierExpeditedRetrievalNotAvailable`.
    async fn retrieve(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        archived: &Archived,
        retrieval: Retrieval,
    ) -> Result<(), Fault>;
}

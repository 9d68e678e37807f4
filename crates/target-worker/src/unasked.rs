//! A source whose role cannot be assumed, because the secret for that is missing here: it is not
//! assessed, and affects no other.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::model::{Image, Snapshot, StoreTask};
use amiferry_core::names::SourceId;
use amiferry_core::ports::{ImageDetails, Images, Listing, StoreRequest, StoreTasks};
use amiferry_service::config::MissingSecret;
use async_trait::async_trait;

use crate::observe::DESCRIBE_IMAGES;

/// EC2 of such a source: every question has the same fault for an answer, and AWS is not called.
#[derive(Debug, Clone)]
pub(crate) struct Unasked(Fault);

impl Unasked {
    pub fn of(source: &SourceId, missing: &MissingSecret) -> Self {
        Self(Fault {
            class: FaultClass::Invalid,
            operation: DESCRIBE_IMAGES,
            resource: source.to_string(),
            code: "ExternalIdUnset".to_owned(),
            detail: missing.to_string(),
            request_id: None,
        })
    }

    fn answer<T>(&self) -> Result<T, Fault> {
        Err(self.0.clone())
    }
}

#[async_trait]
impl Images for Unasked {
    async fn describe(&self, _: &[ImageId]) -> Result<Listing<Image>, Fault> {
        self.answer()
    }

    async fn named(&self, _: &[String]) -> Result<Listing<Image>, Fault> {
        self.answer()
    }

    async fn pending(&self) -> Result<Listing<Image>, Fault> {
        self.answer()
    }

    async fn page(&self, _: Option<String>) -> Result<(Listing<Image>, Option<String>), Fault> {
        self.answer()
    }
}

#[async_trait]
impl ImageDetails for Unasked {
    async fn snapshots(&self, _: &[SnapshotId]) -> Result<Listing<Snapshot>, Fault> {
        self.answer()
    }

    async fn launch_permissions(&self, _: &ImageId) -> Result<Listing<String>, Fault> {
        self.answer()
    }

    async fn has_uefi_data(&self, _: &ImageId) -> Result<bool, Fault> {
        self.answer()
    }
}

#[async_trait]
impl StoreTasks for Unasked {
    async fn running(&self) -> Result<Listing<StoreTask>, Fault> {
        self.answer()
    }

    async fn newest(&self, _: &[ImageId]) -> Result<Listing<StoreTask>, Fault> {
        self.answer()
    }

    async fn start_store(&self, _: &StoreRequest) -> Result<String, Fault> {
        self.answer()
    }
}

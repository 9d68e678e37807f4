//! Takes images and snapshots away.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::ports::{ImageRemoval, Removal};
use async_trait::async_trait;

use super::Ec2Images;
use crate::call::Call;

#[async_trait]
impl ImageRemoval for Ec2Images {
    async fn unprotect(&self, id: &ImageId) -> Result<(), Fault> {
        let call = Call::new("ec2:DisableImageDeregistrationProtection", id.as_str());
        let sent =
            self.queries().disable_image_deregistration_protection().image_id(id.as_str()).send();
        self.session.send(&call, sent).await.map(drop)
    }

    async fn deregister(&self, id: &ImageId) -> Result<Removal, Fault> {
        let call = Call::new("ec2:DeregisterImage", id.as_str());
        let sent = self.queries().deregister_image().image_id(id.as_str()).send();
        removed(self.session.send(&call, sent).await.map(drop), "OperationNotPermitted")
    }

    async fn delete_snapshot(&self, id: &SnapshotId) -> Result<Removal, Fault> {
        let call = Call::new("ec2:DeleteSnapshot", id.as_str());
        let sent = self.queries().delete_snapshot().snapshot_id(id.as_str()).send();
        removed(self.session.send(&call, sent).await.map(drop), "InvalidSnapshot.InUse")
    }
}

/// What came of a removal that EC2 refuses under this code while something holds the thing.
fn removed(answer: Result<(), Fault>, held: &str) -> Result<Removal, Fault> {
    match answer {
        Ok(()) => Ok(Removal::Gone),
        Err(fault) if fault.code == held => Ok(Removal::NotNow(fault.detail)),
        Err(fault) if fault.class == FaultClass::NotFound => Ok(Removal::Gone),
        Err(fault) => Err(fault),
    }
}

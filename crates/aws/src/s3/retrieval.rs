//! Has S3 retrieve archived objects.

use amiferry_core::fault::Fault;
use amiferry_core::ids::AccountId;
use amiferry_core::model::{Archived, ObjectVersion, Retrieval, Speed};
use amiferry_core::ports::ObjectRetrieval;
use async_trait::async_trait;
use aws_sdk_s3::types::{GlacierJobParameters, RestoreRequest, Tier};

use super::{S3Objects, path};
use crate::call::Call;

#[async_trait]
impl ObjectRetrieval for S3Objects {
    async fn retrieve(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        archived: &Archived,
        retrieval: Retrieval,
    ) -> Result<(), Fault> {
        let call = Call::new("s3:RestoreObject", path(&version.bucket, &version.key));
        let tier = match retrieval.speed.at(archived.depth()) {
            Speed::Expedited => Tier::Expedited,
            Speed::Standard => Tier::Standard,
            Speed::Bulk => Tier::Bulk,
        };
        let job = GlacierJobParameters::builder().tier(tier).build();
        let job = job.map_err(|error| call.unexpected("Tier", Some(&error.to_string())))?;
        let days = archived.lasts_days().then(|| i32::from(retrieval.days));
        let wanted = RestoreRequest::builder().set_days(days).glacier_job_parameters(job).build();
        let request = self
            .client
            .restore_object()
            .bucket(version.bucket.as_str())
            .key(version.key.as_str())
            .set_version_id(version.version.clone())
            .expected_bucket_owner(owner.as_str())
            .restore_request(wanted);
        match self.session.send(&call, request.send()).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.code == "RestoreAlreadyInProgress" => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

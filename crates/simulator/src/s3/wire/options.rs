//! Options of a write other than its content: the storage class, and options that new buckets
//! refuse (ACLs) or that are not simulated (customer-provided keys).

use jiff::Timestamp;

use super::access::invalid_request;
use crate::s3::object::Object;
use crate::s3::storage_class::StorageClass;
use crate::wire::scope::Service;
use crate::wire::{ApiError, Call};

/// The storage class that a write asks for.
///
/// # Errors
/// `InvalidStorageClass`.
pub(super) fn storage_class(call: &Call) -> Result<StorageClass, ApiError> {
    let Some(name) = call.header("x-amz-storage-class") else { return Ok(StorageClass::Standard) };
    StorageClass::named(name).ok_or_else(|| {
        ApiError::new(400, "InvalidStorageClass", "The storage class you specified is not valid")
            .with("StorageClassRequested", name)
    })
}

/// Refuses ACLs, as a bucket does whose objects belong to its owner ("bucket owner enforced", the
/// setting of every new bucket): only the ACL that means the same is accepted.
///
/// # Errors
/// `AccessControlListNotSupported`; `InvalidRequest` for a canned ACL beside grants.
pub(super) fn check_acl(call: &Call) -> Result<(), ApiError> {
    let grants = call.headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    match call.header("x-amz-acl") {
        Some(_) if grants => {
            Err(invalid_request("Specifying both Canned ACLs and Header Grants is not allowed"))
        }
        None | Some("bucket-owner-full-control") if !grants => Ok(()),
        _ => Err(ApiError::new(
            400,
            "AccessControlListNotSupported",
            "The bucket does not allow ACLs",
        )),
    }
}

/// Refuses server-side encryption with keys that the caller brings (SSE-C).
///
/// # Errors
/// `NotImplemented`, naming it: to ignore the header would store and show what the caller thinks
/// is encrypted.
pub(super) fn refuse_customer_keys(call: &Call) -> Result<(), ApiError> {
    let customer = ["x-amz-server-side-encryption-customer-", "x-amz-copy-source-server-side-"];
    let found = call
        .headers
        .keys()
        .any(|name| customer.iter().any(|start| name.as_str().starts_with(start)));
    if found {
        let what = "server-side encryption with customer-provided keys (SSE-C)";
        return Err(ApiError::unknown_operation(Service::S3, what));
    }
    Ok(())
}

/// Refuses to open an object whose storage class keeps it from being read.
///
/// # Errors
/// `InvalidObjectState`.
pub(super) fn check_readable(object: &Object, now: Timestamp) -> Result<(), ApiError> {
    if object.is_readable(now) {
        return Ok(());
    }
    let message = "The operation is not valid for the object's storage class";
    let refused = ApiError::new(403, "InvalidObjectState", message)
        .with("StorageClass", object.storage_class.name());
    Err(match object.archive_status(now) {
        Some(tier) => refused.with("AccessTier", tier.name()),
        None => refused,
    })
}

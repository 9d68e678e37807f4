//! Simulated S3: buckets, versions, multipart uploads, conditional writes, Object Lock.

pub mod content;
pub mod wire;

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Region};
use jiff::Timestamp;

use crate::world::State;
use content::Content;

/// S3's rates and switches.
#[derive(Debug, Clone, Default)]
pub struct Settings {}

/// All buckets of all accounts, by name.
#[derive(Debug, Default)]
pub struct Buckets {}

/// What happens in S3 by itself.
#[derive(Debug)]
pub enum Due {}

/// Lets one due thing happen.
pub fn happen(_state: &mut State, _at: Timestamp, due: Due) {
    match due {}
}

/// An object that EC2's store task writes.
#[derive(Debug, Clone)]
pub struct NewObject {
    /// The content.
    pub content: Content,
    /// User metadata (`x-amz-meta-` names without that prefix).
    pub metadata: BTreeMap<String, String>,
    /// Object tags.
    pub tags: BTreeMap<String, String>,
}

/// Where a bucket is: owner and Region, or `None` if there is no such bucket.
pub fn bucket_home(_state: &State, _bucket: &str) -> Option<(AccountId, Region)> {
    None
}

/// Writes an object as EC2's multipart upload does, with its notifications.
///
/// # Errors
/// The S3 error code, for the task's failure reason.
pub fn put_by_service(
    _state: &mut State,
    _at: Timestamp,
    _bucket: &str,
    _key: &str,
    _object: NewObject,
) -> Result<(), String> {
    Err("NoSuchBucket".to_owned())
}

/// The current version's content, as EC2's restore reads it.
///
/// # Errors
/// The S3 error code.
pub fn read_by_service(_state: &State, _bucket: &str, _key: &str) -> Result<Content, String> {
    Err("NoSuchBucket".to_owned())
}

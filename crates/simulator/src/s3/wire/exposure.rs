//! Who a bucket admits by its own settings: the block of public access, and who owns its objects. Both
//! are kept and given back; the simulated AWS has no ACLs, and judges policies as they are.

use super::access::{Request, no_such_bucket};
use super::body;
use super::document::Element;
use crate::s3::bucket::Bucket;
use crate::wire::{Answer, ApiError, Incoming};

/// One of both settings.
pub(super) struct Setting {
    /// The root of its document.
    root: &'static str,
    /// The actions that read and change it.
    actions: [&'static str; 2],
    /// The error where there is none.
    missing: [&'static str; 2],
    of: fn(&mut Bucket) -> &mut Option<String>,
}

pub(super) const PUBLIC_ACCESS: Setting = Setting {
    root: "PublicAccessBlockConfiguration",
    actions: ["s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"],
    missing: [
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
    ],
    of: |bucket| &mut bucket.public_access_block,
};

pub(super) const OWNERSHIP: Setting = Setting {
    root: "OwnershipControls",
    actions: ["s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls"],
    missing: ["OwnershipControlsNotFoundError", "The bucket ownership controls were not found"],
    of: |bucket| &mut bucket.ownership,
};

pub(super) fn get(request: &Request<'_>, setting: &Setting) -> Result<Answer, ApiError> {
    let mut state = request.world.lock();
    request.open(&state, setting.actions[0])?;
    let bucket = state.s3.bucket_mut(&request.bucket);
    let bucket = bucket.ok_or_else(|| no_such_bucket(&request.bucket))?;
    let [code, message] = setting.missing;
    match (setting.of)(bucket) {
        Some(document) => Ok(Answer::ok("application/xml", document.clone())),
        None => Err(ApiError::new(404, code, message).with("BucketName", bucket.name.clone())),
    }
}

pub(super) async fn put(
    request: &Request<'_>,
    setting: &Setting,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    Element::parse(&document, setting.root)?;
    let text = String::from_utf8_lossy(&document).into_owned();
    set(request, setting, Some(text)).map(|()| Answer::empty(200))
}

pub(super) fn delete(request: &Request<'_>, setting: &Setting) -> Result<Answer, ApiError> {
    set(request, setting, None).map(|()| Answer::empty(204))
}

fn set(request: &Request<'_>, setting: &Setting, document: Option<String>) -> Result<(), ApiError> {
    let mut state = request.world.lock();
    request.open(&state, setting.actions[1])?;
    let bucket = state.s3.bucket_mut(&request.bucket);
    *(setting.of)(bucket.ok_or_else(|| no_such_bucket(&request.bucket))?) = document;
    Ok(())
}

//! The lifecycle configuration of a bucket: kept and given back. Its rules do not act: nothing
//! expires, moves or is aborted by itself here.

use super::access::{Request, no_such_bucket};
use super::body;
use super::document::Element;
use crate::s3::multipart::malformed_xml;
use crate::wire::{Answer, ApiError, Incoming};

pub(super) fn get(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open(&state, "s3:GetLifecycleConfiguration")?;
    match &bucket.lifecycle {
        Some(document) => Ok(Answer::ok("application/xml", document.clone())),
        None => Err(ApiError::new(
            404,
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        )
        .with("BucketName", bucket.name.clone())),
    }
}

pub(super) async fn put(request: &Request<'_>, body: Incoming) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "LifecycleConfiguration")?;
    if element.all("Rule").next().is_none() {
        return Err(malformed_xml());
    }
    for rule in element.all("Rule") {
        if !matches!(rule.required("Status")?, "Enabled" | "Disabled") {
            return Err(malformed_xml());
        }
    }
    let text = String::from_utf8(document.to_vec()).map_err(|_| malformed_xml())?;
    set(request, Some(text)).map(|()| Answer::empty(200))
}

pub(super) fn delete(request: &Request<'_>) -> Result<Answer, ApiError> {
    set(request, None).map(|()| Answer::empty(204))
}

fn set(request: &Request<'_>, document: Option<String>) -> Result<(), ApiError> {
    let mut state = request.world.lock();
    request.open(&state, "s3:PutLifecycleConfiguration")?;
    let bucket = state.s3.bucket_mut(&request.bucket);
    bucket.ok_or_else(|| no_such_bucket(&request.bucket))?.lifecycle = document;
    Ok(())
}

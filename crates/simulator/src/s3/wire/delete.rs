//! Deleting objects and versions.

use super::access::{Request, no_such_bucket};
use super::document::Element;
use super::write::{allow_bypass, asks_bypass};
use super::{body, xml};
use crate::s3::lock;
use crate::s3::multipart::malformed_xml;
use crate::s3::notify::{self, Happened, What};
use crate::s3::object::{Deleted, NULL_VERSION, Version, VersionKind};
use crate::wire::{Answer, ApiError, Incoming};
use crate::world::State;

/// The most keys of one `DeleteObjects`.
const MOST: usize = 1000;

pub(super) fn delete_object(request: &Request<'_>) -> Result<Answer, ApiError> {
    let mut state = request.world.lock();
    request.home(&state)?;
    let version = request.call.param("versionId");
    let deleted = delete(request, &mut state, &request.key, version)?;
    let mut answer = Answer::empty(204);
    if let Some(id) = &deleted.version {
        answer = answer.with("x-amz-version-id", id);
    }
    if deleted.marker {
        answer = answer.with("x-amz-delete-marker", "true");
    }
    Ok(answer)
}

pub(super) async fn delete_objects(
    request: &Request<'_>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "Delete")?;
    let quiet = element.text_of("Quiet") == Some("true");
    let mut wanted = Vec::new();
    for object in element.all("Object") {
        let key = object.child("Key").ok_or_else(malformed_xml)?.text.clone();
        wanted.push((key, object.text_of("VersionId").map(str::to_owned)));
    }
    if wanted.is_empty() || wanted.len() > MOST {
        return Err(malformed_xml());
    }
    let mut state = request.world.lock();
    request.home(&state)?;
    let results: Vec<_> = wanted
        .into_iter()
        .map(|(key, version)| {
            let result = delete(request, &mut state, &key, version.as_deref());
            (key, version, result)
        })
        .collect();
    Ok(xml("DeleteResult", |x| {
        for (key, version, result) in &results {
            match result {
                Ok(_) if quiet => {}
                Ok(deleted) => {
                    x.element("Deleted", |x| {
                        x.text("Key", key).maybe("VersionId", version.as_ref());
                        if deleted.marker {
                            x.text("DeleteMarker", true)
                                .maybe("DeleteMarkerVersionId", deleted.version.as_ref());
                        }
                    });
                }
                Err(error) => {
                    x.element("Error", |x| {
                        x.text("Key", key)
                            .maybe("VersionId", version.as_ref())
                            .text("Code", &error.code)
                            .text("Message", &error.message);
                    });
                }
            }
        }
    }))
}

/// Deletes a version for good, or, if none is named, the key as it is now. What is not there is
/// deleted already.
fn delete(
    request: &Request<'_>,
    state: &mut State,
    key: &str,
    version: Option<&str>,
) -> Result<Deleted, ApiError> {
    let now = request.world.now();
    let bucket = state.s3.bucket(&request.bucket).ok_or_else(|| no_such_bucket(&request.bucket))?;
    let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    request.allow(state, bucket, action, Some(key), &[])?;
    let (deleted, what) = match version {
        Some(id) => {
            if let Some(object) = bucket.version(key, id).and_then(Version::object)
                && !lock::may_delete(object, now, false)
            {
                if !asks_bypass(request) || !lock::may_delete(object, now, true) {
                    return Err(ApiError::new(403, "AccessDenied", lock::LOCKED));
                }
                allow_bypass(request, state, key)?;
            }
            let removed = state.s3.bucket_mut(&request.bucket).and_then(|b| b.remove(key, id));
            let marker =
                removed.as_ref().is_some_and(|v| matches!(v.kind, VersionKind::DeleteMarker));
            let deleted = Deleted { version: Some(id.to_owned()), marker, made_marker: false };
            (deleted, removed.map(|_| What::Delete))
        }
        None => {
            let existed = bucket.latest(key).is_some();
            let order = state.s3.next_order();
            let State { s3, rng, .. } = state;
            let bucket = s3.bucket_mut(&request.bucket);
            let bucket = bucket.ok_or_else(|| no_such_bucket(&request.bucket))?;
            let deleted = bucket.delete(rng, now, order, key);
            let what = if deleted.made_marker {
                Some(What::DeleteMarkerCreated)
            } else {
                existed.then_some(What::Delete)
            };
            (deleted, what)
        }
    };
    if let Some(what) = what {
        let happened = Happened {
            bucket: request.bucket.clone(),
            key: key.to_owned(),
            version: deleted.version.clone().filter(|id| id != NULL_VERSION),
            written: None,
            what,
            requester: request.call.caller.account.to_string(),
        };
        notify::announce(state, now, &happened);
    }
    Ok(deleted)
}

//! `RestoreObject`: retrieves an archived object.

use super::access::{Request, invalid_argument};
use super::body;
use super::document::Element;
use super::write::change;
use crate::s3::archive::Tier;
use crate::s3::multipart::malformed_xml;
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Incoming};

pub(super) async fn restore(request: &Request<'_>, body: Incoming) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "RestoreRequest")?;
    for what in ["Type", "SelectParameters", "OutputLocation"] {
        if element.child(what).is_some() {
            return Err(ApiError::unknown_operation(Service::S3, "RestoreObject with S3 Select"));
        }
    }
    let days = element.text_of("Days").map(|days| days.parse::<i64>());
    let days = days.transpose().map_err(|_| malformed_xml())?;
    let named = element.child("GlacierJobParameters").map(|job| job.required("Tier"));
    let named = named.transpose()?.or_else(|| element.text_of("Tier"));
    let tier = match named {
        None => Tier::default(),
        Some(name) => Tier::named(name)
            .ok_or_else(|| invalid_argument("Tier", name, "Retrieval option is not valid"))?,
    };
    let now = request.world.now();
    let mut state = request.world.lock();
    let bucket = request.open_key(&state, "s3:RestoreObject")?;
    request.find(&state, bucket)?;
    if tier == Tier::Expedited && !state.settings.s3.expedited_retrievals {
        return Err(ApiError::new(
            503,
            "GlacierExpeditedRetrievalNotAvailable",
            "Glacier expedited retrievals are currently not available, please try again later",
        ));
    }
    let mut restored = Ok(false);
    change(request, &mut state, |object| restored = object.restore(now, days, tier))?;
    Ok(Answer::empty(if restored? { 200 } else { 202 }))
}

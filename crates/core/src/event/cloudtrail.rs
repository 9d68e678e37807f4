//! Reads the calls that make an image, as CloudTrail reports them.

use super::eventbridge::Origin;
use super::fields::Fields;
use super::{EventKind, Hint, ImageHint, Parsed, Reject};

/// Reads `detail` of `AWS API Call via CloudTrail`.
///
/// The call was *accepted*: the image is pending, so the hint has no state. A call that failed
/// (`errorCode`, no `responseElements`) made no image and gives no hint.
pub(super) fn read(origin: Origin, detail: &Fields<'_>) -> Result<Parsed, Reject> {
    if !matches!(detail.text("eventName")?, "CreateImage" | "CopyImage" | "RegisterImage") {
        return Ok(Parsed::of(EventKind::Other, Vec::new()));
    }
    let kind = EventKind::CloudTrailCreateImage;
    if detail.has("errorCode") {
        return Ok(Parsed::of(kind, Vec::new()));
    }
    let Some(response) = detail.optional_object("responseElements")? else {
        return Ok(Parsed::of(kind, Vec::new()));
    };
    let image = response.id("imageId")?;
    let hint = ImageHint { account: origin.account, region: origin.region, image, state: None };
    Ok(Parsed::of(kind, vec![Hint::Image(hint)]))
}

//! Decides whether an image is protected: by which policy, or why not.

use jiff::Timestamp;

use super::shown;
use crate::code::Code;
use crate::model::{Image, ImageState, RootDeviceType, Virtualization};
use crate::names::{SourceId, tag};
use crate::planted::{Bug, has};
use crate::policy::{Policies, Policy};

/// The largest image that a store task accepts, in GB before compression (EC2 user guide, *Store
/// and restore an AMI using S3*, limitations).
pub const LARGEST_GB: u64 = 5_000;

/// Why an image is left out, now or for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The reason; one of kind [`Waiting`](crate::code::Kind::Waiting) passes by itself.
    pub code: Code,
    /// The particulars.
    pub detail: String,
}

/// The policy that protects an image of a source at `now`, or why none does.
///
/// # Errors
/// The first reason in the order: ownership, origin, policy, age, state, kind, size; for an image
/// that has no name yet, only ownership and origin come before its state.
pub fn governing<'p>(
    policies: &'p Policies,
    source: &SourceId,
    image: &Image,
    now: Timestamp,
) -> Result<&'p Policy, LeftOut> {
    let left_out = |code: Code, detail: String| Err(LeftOut { code, detail: shown(detail) });
    if image.owner != source.account {
        return left_out(Code::NotOwned, format!("owned by {}", image.owner));
    }
    if is_own_restore(image) {
        return left_out(Code::OwnRestore, format!("restored as {}", image.name));
    }
    if let Some(state) = unnamed_yet(image) {
        return left_out(Code::ImagePending, format!("state {state}, without a name yet"));
    }
    let Some(policy) = policies.governing(source, image) else {
        return left_out(Code::NoPolicy, "no policy's tags and names match".to_owned());
    };
    if let Some(most) = policy.max_age
        && now.duration_since(image.created) > most.signed()
    {
        let (created, policy) = (image.created, &policy.name);
        let detail = format!("created at {created}; policy {policy} takes images of up to {most}");
        return left_out(Code::TooOld, detail);
    }
    match &image.state {
        ImageState::Available => {}
        ImageState::Pending => return left_out(Code::ImagePending, "state pending".to_owned()),
        ImageState::Disabled => return left_out(Code::ImageDisabled, "state disabled".to_owned()),
        ImageState::Deregistered => {
            return left_out(Code::ImageGone, "state deregistered".to_owned());
        }
        ImageState::Failed => {
            let reason = image.state_reason.clone().unwrap_or_else(|| "no reason given".into());
            return left_out(Code::ImageFailed, reason);
        }
        ImageState::Other(state) => {
            return left_out(Code::ImagePending, format!("state {state}"));
        }
    }
    if image.root_device_type != RootDeviceType::Ebs {
        let kind = image.root_device_type.as_str();
        return left_out(Code::NotEbsBacked, format!("root device type {kind}"));
    }
    if image.virtualization != Virtualization::Hvm {
        let kind = image.virtualization.as_str();
        return left_out(Code::Paravirtual, format!("virtualization type {kind}"));
    }
    let size = image.size_gib();
    if size > LARGEST_GB {
        return left_out(Code::TooLarge, format!("{size} GB of at most {LARGEST_GB}"));
    }
    Ok(policy)
}

/// The state of an image that EC2 is still creating and that has no name yet, so that it is unknown
/// which policy will select it.
fn unnamed_yet(image: &Image) -> Option<&str> {
    match &image.state {
        ImageState::Pending if image.name.is_empty() => Some("pending"),
        ImageState::Other(state) if image.name.is_empty() => Some(state),
        _ => None,
    }
}

/// Whether amiferry restored the image itself: a copy is never a source, or copies would be
/// copied without end. Name and tag are both given in the call that creates it.
fn is_own_restore(image: &Image) -> bool {
    image.tags.get(tag::MANAGED).is_some_and(|value| value == "true")
        && (image.name.starts_with("amiferry/") || has(Bug::SourceTagTrusted))
}

//! Image names: their grammar, and that each is used once per account and Region.

use jiff::Timestamp;

use super::image::ImageState;
use super::{Place, errors, time};
use crate::wire::ApiError;
use crate::world::State;

/// Checks a name's grammar: 3 to 128 characters of those that `RegisterImage` lists.
///
/// # Errors
/// `InvalidAMIName.Malformed`.
pub fn check(name: &str) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ()[]./-'@_".contains(c);
    if (3..=128).contains(&name.chars().count()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(errors::refused(
        "InvalidAMIName.Malformed",
        format!(
            "AMI name {name:?} is invalid: names must be between 3 and 128 characters long, and \
             may contain letters, numbers, ' ', '(', ')', '[', ']', '.', '/', '-', ''', '@' and '_'"
        ),
    ))
}

/// Refuses a name that is taken.
///
/// # Errors
/// `InvalidAMIName.Duplicate`, naming the image that has it.
pub fn refuse_duplicate(
    state: &State,
    place: &Place,
    name: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let Some(site) = state.ec2.get(place) else { return Ok(()) };
    let keeps = |state_of: ImageState| {
        state_of != ImageState::Failed || state.settings.ec2.failed_image_keeps_name
    };
    let holder = site.images.values().find(|image| image.name == name && keeps(image.state));
    let by = match holder {
        Some(image) => image.id.to_string(),
        None if site.retired_names.get(name).is_some_and(|until| now < *until) => {
            "an AMI that was deregistered a short time ago".to_owned()
        }
        None => return Ok(()),
    };
    Err(errors::refused(
        "InvalidAMIName.Duplicate",
        format!("AMI name {name} is already in use by AMI {by}"),
    ))
}

/// Remembers the name of an image that is being deregistered.
pub fn retire(state: &mut State, place: &Place, name: String, now: Timestamp) {
    let until = time::after(now, state.settings.ec2.name_release);
    if until > now
        && let Some(site) = state.ec2.get_mut(place)
    {
        site.retired_names.retain(|_, until| *until > now);
        site.retired_names.insert(name, until);
    }
}

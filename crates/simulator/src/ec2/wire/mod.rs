//! The `ec2` query protocol: finds the operation, counts and throttles it, and writes answers.
//!
//! Each operation reads its parameters, asks [`request::Request::permit`] (which also ends a
//! DryRun), calls the rules of the model, and writes the answer with the element names of the
//! EC2 API model.

mod blocks;
mod encryption;
mod filter;
mod image_attributes;
mod image_xml;
mod images;
mod page;
mod places;
mod references;
mod request;
mod snapshot_attributes;
mod snapshots;
mod tags;
mod tasks;
mod volumes;

use bytes::Bytes;

use super::throttle;
use super::trail::Recorded;
use crate::World;
use crate::wire::form::Form;
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call};
use request::Request;

/// Answers one call.
///
/// # Errors
/// What EC2 answers; `NotImplemented` naming an operation that is not simulated.
// The other services wait inside (long polls, bodies); the router awaits all alike.
#[expect(clippy::unused_async, reason = "the router awaits every service alike")]
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let form = Form::parse(body);
    let action = form.required("Action")?.to_owned();
    let now = world.now();
    let mut state = world.lock();
    *state.calls.entry(("ec2", action.clone())).or_default() += 1;
    let operation =
        operation(&action).ok_or_else(|| ApiError::unknown_operation(Service::Ec2, &action))?;
    let place = (call.caller.account.clone(), call.region.clone());
    let bucket = match action.as_str() {
        "DescribeSnapshots" if snapshots::is_unbounded(&form) => throttle::UNFILTERED_SNAPSHOTS,
        action => action,
    };
    throttle::admit(&mut state, &place, bucket, now)?;
    let traced = state.settings.ec2.trail.then(|| (place.clone(), action.clone(), form.clone()));
    let mut request = Request { state: &mut state, caller: &call.caller, place, now, action, form };
    let outcome = operation(&mut request).map(|body| Answer::ok("text/xml;charset=UTF-8", body));
    if let Some((place, action, form)) = &traced {
        Recorded { caller: &call.caller, place, action, form }.announce(&mut state, &outcome);
    }
    outcome
}

type Operation = fn(&mut Request<'_>) -> Result<String, ApiError>;

fn operation(action: &str) -> Option<Operation> {
    Some(match action {
        "CopyImage" => images::copy,
        "CreateImage" => images::create,
        "DeregisterImage" => images::deregister,
        "DescribeImageReferences" => references::describe,
        "DescribeImages" => images::describe,
        "DisableImage" => images::disable,
        "EnableImage" => images::enable,
        "RegisterImage" => images::register,
        "DescribeImageAttribute" => image_attributes::describe,
        "DisableImageDeregistrationProtection" => image_attributes::unprotect,
        "EnableImageDeregistrationProtection" => image_attributes::protect,
        "ModifyImageAttribute" => image_attributes::modify,
        "CreateRestoreImageTask" => tasks::restore,
        "CreateStoreImageTask" => tasks::store,
        "DescribeStoreImageTasks" => tasks::describe,
        "DescribeSnapshotAttribute" => snapshot_attributes::describe,
        "ModifySnapshotAttribute" => snapshot_attributes::modify,
        "CreateSnapshot" => snapshots::create,
        "CreateVolume" => volumes::create,
        "DeleteSnapshot" => snapshots::delete,
        "DescribeSnapshots" => snapshots::describe,
        "DeleteVolume" => volumes::delete,
        "DescribeVolumes" => volumes::describe,
        "CreateTags" => tags::create,
        "DeleteTags" => tags::delete,
        "DescribeTags" => tags::describe,
        "DisableEbsEncryptionByDefault" => encryption::disable,
        "EnableEbsEncryptionByDefault" => encryption::enable,
        "GetEbsDefaultKmsKeyId" => encryption::key,
        "GetEbsEncryptionByDefault" => encryption::get,
        "ModifyEbsDefaultKmsKeyId" => encryption::set_key,
        "ResetEbsDefaultKmsKeyId" => encryption::reset_key,
        "DescribeAvailabilityZones" => places::zones,
        "DescribeRegions" => places::regions,
        _ => return None,
    })
}

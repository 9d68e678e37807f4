//! STS on the wire: the query protocol of 2011-06-15, XML answers.

mod assume;

use bytes::Bytes;

use crate::World;
use crate::iam::user_id;
use crate::wire::answer::REQUEST_ID;
use crate::wire::form::Form;
use crate::wire::scope::Service;
use crate::wire::xml::Xml;
use crate::wire::{Answer, ApiError, Call};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers one call.
///
/// # Errors
/// What the service answers.
#[expect(clippy::unused_async, reason = "the services' doors have one shape")]
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let form = Form::parse(body);
    let action = form.get("Action").unwrap_or_default();
    *world.lock().calls.entry((Service::Sts.name(), action.to_owned())).or_default() += 1;
    match action {
        "AssumeRole" => assume::assume_role(world, call, &form),
        "GetCallerIdentity" => Ok(caller_identity(world, call)),
        _ => Err(ApiError::unknown_operation(Service::Sts, action)),
    }
}

fn respond(action: &str, result: impl FnOnce(&mut Xml)) -> Answer {
    let body = Xml::document(&format!("{action}Response"), Some(NAMESPACE), |x| {
        x.element(&format!("{action}Result"), result);
        x.element("ResponseMetadata", |x| {
            x.text("RequestId", REQUEST_ID);
        });
    });
    Answer::ok("text/xml", body)
}

/// Needs no permission and cannot be denied: a revoked session gets it too.
fn caller_identity(world: &World, call: &Call) -> Answer {
    let caller = &call.caller;
    let user = user_id(&world.lock(), caller);
    respond("GetCallerIdentity", |x| {
        x.text("Arn", caller.arn()).text("UserId", user).text("Account", &caller.account);
    })
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(400, "ValidationError", message)
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;

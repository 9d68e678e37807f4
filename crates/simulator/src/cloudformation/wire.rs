//! CloudFormation on the wire: the query protocol of 2010-05-15, XML answers.

mod change_sets;
mod describe;
mod request;
mod stacks;

use bytes::Bytes;

use crate::World;
use crate::wire::answer::REQUEST_ID;
use crate::wire::form::Form;
use crate::wire::scope::Service;
use crate::wire::xml::Xml;
use crate::wire::{Answer, ApiError, Call};
use request::Request;

/// The namespace of answers and errors.
pub const NAMESPACE: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";

/// Answers one call.
///
/// # Errors
/// What the service answers.
#[expect(clippy::unused_async, reason = "the services' doors have one shape")]
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let form = Form::parse(body);
    let action = form.get("Action").unwrap_or_default();
    let now = world.now();
    let mut state = world.lock();
    *state.calls.entry((Service::CloudFormation.name(), action.to_owned())).or_default() += 1;
    let mut request = Request { state: &mut state, call, form: &form, now };
    match action {
        "CreateStack" => stacks::create(&mut request),
        "UpdateStack" => stacks::update(&mut request),
        "DeleteStack" => stacks::delete(&mut request),
        "CreateChangeSet" => change_sets::create(&mut request),
        "DescribeChangeSet" => change_sets::describe(&request),
        "ExecuteChangeSet" => change_sets::execute(&mut request),
        "DeleteChangeSet" => change_sets::delete(&mut request),
        "DescribeStacks" => describe::stacks(&request),
        "DescribeStackEvents" => describe::events(&request),
        "DescribeStackResources" => describe::resources(&request),
        "ListStackResources" => describe::listed(&request),
        "GetTemplate" => describe::template(&request),
        "GetTemplateSummary" => describe::summary(&request),
        "ValidateTemplate" => describe::validated(&request),
        _ => Err(ApiError::unknown_operation(Service::CloudFormation, action)),
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

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;

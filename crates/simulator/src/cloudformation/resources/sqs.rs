//! `AWS::SQS::Queue` and `AWS::SQS::QueuePolicy`.

use amiferry_core::ids::Arn;
use serde_json::Value;

use super::properties::{Properties, missing};
use super::{CHOSEN, Ground, Made, Wish, made, taken};
use crate::sqs;

/// Properties that are attributes of the same name.
const ATTRIBUTES: [&str; 10] = [
    "DelaySeconds",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

pub(super) fn put_queue(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let known: Vec<&str> = ATTRIBUTES.iter().copied().chain(["QueueName"]).collect();
    wish.properties.only(&known)?;
    let given = wish.properties.text("QueueName")?;
    let name = ground.name(wish, given);
    let arn = arn_of(&ground.arn("sqs", &name))?;
    let is_own = wish.old.and_then(|old| old.attributes.get("QueueName")) == Some(&name);
    if !is_own && sqs::exists(ground.state, &arn) {
        return Err(taken("AWS::SQS::Queue", &name));
    }
    let mut attributes = Vec::new();
    for attribute in ATTRIBUTES {
        let value = match wish.properties.value(attribute) {
            Some(value @ Value::Object(_)) => Some(value.to_string()),
            _ => wish.properties.text(attribute)?,
        };
        attributes.extend(value.map(|value| (attribute, value)));
    }
    sqs::configure_queue(ground.state, ground.now, &arn, &attributes)?;
    let url = format!("{}/{}/{name}", ground.queues, ground.account);
    let attributes = [
        ("Arn", arn.to_string()),
        ("QueueName", name.clone()),
        ("QueueUrl", url.clone()),
        (CHOSEN, name),
    ];
    Ok(made(url, attributes))
}

pub(super) fn delete_queue(
    ground: &mut Ground<'_>,
    made: &Made,
    _: &Properties<'_>,
) -> Result<(), String> {
    let arn = arn_of(made.attributes.get("Arn").map(String::as_str).unwrap_or_default())?;
    sqs::delete_queue(ground.state, ground.now, &arn);
    Ok(())
}

pub(super) fn put_policy(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    wish.properties.only(&["Queues", "PolicyDocument"])?;
    let policy = wish.properties.json("PolicyDocument").ok_or_else(|| missing("PolicyDocument"))?;
    let queues = queues(ground, &wish.properties)?;
    for queue in &queues {
        sqs::set_policy(ground.state, queue, &policy)?;
    }
    let first = queues.first().ok_or_else(|| missing("Queues"))?;
    let physical = format!("{}-{}", ground.stack, first.resource());
    Ok(made(physical.clone(), [("Id", physical)]))
}

pub(super) fn delete_policy(
    ground: &mut Ground<'_>,
    _: &Made,
    properties: &Properties<'_>,
) -> Result<(), String> {
    for queue in queues(ground, properties)? {
        if sqs::exists(ground.state, &queue) {
            sqs::set_policy(ground.state, &queue, "")?;
        }
    }
    Ok(())
}

/// The queues that a policy is for, by the last part of their URLs.
fn queues(ground: &Ground<'_>, properties: &Properties<'_>) -> Result<Vec<Arn>, String> {
    let urls = properties.texts("Queues")?;
    let name = |url: &String| url.rsplit('/').next().unwrap_or_default().to_owned();
    urls.iter().map(|url| arn_of(&ground.arn("sqs", &name(url)))).collect()
}

fn arn_of(text: &str) -> Result<Arn, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

//! The resources of stacks, by type: how each is made, changed and deleted in the simulated services.

mod events;
mod iam;
mod kms;
mod properties;
mod recorded;
mod s3;
mod secrets;
mod sqs;

use amiferry_core::ids::{AccountId, Region};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::functions::Made;
use crate::iam::identifier;
use crate::world::State;
use properties::Properties;

/// Where the resources of a stack are made.
#[derive(Debug)]
pub struct Ground<'a> {
    pub state: &'a mut State,
    pub now: Timestamp,
    pub account: &'a AccountId,
    pub region: &'a Region,
    /// The stack's name, which begins the names that CloudFormation chooses.
    pub stack: &'a str,
    /// What stands before the path of queue URLs, such as `http://127.0.0.1:4566`.
    pub queues: &'a str,
}

/// A resource as a deployment wants it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Its logical id.
    pub logical: &'a str,
    pub properties: Properties<'a>,
    /// What is there now, for an update. Where what identifies it changes, another one is made and this
    /// one stays.
    pub old: Option<&'a Made>,
}

/// How the resources of one type are made and deleted.
struct Kind {
    name: &'static str,
    put: fn(&mut Ground<'_>, &Wish<'_>) -> Result<Made, String>,
    delete: fn(&mut Ground<'_>, &Made, &Properties<'_>) -> Result<(), String>,
}

const KINDS: [Kind; 15] = [
    Kind { name: "AWS::KMS::Key", put: kms::put_key, delete: kms::delete_key },
    Kind { name: "AWS::KMS::Alias", put: kms::put_alias, delete: kms::delete_alias },
    Kind { name: "AWS::S3::Bucket", put: s3::put_bucket, delete: s3::delete_bucket },
    Kind { name: "AWS::S3::BucketPolicy", put: s3::put_policy, delete: s3::delete_policy },
    Kind { name: "AWS::SQS::Queue", put: sqs::put_queue, delete: sqs::delete_queue },
    Kind { name: "AWS::SQS::QueuePolicy", put: sqs::put_policy, delete: sqs::delete_policy },
    Kind { name: "AWS::Events::Rule", put: events::put_rule, delete: events::delete_rule },
    Kind {
        name: "AWS::Events::EventBusPolicy",
        put: events::put_policy,
        delete: events::delete_policy,
    },
    Kind { name: "AWS::IAM::Role", put: iam::put_role, delete: iam::delete_role },
    Kind { name: "AWS::SecretsManager::Secret", put: secrets::put, delete: secrets::delete },
    Kind { name: "AWS::Logs::LogGroup", put: recorded::log_group, delete: recorded::delete },
    Kind { name: "AWS::CloudWatch::Alarm", put: recorded::alarm, delete: recorded::delete },
    Kind { name: "AWS::ECS::Cluster", put: recorded::cluster, delete: recorded::delete },
    Kind {
        name: "AWS::ECS::TaskDefinition",
        put: recorded::task_definition,
        delete: recorded::delete,
    },
    Kind { name: "AWS::ECS::Service", put: recorded::service, delete: recorded::delete },
];

fn kind(name: &str) -> Result<&'static Kind, String> {
    let found = KINDS.iter().find(|kind| kind.name == name);
    found.ok_or_else(|| format!("the simulated CloudFormation lacks the resource type {name}"))
}

/// Makes a resource, or changes the one that is there.
///
/// # Errors
/// Why not: a type or property that is not simulated, a name that is taken, or what the service refuses.
pub fn put(
    ground: &mut Ground<'_>,
    kind_name: &str,
    logical: &str,
    properties: &Map<String, Value>,
    old: Option<&Made>,
) -> Result<Made, String> {
    let wish = Wish { logical, properties: Properties::new(properties), old };
    (kind(kind_name)?.put)(ground, &wish)
}

/// Deletes a resource. One that is gone already is deleted.
///
/// # Errors
/// Why it stays.
pub fn delete(
    ground: &mut Ground<'_>,
    kind_name: &str,
    made: &Made,
    properties: &Map<String, Value>,
) -> Result<(), String> {
    (kind(kind_name)?.delete)(ground, made, &Properties::new(properties))
}

impl Ground<'_> {
    /// The name of a resource: the given one, that of what is there, or one that CloudFormation chooses.
    fn name(&mut self, wish: &Wish<'_>, given: Option<String>) -> String {
        if let Some(name) = given {
            return name;
        }
        if let Some(old) = wish.old.and_then(|old| old.attributes.get(CHOSEN)) {
            return old.clone();
        }
        let suffix = identifier(&mut self.state.rng, 12);
        format!("{}-{}-{suffix}", self.stack, wish.logical)
    }

    fn place(&self) -> (AccountId, Region) {
        (self.account.clone(), self.region.clone())
    }

    /// An ARN of this account and Region.
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}

/// The attribute under which a chosen name is remembered; no `Fn::GetAtt` can name it.
const CHOSEN: &str = "(chosen name)";

/// A resource that is known by a physical id and attributes.
fn made<const N: usize>(physical: impl Into<String>, attributes: [(&str, String); N]) -> Made {
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
    Made { physical: physical.into(), attributes: attributes.into_iter().collect() }
}

/// What CloudFormation says of a name that is taken.
fn taken(kind: &str, name: &str) -> String {
    format!("Resource of type '{kind}' with identifier '{name}' already exists.")
}

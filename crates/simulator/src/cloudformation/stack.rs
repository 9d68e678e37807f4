//! What is kept of a stack: its resources, its parameters, and what happened to it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::functions::Made;
use super::parameters::Texts;
use super::template::Template;

/// A stack of one account and Region.
#[derive(Debug, Clone)]
pub struct Stack {
    pub name: String,
    /// Its ARN, which a later stack of the same name does not have.
    pub id: String,
    /// Such as `CREATE_COMPLETE`.
    pub status: &'static str,
    /// Why it is in that status, if there is more to say.
    pub reason: Option<String>,
    pub created: Timestamp,
    pub updated: Option<Timestamp>,
    pub deleted: Option<Timestamp>,
    /// What was deployed last; `None` while only a change set is there.
    pub deployed: Option<Deployment>,
    /// By logical id.
    pub resources: BTreeMap<String, Resource>,
    /// The logical ids, in the order in which they were made.
    pub order: Vec<String>,
    /// By name: the value and its description.
    pub outputs: BTreeMap<String, (String, Option<String>)>,
    /// What happened, oldest first.
    pub events: Vec<Happened>,
    /// What may be executed, by name.
    pub change_sets: BTreeMap<String, ChangeSet>,
}

/// A template with its parameters, checked.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The template as it was given.
    pub text: String,
    pub template: Template,
    pub parameters: Texts,
    /// In the order in which they are made.
    pub order: Vec<String>,
    /// What the caller acknowledged, such as `CAPABILITY_NAMED_IAM`.
    pub capabilities: Vec<String>,
    /// Tags of the stack, kept and given back.
    pub tags: Vec<(String, String)>,
}

/// A resource of a stack.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its type.
    pub kind: String,
    pub made: Made,
    /// Its properties, resolved.
    pub properties: Map<String, Value>,
    /// Whether it stays when the stack goes.
    pub retained: bool,
    /// Such as `CREATE_COMPLETE`.
    pub status: &'static str,
    /// When it came into that status.
    pub since: Timestamp,
}

/// One event of a stack.
#[derive(Debug, Clone)]
pub struct Happened {
    pub at: Timestamp,
    /// The logical id of a resource, or the name of the stack.
    pub logical: String,
    pub physical: String,
    pub kind: String,
    pub status: &'static str,
    pub reason: Option<String>,
}

/// What a change set would do to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `Add`, `Modify` or `Remove`.
    pub action: &'static str,
    pub logical: String,
    pub physical: Option<String>,
    pub kind: String,
}

/// A deployment that waits to be executed.
#[derive(Debug, Clone)]
pub struct ChangeSet {
    pub name: String,
    /// Its ARN.
    pub id: String,
    pub description: Option<String>,
    pub created: Timestamp,
    pub deployment: Deployment,
    pub changes: Vec<Change>,
    /// Why it failed: it would change nothing.
    pub failed: Option<String>,
}

impl Stack {
    /// A stack without anything in it.
    pub fn new(name: &str, id: String, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            id,
            status: "REVIEW_IN_PROGRESS",
            reason: None,
            created: now,
            updated: None,
            deleted: None,
            deployed: None,
            resources: BTreeMap::new(),
            order: Vec::new(),
            outputs: BTreeMap::new(),
            events: Vec::new(),
            change_sets: BTreeMap::new(),
        }
    }

    /// What its resources are known by.
    pub fn made(&self) -> BTreeMap<String, Made> {
        let resources = self.resources.iter();
        resources.map(|(id, resource)| (id.clone(), resource.made.clone())).collect()
    }

    /// Comes into a status, and says so.
    pub fn become_(&mut self, at: Timestamp, status: &'static str, reason: Option<String>) {
        self.status = status;
        self.reason.clone_from(&reason);
        let (logical, physical) = (self.name.clone(), self.id.clone());
        let kind = "AWS::CloudFormation::Stack".to_owned();
        self.events.push(Happened { at, logical, physical, kind, status, reason });
    }

    /// Says what happened to a resource.
    pub fn tell(
        &mut self,
        at: Timestamp,
        logical: &str,
        (kind, physical): (&str, &str),
        status: &'static str,
        reason: Option<String>,
    ) {
        let (logical, physical) = (logical.to_owned(), physical.to_owned());
        let kind = kind.to_owned();
        self.events.push(Happened { at, logical, physical, kind, status, reason });
    }
}

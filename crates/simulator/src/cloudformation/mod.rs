//! Simulated CloudFormation: stacks of the types that a deployment of amiferry has.
//!
//! Pure: [`yaml`] and [`template`] read a template, [`parameters`] and [`check`] decide whether it may be
//! deployed, [`functions`] resolves what refers to something, [`order`] says what comes after what. The
//! rest changes the world: [`deploy`] makes, updates and deletes stacks resource by resource, with what
//! [`resources`] knows of each type. An operation is over when its call is answered; in AWS it takes
//! minutes.
//!
//! A resource is made as if by the account's administrator: of the caller only the `cloudformation:`
//! actions are asked.

mod check;
mod deploy;
mod functions;
mod order;
mod parameters;
mod resources;
mod stack;
mod template;
pub mod wire;
mod yaml;

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Region};

use check::{Place, Wanted};
use resources::Ground;
use stack::Stack;

use crate::World;

/// CloudFormation of one account and Region.
#[derive(Debug, Default)]
pub struct Site {
    /// Stacks by name.
    stacks: BTreeMap<String, Stack>,
    /// Stacks that were deleted: their ids still find them.
    deleted: Vec<Stack>,
}

impl Site {
    /// The stack of a name, or of an id, which also finds a deleted one.
    fn find(&self, name_or_id: &str) -> Option<&Stack> {
        let by_id = |stack: &&Stack| stack.id == name_or_id;
        let named = self.stacks.get(name_or_id);
        named.or_else(|| self.stacks.values().chain(&self.deleted).find(by_id))
    }
}

/// Deploys a template into a new stack, as `CreateStack` does with every capability acknowledged, and
/// answers its outputs by name. URLs of queues are those of AWS.
///
/// # Errors
/// Why it is not deployed; what was made is then taken back.
pub fn create_stack(
    world: &World,
    (account, region): &(AccountId, Region),
    name: &str,
    template: &str,
    parameters: &[(&str, &str)],
) -> Result<BTreeMap<String, String>, String> {
    let now = world.now();
    let mut state = world.lock();
    let unique = crate::sqs::uuid(&mut state.rng);
    let id = format!("arn:aws:cloudformation:{region}:{account}:stack/{name}/{unique}");
    let mut stack = Stack::new(name, id, now);
    let texts = parameters.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let wanted = Wanted {
        text: template.to_owned(),
        parameters: texts.collect(),
        capabilities: vec!["CAPABILITY_NAMED_IAM".to_owned()],
        tags: Vec::new(),
    };
    let place = Place { account, region, stack: name, id: &stack.id };
    let deployment = check::check(wanted, place).map_err(|error| error.message)?;
    let queues = format!("https://sqs.{region}.amazonaws.com");
    let mut ground =
        Ground { state: &mut state, now, account, region, stack: name, queues: &queues };
    deploy::deploy(&mut ground, &mut stack, deployment);
    let outputs = stack.outputs.iter().map(|(name, (value, _))| (name.clone(), value.clone()));
    let outputs = outputs.collect();
    let is_complete = stack.status == "CREATE_COMPLETE";
    let failed = stack.events.iter().filter(|event| event.status.ends_with("FAILED"));
    let why: Vec<String> = failed
        .map(|event| format!("{}: {}", event.logical, event.reason.clone().unwrap_or_default()))
        .collect();
    let site = state.cloudformation.entry((account.clone(), region.clone())).or_default();
    site.stacks.insert(name.to_owned(), stack);
    if is_complete { Ok(outputs) } else { Err(why.join("; ")) }
}

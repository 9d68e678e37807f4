//! What every call has in common: who may, which stack, and what is to be deployed.

use jiff::Timestamp;

use crate::cloudformation::Site;
use crate::cloudformation::check::{Place, Wanted, check, invalid};
use crate::cloudformation::resources::Ground;
use crate::cloudformation::stack::{Deployment, Stack};
use crate::iam::{Access, authorize, identifier};
use crate::sqs::wire::host_of_queues;
use crate::wire::form::Form;
use crate::wire::{ApiError, Call};
use crate::world::State;

/// One call.
pub struct Request<'a> {
    pub state: &'a mut State,
    pub call: &'a Call,
    pub form: &'a Form,
    pub now: Timestamp,
}

/// Parameters that change what a call does and that are not simulated, with the value that changes nothing.
const LACKING: [(&str, &str); 12] = [
    ("DisableRollback", "false"),
    ("EnableTerminationProtection", "false"),
    ("ImportExistingResources", "false"),
    ("IncludeNestedStacks", "false"),
    ("OnFailure", "ROLLBACK"),
    ("OnStackFailure", "ROLLBACK"),
    ("DeletionMode", "STANDARD"),
    ("RoleARN", ""),
    ("StackPolicyBody", ""),
    ("StackPolicyURL", ""),
    ("TemplateURL", ""),
    ("NotificationARNs.member.1", ""),
];

impl Request<'_> {
    /// Whether the caller may do that with a stack, by its name or id.
    pub fn allowed(&self, operation: &str, stack: &str) -> Result<(), ApiError> {
        let resource = if stack.starts_with("arn:") {
            stack.to_owned()
        } else {
            let stack = if stack.is_empty() { "*" } else { stack };
            self.arn(&format!("stack/{stack}/*"))
        };
        let access = Access {
            action: &format!("cloudformation:{operation}"),
            resource: &resource,
            owner: &self.call.caller.account,
            resource_policy: None,
            context: &[],
        };
        authorize(self.state, &self.call.caller, &access)
            .map_err(|denial| ApiError::new(403, "AccessDenied", denial.message))
    }

    /// That the call has no parameter whose effect is not simulated.
    pub fn complete(&self) -> Result<(), ApiError> {
        let lacking = LACKING.iter().find(|(name, usual)| {
            self.form.get(name).is_some_and(|value| !value.is_empty() && value != *usual)
        });
        match lacking {
            Some((name, _)) => {
                let message = format!("the simulated CloudFormation lacks the parameter {name}");
                Err(ApiError::new(501, "NotImplemented", message))
            }
            None => Ok(()),
        }
    }

    /// The name or id of the stack that the call is about.
    pub fn stack_name(&self) -> Result<&str, ApiError> {
        let name = self.form.get("StackName").filter(|name| !name.is_empty());
        name.ok_or_else(|| {
            invalid(
                "1 validation error detected: Value null at 'stackName' failed to satisfy \
                 constraint: Member must not be null",
            )
        })
    }

    /// The stacks of the caller's account and Region.
    pub fn site(&self) -> Option<&Site> {
        self.state.cloudformation.get(&self.place())
    }

    /// The same, to be changed.
    pub fn site_mut(&mut self) -> &mut Site {
        let place = self.place();
        self.state.cloudformation.entry(place).or_default()
    }

    fn place(&self) -> (amiferry_core::ids::AccountId, amiferry_core::ids::Region) {
        (self.call.caller.account.clone(), self.call.region.clone())
    }

    /// A stack by its name or id.
    pub fn find(&self, name: &str) -> Result<&Stack, ApiError> {
        let found = self.site().and_then(|site| site.find(name));
        found.ok_or_else(|| invalid(format!("Stack with id {name} does not exist")))
    }

    /// A stack without anything in it, which is in no list yet.
    pub fn new_stack(&mut self, name: &str) -> Result<Stack, ApiError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !begins || name.len() > 128 || !name.chars().all(fits) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
            )));
        }
        let unique = crate::sqs::uuid(&mut self.state.rng);
        Ok(Stack::new(name, self.arn(&format!("stack/{name}/{unique}")), self.now))
    }

    /// An ARN of CloudFormation in the caller's account and Region.
    pub fn arn(&self, resource: &str) -> String {
        let (account, region) = self.place();
        format!("arn:aws:cloudformation:{region}:{account}:{resource}")
    }

    /// Random letters for the id of a change set.
    pub fn unique(&mut self) -> String {
        identifier(&mut self.state.rng, 12).to_lowercase()
    }

    /// What the call wants to be deployed into a stack, checked against its template and rules.
    pub fn deployment(&self, stack: &Stack) -> Result<Deployment, ApiError> {
        let before = stack.deployed.as_ref();
        let previous = self.form.flag("UsePreviousTemplate");
        let text = match (self.form.get("TemplateBody").filter(|text| !text.is_empty()), before) {
            (Some(text), _) if !previous => text.to_owned(),
            (None, Some(before)) if previous => before.text.clone(),
            _ => return Err(invalid("Either Template URL or Template Body must be specified.")),
        };
        let mut wanted = Wanted {
            text,
            capabilities: self
                .form
                .list("Capabilities.member")
                .into_iter()
                .map(str::to_owned)
                .collect(),
            ..Wanted::default()
        };
        for given in self.form.structures("Parameters.member") {
            let name = given.get("ParameterKey").unwrap_or_default().to_owned();
            let value = if given.flag("UsePreviousValue") {
                let had = before.and_then(|before| before.parameters.get(&name));
                let missing = || {
                    invalid(format!(
                        "Invalid input for parameter key {name}. Cannot specify usePreviousValue as \
                         true for a parameter key not in the previous template"
                    ))
                };
                had.ok_or_else(missing)?.clone()
            } else {
                given.get("ParameterValue").unwrap_or_default().to_owned()
            };
            wanted.parameters.insert(name, value);
        }
        let tags = self.form.structures("Tags.member").into_iter().map(|tag| {
            let text = |name: &str| tag.get(name).unwrap_or_default().to_owned();
            (text("Key"), text("Value"))
        });
        wanted.tags = tags.collect();
        if wanted.tags.is_empty() {
            wanted.tags = before.map(|before| before.tags.clone()).unwrap_or_default();
        }
        let Call { caller, region, .. } = self.call;
        let place = Place { account: &caller.account, region, stack: &stack.name, id: &stack.id };
        check(wanted, place)
    }

    /// Does something to a stack and its resources. `does` gets the stack out of its list, and answers
    /// whether it is gone.
    pub fn with_ground<T>(&mut self, stack: &str, does: impl FnOnce(&mut Ground<'_>) -> T) -> T {
        let queues = host_of_queues(self.call);
        let mut ground = Ground {
            state: self.state,
            now: self.now,
            account: &self.call.caller.account,
            region: &self.call.region,
            stack,
            queues: &queues,
        };
        does(&mut ground)
    }
}

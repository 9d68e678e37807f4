//! Simulated IAM: roles, policies, and whether a call is allowed.

use std::collections::BTreeMap;

use amiferry_core::ids::AccountId;

use crate::principal::{Principal, PrincipalKind};
use crate::world::State;

/// IAM of one account.
#[derive(Debug, Default)]
pub struct Account {
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
}

/// A role that others may assume.
#[derive(Debug, Clone)]
pub struct Role {
    /// Who may assume it, and under which conditions.
    pub trust: Policy,
    /// What its sessions may do.
    pub permissions: Policy,
}

/// A policy document, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {}

impl Policy {
    /// Parses a policy document.
    ///
    /// # Errors
    /// What is wrong, or which element the simulation does not know: never ignored silently.
    pub fn parse(_json: &str) -> Result<Self, String> {
        Ok(Self {})
    }
}

/// One question to IAM: may the caller do this?
#[derive(Debug)]
pub struct Access<'a> {
    /// The action, such as `s3:GetObject`.
    pub action: &'a str,
    /// The ARN of the resource.
    pub resource: &'a str,
    /// The account that owns the resource.
    pub owner: &'a AccountId,
    /// The resource's own policy (bucket, queue, key, role trust), if it has one.
    pub resource_policy: Option<&'a Policy>,
    /// Condition keys of this request and their values, such as `sts:ExternalId`.
    pub context: &'a [(&'a str, String)],
}

/// A refusal, in the words of AWS: who may not do what to which resource, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// `User: ARN is not authorized to perform: ACTION on resource: ARN because …`.
    pub message: String,
}

/// Whether `caller` may do what `access` asks.
///
/// # Errors
/// The denial; each service wraps it in its own code.
pub fn authorize(_state: &State, caller: &Principal, access: &Access<'_>) -> Result<(), Denial> {
    if caller.kind == PrincipalKind::Root && caller.account == *access.owner {
        return Ok(());
    }
    Err(Denial {
        message: format!(
            "User: {} is not authorized to perform: {} on resource: {}",
            caller.arn(),
            access.action,
            access.resource
        ),
    })
}

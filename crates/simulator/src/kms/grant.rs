//! Grants: permissions that hang on one key and only ever allow.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::key::{Key, seconds};
use crate::principal::Principal;

/// How many grants a customer managed key can have ("Resource quotas" of KMS).
pub const LIMIT: usize = 50_000;

/// The operations that a grant can allow.
pub const OPERATIONS: &[&str] = &[
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
];

/// Additional authenticated data of a cryptographic operation.
pub type EncryptionContext = BTreeMap<String, String>;

/// Which encryption contexts a grant is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Constraints {
    /// Exactly these pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_context_equals: Option<EncryptionContext>,
    /// At least these pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_context_subset: Option<EncryptionContext>,
    /// The resource for which a service may use the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_arn: Option<String>,
}

impl Constraints {
    fn fit(&self, context: &EncryptionContext) -> bool {
        let equal = self.encryption_context_equals.as_ref().is_none_or(|pairs| pairs == context);
        let contained = self
            .encryption_context_subset
            .as_ref()
            .is_none_or(|pairs| pairs.iter().all(|(key, value)| context.get(key) == Some(value)));
        equal && contained
    }
}

/// Who gets a permission, or may retire a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// A principal of IAM, by its ARN.
    Principal(String),
    /// A service of AWS, such as `ec2.amazonaws.com`. None calls the simulated KMS by itself.
    Service(String),
}

impl Party {
    fn is(&self, caller: &Principal) -> bool {
        match self {
            Self::Principal(arn) => is(arn, caller),
            Self::Service(_) => false,
        }
    }

    /// Its name, under the field of its kind: `GranteePrincipal` or `GranteeServicePrincipal`.
    fn field(&self, role: &str) -> (String, Value) {
        match self {
            Self::Principal(arn) => (format!("{role}Principal"), json!(arn)),
            Self::Service(name) => (format!("{role}ServicePrincipal"), json!(name)),
        }
    }
}

/// What a grant says; two grants of one name are the same if this is equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// A name that makes `CreateGrant` idempotent.
    pub name: Option<String>,
    /// Who gets the permission.
    pub grantee: Party,
    /// Who may retire it.
    pub retiring: Option<Party>,
    /// What is allowed.
    pub operations: Vec<String>,
    /// For which encryption contexts.
    pub constraints: Constraints,
}

/// A grant on a key.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What it says.
    pub terms: Terms,
    /// When it was made.
    pub created: Timestamp,
    /// The account that made it.
    pub issuer: String,
    /// Tokens that make it work at once.
    pub tokens: Vec<String>,
}

impl Grant {
    /// Whether it lets `caller` do `operation` now.
    pub fn allows(
        &self,
        caller: &Principal,
        operation: &str,
        context: &EncryptionContext,
        delay: u32,
        presented: &[String],
        now: Timestamp,
    ) -> bool {
        let settled =
            now.duration_since(self.created) >= SignedDuration::from_secs(i64::from(delay));
        (settled || self.tokens.iter().any(|token| presented.contains(token)))
            && self.terms.grantee.is(caller)
            && self.terms.operations.iter().any(|allowed| allowed == operation)
            // DescribeKey, CreateGrant and RetireGrant take no encryption context.
            && (matches!(operation, "DescribeKey" | "CreateGrant" | "RetireGrant")
                || self.terms.constraints.fit(context))
    }

    /// Whether `caller` may retire it.
    pub fn retirable_by(&self, caller: &Principal) -> bool {
        let grantee = self.terms.operations.iter().any(|operation| operation == "RetireGrant")
            && self.terms.grantee.is(caller);
        grantee || self.terms.retiring.as_ref().is_some_and(|party| party.is(caller))
    }

    /// As `ListGrants` shows it.
    pub fn entry(&self, id: &str, key: &Key) -> Value {
        let mut entry = json!({
            "KeyId": key.arn,
            "GrantId": id,
            "Name": self.terms.name.as_deref().unwrap_or_default(),
            "CreationDate": seconds(self.created),
            "IssuingAccount": format!("arn:aws:iam::{}:root", self.issuer),
            "Operations": self.terms.operations,
        });
        if let Some(members) = entry.as_object_mut() {
            members.extend([self.terms.grantee.field("Grantee")]);
            members.extend(self.terms.retiring.as_ref().map(|party| party.field("Retiring")));
            if self.terms.constraints != Constraints::default() {
                members.insert("Constraints".to_owned(), json!(self.terms.constraints));
            }
        }
        entry
    }
}

/// Whether a principal's ARN in a grant means this caller: itself, or its role.
fn is(name: &str, caller: &Principal) -> bool {
    name == caller.arn() || caller.role_arn().as_deref() == Some(name)
}

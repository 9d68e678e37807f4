//! Policy documents: their JSON, parsed into types; unknown elements are refused by name.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::pattern::{Lookup, Template, like};

/// What a statement does to the calls it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// They are allowed, unless another statement denies them.
    Allow,
    /// They are denied, whatever else allows them.
    Deny,
}

/// One principal of a resource policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalPattern {
    /// `*`: everyone.
    Anyone,
    /// `ACCOUNT` or `arn:aws:iam::ACCOUNT:root`: whom the account's own policies allow.
    Account(String),
    /// The ARN of a role, of a session, or of a user.
    Arn(String),
    /// A service of AWS.
    Service(String),
}

/// The entries of an element, or of its opposite such as `NotAction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// What is written.
    pub entries: Vec<T>,
    /// Whether everything but that is meant.
    pub except: bool,
}

impl<T> Listed<T> {
    fn hits(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.entries.iter().any(fits) != self.except
    }
}

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Allow or deny.
    pub effect: Effect,
    /// Whom it concerns; empty in identity policies.
    pub principals: Listed<PrincipalPattern>,
    /// Action patterns, such as `s3:Get*`.
    pub actions: Listed<String>,
    /// Resource patterns; `None` in trust policies, whose resource is the role.
    pub resources: Option<Listed<Template>>,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
}

impl Statement {
    /// Whether it speaks about this action on this resource. Actions ignore case.
    pub(crate) fn covers(&self, action: &str, resource: &str, lookup: Lookup<'_>) -> bool {
        let action = action.to_ascii_lowercase();
        self.actions.hits(|pattern| like(pattern, &action))
            && self
                .resources
                .as_ref()
                .is_none_or(|resources| resources.hits(|pattern| pattern.like(resource, lookup)))
    }
}

/// A policy document, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Its statements, in order.
    pub statements: Vec<Statement>,
}

/// Where a policy is attached; it decides which elements must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attached {
    Resource,
    Identity,
    Trust,
}

impl Policy {
    /// Parses the policy of a resource: a bucket, queue or key.
    ///
    /// # Errors
    /// What is wrong, or which element the simulation does not know: never ignored silently.
    pub fn parse(json: &str) -> Result<Self, String> {
        Self::parse_for(json, Attached::Resource)
    }

    /// Parses a role's permission policy or a session policy.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn parse_identity(json: &str) -> Result<Self, String> {
        Self::parse_for(json, Attached::Identity)
    }

    /// Parses a role's trust policy.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn parse_trust(json: &str) -> Result<Self, String> {
        Self::parse_for(json, Attached::Trust)
    }

    fn parse_for(json: &str, attached: Attached) -> Result<Self, String> {
        let document: Value =
            serde_json::from_str(json).map_err(|error| format!("policy is not JSON: {error}"))?;
        let document = document.as_object().ok_or("policy must be a JSON object")?;
        only(document, &["Version", "Id", "Statement"], "policy")?;
        let version = document.get("Version").map_or(Some("2012-10-17"), Value::as_str);
        if !matches!(version, Some("2012-10-17" | "2008-10-17")) {
            return Err("policy element Version must be \"2012-10-17\"".to_owned());
        }
        // Without a version a policy is of 2008-10-17, which has no policy variables.
        let variables = document.contains_key("Version") && version == Some("2012-10-17");
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err("policy element Statement must be an object or a list".to_owned()),
        };
        let statements = statements
            .into_iter()
            .enumerate()
            .map(|(n, statement)| {
                parse_statement(statement, attached, variables)
                    .map_err(|error| format!("statement {}: {error}", n + 1))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }
}

fn parse_statement(
    statement: &Value,
    attached: Attached,
    variables: bool,
) -> Result<Statement, String> {
    let statement = statement.as_object().ok_or("it must be an object")?;
    let actions_of = &["Sid", "Effect", "Action", "NotAction", "Condition"];
    let principals_of: &[&str] = match attached {
        Attached::Resource | Attached::Trust => &["Principal", "NotPrincipal"],
        Attached::Identity => &[],
    };
    let resources_of: &[&str] = match attached {
        Attached::Resource | Attached::Identity => &["Resource", "NotResource"],
        Attached::Trust => &[],
    };
    let known: Vec<&str> =
        actions_of.iter().chain(principals_of).chain(resources_of).copied().collect();
    only(statement, &known, "statement")?;
    let effect = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err("Effect must be \"Allow\" or \"Deny\"".to_owned()),
    };
    let principals = match attached {
        Attached::Identity => Listed { entries: Vec::new(), except: false },
        Attached::Resource | Attached::Trust => {
            let (name, value) = either(statement, "Principal", "NotPrincipal")?;
            let except = name == "NotPrincipal";
            if except && effect == Effect::Allow {
                return Err("NotPrincipal can only stand with the Effect \"Deny\"".to_owned());
            }
            Listed { entries: parse_principals(value)?, except }
        }
    };
    let (name, value) = either(statement, "Action", "NotAction")?;
    let entries = one_or_many(value, name)?;
    if let Some(action) = entries.iter().find(|a| a.as_str() != "*" && !a.contains(':')) {
        return Err(format!("{name} {action:?} must be \"*\" or SERVICE:NAME"));
    }
    if let Some(action) = entries.iter().find(|action| action.contains("${")) {
        return Err(format!("{name} {action:?}: a policy variable cannot stand here"));
    }
    let entries = entries.iter().map(|action| action.to_ascii_lowercase()).collect();
    let actions = Listed { entries, except: name == "NotAction" };
    let resources = match attached {
        Attached::Trust => None,
        Attached::Resource | Attached::Identity => {
            let (name, value) = either(statement, "Resource", "NotResource")?;
            let entries = one_or_many(value, name)?
                .iter()
                .map(|text| Template::parse(text, variables))
                .collect::<Result<_, _>>()
                .map_err(|error| format!("{name}: {error}"))?;
            Some(Listed { entries, except: name == "NotResource" })
        }
    };
    let conditions = statement.get("Condition");
    let conditions = conditions.map(|block| Condition::parse_block(block, variables));
    let conditions = conditions.transpose()?.unwrap_or_default();
    Ok(Statement { effect, principals, actions, resources, conditions })
}

/// The one of two elements that is there, with its name.
fn either<'a>(
    statement: &'a Map<String, Value>,
    name: &'a str,
    opposite: &'a str,
) -> Result<(&'a str, &'a Value), String> {
    match (statement.get(name), statement.get(opposite)) {
        (Some(value), None) => Ok((name, value)),
        (None, Some(value)) => Ok((opposite, value)),
        (None, None) => Err(format!("{name} is missing")),
        (Some(_), Some(_)) => Err(format!("{name} and {opposite} exclude each other")),
    }
}

fn parse_principals(principal: &Value) -> Result<Vec<PrincipalPattern>, String> {
    if principal.as_str() == Some("*") {
        return Ok(vec![PrincipalPattern::Anyone]);
    }
    let kinds = principal
        .as_object()
        .filter(|kinds| !kinds.is_empty())
        .ok_or("Principal must be \"*\" or an object")?;
    let mut principals = Vec::new();
    for (kind, names) in kinds {
        let names = one_or_many(names, &format!("Principal {kind}"))?;
        for name in names {
            principals.push(match kind.as_str() {
                "AWS" => parse_aws_principal(name)?,
                "Service" => PrincipalPattern::Service(name),
                _ => return Err(format!("the simulated IAM does not know the Principal {kind}")),
            });
        }
    }
    Ok(principals)
}

fn parse_aws_principal(name: String) -> Result<PrincipalPattern, String> {
    if name == "*" {
        return Ok(PrincipalPattern::Anyone);
    }
    if name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(PrincipalPattern::Account(name));
    }
    let fields: Vec<&str> = name.splitn(6, ':').collect();
    match fields.as_slice() {
        ["arn", _, "iam", "", account, "root"] => {
            Ok(PrincipalPattern::Account((*account).to_owned()))
        }
        ["arn", _, "iam" | "sts", "", _, resource]
            if ["role/", "assumed-role/", "user/"]
                .iter()
                .any(|kind| resource.starts_with(kind))
                && !resource.contains('*') =>
        {
            Ok(PrincipalPattern::Arn(name))
        }
        _ => Err(format!(
            "Principal {name:?} must be \"*\", an account, or the ARN of a root, role, session or user"
        )),
    }
}

/// A text or a list of texts; numbers and booleans count as their text.
pub(super) fn one_or_many(value: &Value, what: &str) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("{what} must be a text or a list of texts"))
        }
    };
    match value {
        Value::Array(values) if !values.is_empty() => values.iter().map(one).collect(),
        value => one(value).map(|value| vec![value]),
    }
}

fn only(object: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), String> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!(
            "the simulated IAM does not know the element {name} in this {what}; it knows {}",
            known.join(", ")
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_and_many_parse_alike() {
        let one = r#"{"Version":"2012-10-17","Statement":
            {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}}"#;
        let many = r#"{"Version":"2012-10-17","Id":"x","Statement":
            [{"Sid":"a","Effect":"Allow","Principal":{"AWS":"*"},"Action":["s3:GetObject"],"Resource":["*"]}]}"#;
        assert_eq!(Policy::parse(one), Policy::parse(many));
        assert_eq!(Policy::parse(one).unwrap().statements.len(), 1);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let resource = |extra: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Resource":"*",{extra}}}]}}"#
            )
        };
        for (json, named) in [
            ("nonsense".to_owned(), "not JSON"),
            (r#"{"Statement":[],"Rule":1}"#.to_owned(), "Rule"),
            (r#"{"Version":"2020-01-01","Statement":[]}"#.to_owned(), "Version"),
            (r#"{"Version":7,"Statement":[]}"#.to_owned(), "Version"),
            (resource(r#""Principal":"*","Action":"s3:*","NotAction":"s3:*""#), "NotAction"),
            (resource(r#""NotPrincipal":"*","Action":"s3:*""#), "NotPrincipal"),
            (resource(r#""Principal":"*","Action":"s3:${aws:username}""#), "${aws:username}"),
            (resource(r#""Principal":"*","NotAction":"GetObject""#), "\"GetObject\""),
            (resource(r#""Principal":"*""#), "Action is missing"),
            (resource(r#""Action":"s3:*""#), "Principal is missing"),
            (resource(r#""Principal":{"Federated":"x"},"Action":"s3:*""#), "Federated"),
            (resource(r#""Principal":{"AWS":"bob"},"Action":"s3:*""#), "\"bob\""),
            (resource(r#""Principal":"*","Action":"GetObject""#), "\"GetObject\""),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}"}}"#.to_owned(),
                "${aws:username}",
            ),
        ] {
            let error = Policy::parse(&json).unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
    }

    #[test]
    fn identity_and_trust_policies_have_their_own_elements() {
        let identity = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"}}"#;
        assert!(Policy::parse_identity(identity).is_ok());
        assert!(Policy::parse_trust(trust).is_ok());
        assert!(Policy::parse_identity(trust).unwrap_err().contains("Principal"));
        assert!(Policy::parse_trust(identity).unwrap_err().contains("Resource"));
    }
}

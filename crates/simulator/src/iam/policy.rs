//! Policy documents: their JSON, parsed into types; whatever is not known is refused by name.

use serde_json::{Map, Value};

use super::condition::{Condition, like};

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
    /// The ARN of a role or of a session.
    Arn(String),
    /// A service of AWS.
    Service(String),
}

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Allow or deny.
    pub effect: Effect,
    /// Whom it concerns; empty in identity policies.
    pub principals: Vec<PrincipalPattern>,
    /// Action patterns, such as `s3:Get*`.
    pub actions: Vec<String>,
    /// Resource patterns; empty in trust policies, whose resource is the role.
    pub resources: Vec<String>,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
}

impl Statement {
    /// Whether it speaks about this action on this resource. Actions ignore case.
    pub fn covers(&self, action: &str, resource: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.actions.iter().any(|pattern| like(&pattern.to_ascii_lowercase(), &action))
            && (self.resources.is_empty()
                || self.resources.iter().any(|pattern| like(pattern, resource)))
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
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err("policy element Statement must be an object or a list".to_owned()),
        };
        let statements = statements
            .into_iter()
            .enumerate()
            .map(|(n, statement)| {
                parse_statement(statement, attached)
                    .map_err(|error| format!("statement {}: {error}", n + 1))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }
}

fn parse_statement(statement: &Value, attached: Attached) -> Result<Statement, String> {
    let statement = statement.as_object().ok_or("it must be an object")?;
    let known: &[&str] = match attached {
        Attached::Resource => &["Sid", "Effect", "Principal", "Action", "Resource", "Condition"],
        Attached::Identity => &["Sid", "Effect", "Action", "Resource", "Condition"],
        Attached::Trust => &["Sid", "Effect", "Principal", "Action", "Condition"],
    };
    only(statement, known, "statement")?;
    let effect = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err("Effect must be \"Allow\" or \"Deny\"".to_owned()),
    };
    let member = |name: &str| statement.get(name).ok_or_else(|| format!("{name} is missing"));
    let principals = match attached {
        Attached::Identity => Vec::new(),
        Attached::Resource | Attached::Trust => parse_principals(member("Principal")?)?,
    };
    let actions = one_or_many(member("Action")?, "Action")?;
    if let Some(action) = actions.iter().find(|a| a.as_str() != "*" && !a.contains(':')) {
        return Err(format!("Action {action:?} must be \"*\" or SERVICE:NAME"));
    }
    let resources = match attached {
        Attached::Trust => Vec::new(),
        Attached::Resource | Attached::Identity => one_or_many(member("Resource")?, "Resource")?,
    };
    let conditions =
        statement.get("Condition").map(Condition::parse_block).transpose()?.unwrap_or_default();
    Ok(Statement { effect, principals, actions, resources, conditions })
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
            if (resource.starts_with("role/") || resource.starts_with("assumed-role/"))
                && !resource.contains('*') =>
        {
            Ok(PrincipalPattern::Arn(name))
        }
        _ => Err(format!(
            "Principal {name:?} must be \"*\", an account, or the ARN of a root, role or session"
        )),
    }
}

/// A text or a list of texts; numbers and booleans count as their text.
pub(super) fn one_or_many(value: &Value, what: &str) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) if text.contains("${") => {
            Err(format!("{what}: the simulated IAM does not know the policy variable in {text:?}"))
        }
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
            (resource(r#""Principal":"*","NotAction":"s3:*""#), "NotAction"),
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

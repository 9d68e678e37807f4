//! Conditions of policy statements: the operators and keys that are known, and when they hold.

use serde_json::Value;

use super::policy::one_or_many;

/// Condition keys that some service of the simulation supplies. A policy with another one is
/// refused: a key that never has a value would make a `Deny` silently ineffective.
const KEYS: &[&str] = &[
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalOrgID",
    "aws:PrincipalServiceName",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:ViaAWSService",
    "ec2:CreateAction",
    "ec2:Region",
    "kms:CallerAccount",
    "kms:EncryptionContextKeys",
    "kms:GrantIsForAWSResource",
    "kms:ViaService",
    "s3:if-none-match",
    "s3:max-keys",
    "s3:object-lock-mode",
    "s3:object-lock-remaining-retention-days",
    "s3:prefix",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "sts:ExternalId",
    "sts:RoleSessionName",
];

/// Condition keys that carry a name after this prefix.
const KEY_PREFIXES: &[&str] = &["aws:RequestTag/", "aws:ResourceTag/", "kms:EncryptionContext:"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
    Bool,
    Null,
    NumericEquals,
    NumericLess,
    NumericLessOrEqual,
    NumericGreater,
    NumericGreaterOrEqual,
}

/// One operator applied to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

impl Condition {
    /// Reads the `Condition` element of a statement.
    ///
    /// # Errors
    /// The operator or key that is not known, or a value of a wrong type.
    pub fn parse_block(block: &Value) -> Result<Vec<Self>, String> {
        let operators = block.as_object().ok_or("Condition must be an object")?;
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let (comparison, negated, if_exists) = parse_operator(operator)?;
            let keys = keys
                .as_object()
                .ok_or_else(|| format!("Condition operator {operator} must hold an object"))?;
            for (key, values) in keys {
                check_key(key)?;
                let values = one_or_many(values, &format!("Condition {operator} {key}"))?;
                let condition = Self { comparison, negated, if_exists, key: key.clone(), values };
                condition.check_values(operator)?;
                conditions.push(condition);
            }
        }
        Ok(conditions)
    }

    fn check_values(&self, operator: &str) -> Result<(), String> {
        let fits = |value: &String| match self.comparison {
            Comparison::Bool | Comparison::Null => matches!(value.as_str(), "true" | "false"),
            Comparison::NumericEquals
            | Comparison::NumericLess
            | Comparison::NumericLessOrEqual
            | Comparison::NumericGreater
            | Comparison::NumericGreaterOrEqual => value.parse::<f64>().is_ok(),
            Comparison::Equals
            | Comparison::EqualsIgnoreCase
            | Comparison::Like
            | Comparison::Arn => true,
        };
        match self.values.iter().find(|value| !fits(value)) {
            Some(value) => {
                Err(format!("Condition {operator} {} cannot be compared with {value:?}", self.key))
            }
            None => Ok(()),
        }
    }

    /// Whether it holds; `lookup` gives the request's value of a key.
    ///
    /// A key without a value fails a positive operator and satisfies a negated one, as in IAM.
    pub fn holds(&self, lookup: impl Fn(&str) -> Option<String>) -> bool {
        let actual = lookup(&self.key);
        if self.comparison == Comparison::Null {
            let absent = actual.is_none().to_string();
            return self.values.contains(&absent);
        }
        let Some(actual) = actual else { return self.if_exists || self.negated };
        let any = self.values.iter().any(|wanted| self.compares(wanted, &actual));
        any != self.negated
    }

    fn compares(&self, wanted: &str, actual: &str) -> bool {
        let numbers = || Some((actual.parse::<f64>().ok()?, wanted.parse::<f64>().ok()?));
        match self.comparison {
            Comparison::Equals => wanted == actual,
            Comparison::EqualsIgnoreCase | Comparison::Bool => wanted.eq_ignore_ascii_case(actual),
            Comparison::Like => like(wanted, actual),
            Comparison::Arn => arn_like(wanted, actual),
            Comparison::Null => false,
            Comparison::NumericEquals => numbers().is_some_and(|(a, w)| a == w),
            Comparison::NumericLess => numbers().is_some_and(|(a, w)| a < w),
            Comparison::NumericLessOrEqual => numbers().is_some_and(|(a, w)| a <= w),
            Comparison::NumericGreater => numbers().is_some_and(|(a, w)| a > w),
            Comparison::NumericGreaterOrEqual => numbers().is_some_and(|(a, w)| a >= w),
        }
    }
}

fn parse_operator(name: &str) -> Result<(Comparison, bool, bool), String> {
    let (base, if_exists) = match name.strip_suffix("IfExists") {
        Some(base) => (base, true),
        None => (name, false),
    };
    let (comparison, negated) = match base {
        "StringEquals" => (Comparison::Equals, false),
        "StringNotEquals" => (Comparison::Equals, true),
        "StringEqualsIgnoreCase" => (Comparison::EqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Comparison::EqualsIgnoreCase, true),
        "StringLike" => (Comparison::Like, false),
        "StringNotLike" => (Comparison::Like, true),
        // IAM documents ArnEquals and ArnLike as behaving identically.
        "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
        "Bool" => (Comparison::Bool, false),
        "Null" if !if_exists => (Comparison::Null, false),
        "NumericEquals" => (Comparison::NumericEquals, false),
        "NumericNotEquals" => (Comparison::NumericEquals, true),
        "NumericLessThan" => (Comparison::NumericLess, false),
        "NumericLessThanEquals" => (Comparison::NumericLessOrEqual, false),
        "NumericGreaterThan" => (Comparison::NumericGreater, false),
        "NumericGreaterThanEquals" => (Comparison::NumericGreaterOrEqual, false),
        _ => return Err(format!("the simulated IAM does not know the condition operator {name}")),
    };
    Ok((comparison, negated, if_exists))
}

fn check_key(key: &str) -> Result<(), String> {
    let known = KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
        || KEY_PREFIXES.iter().any(|prefix| {
            key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        });
    if known {
        Ok(())
    } else {
        Err(format!("the simulated IAM does not know the condition key {key}"))
    }
}

/// `*` stands for any text, `?` for any one character.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the text behind the last `*` does not fit.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((behind, from)) = retry else { return false };
                retry = Some((behind, from + 1));
                (p, t) = (behind, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Each of the six fields of an ARN is compared by itself, so that `*` does not cross a colon.
fn arn_like(pattern: &str, text: &str) -> bool {
    let wanted: Vec<&str> = pattern.splitn(6, ':').collect();
    let actual: Vec<&str> = text.splitn(6, ':').collect();
    wanted.len() == actual.len()
        && wanted.iter().zip(&actual).all(|(wanted, actual)| like(wanted, actual))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wildcards_match_as_in_iam() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*bin", "x/bin/y.bin", true),
            ("", "a", false),
            ("a*b*c", "a--b--b--c", true),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} on {text}");
        }
        assert!(arn_like("arn:aws:s3:*:*:b*", "arn:aws:s3:::bucket"));
        assert!(!arn_like("arn:aws:*:bucket", "arn:aws:s3:::bucket"));
    }

    #[test]
    fn conditions_hold_and_fail_as_in_iam() {
        let request = |key: &str| match key {
            "s3:prefix" => Some("staging/x".to_owned()),
            "aws:SecureTransport" => Some("true".to_owned()),
            "s3:max-keys" => Some("100".to_owned()),
            "aws:SourceArn" => Some("arn:aws:s3:::bucket".to_owned()),
            _ => None,
        };
        for (block, expected) in [
            (json!({"StringEquals": {"s3:prefix": "staging/x"}}), true),
            (json!({"StringEquals": {"s3:prefix": ["a", "staging/x"]}}), true),
            (json!({"StringNotEquals": {"s3:prefix": ["a", "staging/x"]}}), false),
            (json!({"StringLike": {"s3:prefix": "staging/*"}}), true),
            (json!({"StringEquals": {"sts:ExternalId": "x"}}), false),
            (json!({"StringNotEquals": {"sts:ExternalId": "x"}}), true),
            (json!({"StringEqualsIfExists": {"sts:ExternalId": "x"}}), true),
            (json!({"Null": {"sts:ExternalId": "true"}}), true),
            (json!({"Null": {"s3:prefix": true}}), false),
            (json!({"Bool": {"aws:SecureTransport": false}}), false),
            (json!({"NumericLessThanEquals": {"s3:max-keys": 100}}), true),
            (json!({"NumericLessThan": {"s3:max-keys": "100"}}), false),
            (json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:buck*"}}), true),
            (json!({"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::other"}}), false),
        ] {
            let conditions = Condition::parse_block(&block).unwrap();
            assert_eq!(conditions.iter().all(|c| c.holds(request)), expected, "{block}");
        }
    }

    #[test]
    fn unknown_operators_keys_and_ill_typed_values_are_refused_by_name() {
        for (block, named) in [
            (json!({"DateLessThan": {"s3:prefix": "x"}}), "DateLessThan"),
            (json!({"ForAnyValue:StringEquals": {"s3:prefix": "x"}}), "ForAnyValue:StringEquals"),
            (json!({"StringEquals": {"aws:MultiFactorAuthAge": "1"}}), "aws:MultiFactorAuthAge"),
            (json!({"NumericEquals": {"s3:max-keys": "many"}}), "\"many\""),
            (json!({"Bool": {"aws:SecureTransport": "yes"}}), "\"yes\""),
            (json!({"StringEquals": "x"}), "StringEquals"),
        ] {
            let error = Condition::parse_block(&block).unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
    }
}

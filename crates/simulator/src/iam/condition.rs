//! Conditions of policy statements: the operators and keys that are known, and when they hold.

use jiff::Timestamp;
use serde_json::Value;

use super::keys;
use super::pattern::{Lookup, Template};
use super::policy::one_or_many;

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
    DateEquals,
    DateLess,
    DateLessOrEqual,
    DateGreater,
    DateGreaterOrEqual,
}

/// How the values of a multivalued key count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// No set operator: a single value.
    Single,
    /// `ForAnyValue:`; false where there is no value.
    Any,
    /// `ForAllValues:`; true where there is no value.
    All,
}

/// One operator applied to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    set: Set,
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<Template>,
}

impl Condition {
    /// Reads the `Condition` element of a statement; `variables` says whether the policy's version
    /// has policy variables.
    ///
    /// # Errors
    /// The operator or key that is not known, or a value of a wrong type.
    pub fn parse_block(block: &Value, variables: bool) -> Result<Vec<Self>, String> {
        let operators = block.as_object().ok_or("Condition must be an object")?;
        let mut conditions = Vec::new();
        for (operator, members) in operators {
            let members = members
                .as_object()
                .ok_or_else(|| format!("Condition operator {operator} must hold an object"))?;
            for (key, values) in members {
                keys::check(key)?;
                let what = format!("Condition {operator} {key}");
                let values = one_or_many(values, &what)?;
                let values = values.iter().map(|value| Template::parse(value, variables));
                let condition = Self {
                    key: key.clone(),
                    values: values.collect::<Result<_, _>>().map_err(|e| format!("{what}: {e}"))?,
                    ..Self::parse_operator(operator)?
                };
                condition.check_values(operator)?;
                conditions.push(condition);
            }
        }
        Ok(conditions)
    }

    fn check_values(&self, operator: &str) -> Result<(), String> {
        let fits = |value: &&Template| match self.comparison {
            Comparison::Bool | Comparison::Null => matches!(value.as_str(), "true" | "false"),
            Comparison::NumericEquals
            | Comparison::NumericLess
            | Comparison::NumericLessOrEqual
            | Comparison::NumericGreater
            | Comparison::NumericGreaterOrEqual => value.as_str().parse::<f64>().is_ok(),
            Comparison::DateEquals
            | Comparison::DateLess
            | Comparison::DateLessOrEqual
            | Comparison::DateGreater
            | Comparison::DateGreaterOrEqual => date(value.as_str()).is_some(),
            Comparison::Equals
            | Comparison::EqualsIgnoreCase
            | Comparison::Like
            | Comparison::Arn => true,
        };
        match self.values.iter().find(|value| !fits(value)) {
            Some(value) => Err(format!(
                "Condition {operator} {} cannot be compared with {:?}",
                self.key,
                value.as_str()
            )),
            None => Ok(()),
        }
    }

    /// Whether it holds; `lookup` gives the request's values of a key.
    ///
    /// A key without a value fails a positive operator and satisfies a negated one, as in IAM.
    /// Where a key with several values is compared without a set operator, one that fits is
    /// enough.
    pub(crate) fn holds(&self, lookup: Lookup<'_>) -> bool {
        let actual = lookup(&self.key);
        if self.comparison == Comparison::Null {
            let absent = actual.is_empty().to_string();
            return self.values.iter().any(|wanted| wanted.as_str() == absent);
        }
        let fits = |actual: &String| {
            let any = self.values.iter().any(|wanted| self.compares(wanted, actual, lookup));
            any != self.negated
        };
        match self.set {
            Set::All => actual.iter().all(fits),
            Set::Any if actual.is_empty() => self.if_exists,
            Set::Any => actual.iter().any(fits),
            Set::Single if actual.is_empty() => self.if_exists || self.negated,
            Set::Single if self.negated => actual.iter().all(fits),
            Set::Single => actual.iter().any(fits),
        }
    }

    fn compares(&self, wanted: &Template, actual: &str, lookup: Lookup<'_>) -> bool {
        let text = wanted.as_str();
        let filled = || wanted.filled(lookup);
        let numbers = |compare: fn(&f64, &f64) -> bool| {
            let pair = actual.parse().ok().zip(text.parse().ok());
            pair.is_some_and(|(actual, wanted)| compare(&actual, &wanted))
        };
        let dates = |compare: fn(&Timestamp, &Timestamp) -> bool| {
            let pair = date(actual).zip(date(text));
            pair.is_some_and(|(actual, wanted)| compare(&actual, &wanted))
        };
        match self.comparison {
            Comparison::Equals => filled().is_some_and(|wanted| wanted == actual),
            Comparison::EqualsIgnoreCase | Comparison::Bool => {
                filled().is_some_and(|wanted| wanted.eq_ignore_ascii_case(actual))
            }
            Comparison::Like => wanted.like(actual, lookup),
            Comparison::Arn => wanted.arn_like(actual, lookup),
            Comparison::Null => false,
            Comparison::NumericEquals => numbers(|a, w| a == w),
            Comparison::NumericLess => numbers(|a, w| a < w),
            Comparison::NumericLessOrEqual => numbers(|a, w| a <= w),
            Comparison::NumericGreater => numbers(|a, w| a > w),
            Comparison::NumericGreaterOrEqual => numbers(|a, w| a >= w),
            Comparison::DateEquals => dates(|a, w| a == w),
            Comparison::DateLess => dates(|a, w| a < w),
            Comparison::DateLessOrEqual => dates(|a, w| a <= w),
            Comparison::DateGreater => dates(|a, w| a > w),
            Comparison::DateGreaterOrEqual => dates(|a, w| a >= w),
        }
    }

    fn parse_operator(name: &str) -> Result<Self, String> {
        let (set, rest) = match name.split_once(':') {
            Some(("ForAnyValue", rest)) => (Set::Any, rest),
            Some(("ForAllValues", rest)) => (Set::All, rest),
            _ => (Set::Single, name),
        };
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let found = comparison(base).filter(|(comparison, _)| {
            *comparison != Comparison::Null || (!if_exists && set == Set::Single)
        });
        let (comparison, negated) = found.ok_or_else(|| {
            format!("the simulated IAM does not know the condition operator {name}")
        })?;
        let (key, values) = (String::new(), Vec::new());
        Ok(Self { set, comparison, negated, if_exists, key, values })
    }
}

/// A date as policies write it: ISO 8601, or seconds since the epoch.
fn date(text: &str) -> Option<Timestamp> {
    let seconds = || Timestamp::from_second(text.parse().ok()?).ok();
    let day = || format!("{text}T00:00:00Z").parse().ok();
    text.parse().ok().or_else(seconds).or_else(day)
}

fn comparison(name: &str) -> Option<(Comparison, bool)> {
    Some(match name {
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
        "Null" => (Comparison::Null, false),
        "NumericEquals" => (Comparison::NumericEquals, false),
        "NumericNotEquals" => (Comparison::NumericEquals, true),
        "NumericLessThan" => (Comparison::NumericLess, false),
        "NumericLessThanEquals" => (Comparison::NumericLessOrEqual, false),
        "NumericGreaterThan" => (Comparison::NumericGreater, false),
        "NumericGreaterThanEquals" => (Comparison::NumericGreaterOrEqual, false),
        "DateEquals" => (Comparison::DateEquals, false),
        "DateNotEquals" => (Comparison::DateEquals, true),
        "DateLessThan" => (Comparison::DateLess, false),
        "DateLessThanEquals" => (Comparison::DateLessOrEqual, false),
        "DateGreaterThan" => (Comparison::DateGreater, false),
        "DateGreaterThanEquals" => (Comparison::DateGreaterOrEqual, false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_and_fail_as_in_iam() {
        let request = |key: &str| -> Vec<String> {
            let values: &[&str] = match key {
                "s3:prefix" => &["staging/x"],
                "aws:SecureTransport" => &["true"],
                "s3:max-keys" => &["100"],
                "aws:SourceArn" => &["arn:aws:s3:::bucket"],
                "aws:TagKeys" => &["team", "cost"],
                "aws:CurrentTime" => &["2026-01-01T00:00:00Z"],
                _ => &[],
            };
            values.iter().map(|value| (*value).to_owned()).collect()
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
            (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["cost", "x"]}}), true),
            (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": "x"}}), false),
            (json!({"ForAnyValue:StringEquals": {"sts:ExternalId": "x"}}), false),
            (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["cost", "team", "x"]}}), true),
            (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["cost"]}}), false),
            (json!({"ForAllValues:StringEquals": {"sts:ExternalId": "x"}}), true),
            (json!({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["cost"]}}), false),
            (json!({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["cost"]}}), true),
            (json!({"DateLessThan": {"aws:CurrentTime": "2026-01-02T00:00:00Z"}}), true),
            (json!({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01"}}), false),
            (json!({"DateLessThanEquals": {"aws:CurrentTime": "1767225600"}}), true),
            (json!({"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}}), false),
            (json!({"StringLike": {"s3:prefix": "staging/${s3:max-keys}"}}), false),
        ] {
            let conditions = Condition::parse_block(&block, true).unwrap();
            assert_eq!(conditions.iter().all(|c| c.holds(&request)), expected, "{block}");
        }
    }

    #[test]
    fn unknown_operators_keys_and_ill_typed_values_are_refused_by_name() {
        for (block, named) in [
            (json!({"DateLessThan": {"aws:CurrentTime": "x"}}), "DateLessThan"),
            (json!({"IpAddress": {"s3:prefix": "x"}}), "IpAddress"),
            (json!({"ForSomeValue:StringEquals": {"s3:prefix": "x"}}), "ForSomeValue:StringEquals"),
            (json!({"NullIfExists": {"s3:prefix": "true"}}), "NullIfExists"),
            (json!({"StringEquals": {"aws:MultiFactorAuthAge": "1"}}), "aws:MultiFactorAuthAge"),
            (json!({"NumericEquals": {"s3:max-keys": "many"}}), "\"many\""),
            (json!({"Bool": {"aws:SecureTransport": "yes"}}), "\"yes\""),
            (json!({"StringEquals": "x"}), "StringEquals"),
        ] {
            let error = Condition::parse_block(&block, true).unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
    }
}

//! Picks the one source or vault that a command line means.

use amiferry_core::ids::{AccountId, Region};

/// A selector that matches none, or more than one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {}", self.fix())]
pub struct SelectError {
    /// What is wrong.
    pub problem: String,
    /// Every `account/region` there is.
    pub choices: Vec<String>,
}

impl SelectError {
    fn fix(&self) -> String {
        match self.choices.as_slice() {
            [] => "`amiferry config example` shows one".to_owned(),
            choices => format!("choose one of: {}", choices.join(", ")),
        }
    }
}

pub(super) fn one<'a, T>(
    what: &str,
    all: &'a [T],
    selector: Option<&str>,
    identity: impl Fn(&T) -> (&AccountId, &Region),
) -> Result<&'a T, SelectError> {
    let name = |item: &T| {
        let (account, region) = identity(item);
        format!("{account}/{region}")
    };
    let selected = |item: &&T| {
        let (account, region) = identity(item);
        selector.is_none_or(|s| s == name(item) || s == account.as_str() || s == region.as_str())
    };
    let found: Vec<&T> = all.iter().filter(selected).collect();
    if let [only] = found.as_slice() {
        return Ok(only);
    }
    let problem = match (selector, found.len()) {
        _ if all.is_empty() => format!("the configuration has no [[{what}]]"),
        (None, _) => format!("the configuration has several [[{what}]]: name one with --only"),
        (Some(selector), 0) => format!("no [[{what}]] matches {selector:?}"),
        (Some(selector), n) => format!("{n} [[{what}]] match {selector:?}"),
    };
    Err(SelectError { problem, choices: all.iter().map(name).collect() })
}

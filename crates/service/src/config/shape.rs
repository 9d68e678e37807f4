//! Finds every mistake in the shape of the file, not only the first.
//!
//! A parser stops at what it cannot read. So each mistake is noted and then taken out of the parsed
//! document, or replaced by a value that stands for none, until the rest can be read. What depends
//! on such a stand-in is not compared with anything.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::file::{File, nearest};
use super::problem::{MOST_PROBLEMS, Place, Problem};

/// What can be read of a file.
pub(super) struct Read {
    /// Its content without what is wrong; `None` where too little is left.
    pub(super) file: Option<File>,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// The tables with mistakes: of each list of tables, or `None` for a whole one.
    pub(super) spoilt: BTreeSet<(String, Option<usize>)>,
}

/// What is wrong with an account id without quotes.
const ACCOUNTS: &str = "account ids are text";

/// Keys that are easily taken for those of another table, and where they belong.
const ELSEWHERE: [(&str, &str); 5] = [
    ("prune_profile", "[[vault]]"),
    ("source_profile", "[aws]"),
    ("vault_profile", "[aws]"),
    ("endpoint_url", "[aws]"),
    ("allow_insecure_endpoint", "[aws]"),
];

/// The place of a stand-in.
const NOWHERE: Range<usize> = usize::MAX..usize::MAX;

/// The keys that a table must have, with values that stand for what could not be read. They are
/// well-formed, and not compared with anything.
const STAND_INS: [(&str, &str); 5] = [
    (
        "source",
        "account = \"000000000000\"\nregion = \"us-east-1\"\nstaging_bucket = \"stand-in\"\n\
         queue_url = \"https://sqs.us-east-1.amazonaws.com/000000000000/stand-in\"\n\
         read_role_arn = \"arn:aws:iam::000000000000:role/stand-in\"\n",
    ),
    (
        "vault",
        "account = \"000000000000\"\nregion = \"us-east-1\"\nbucket = \"stand-in\"\n\
         queue_url = \"https://sqs.us-east-1.amazonaws.com/000000000000/stand-in\"\n\
         key_arn = \"arn:aws:kms:us-east-1:000000000000:key/stand-in\"\n",
    ),
    (
        "destination",
        "account = \"000000000000\"\nregion = \"us-east-1\"\nbucket = \"stand-in\"\n\
         key_arn = \"arn:aws:kms:us-east-1:000000000000:key/stand-in\"\n",
    ),
    (
        "policy",
        "name = \"stand-in\"\nselect = { names = [\"*\"] }\nfamily = { fixed = \"stand-in\" }\n\
         rpo = \"24h\"\n",
    ),
    ("retired", "family = \"stand-in\"\nsince = \"2026-01-01\"\nreason = \"stand-in\"\n"),
];

/// Reads a file whose text may have mistakes.
pub(super) fn read(text: &str) -> Read {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    let mut read = Read { file: None, problems: Vec::new(), spoilt: BTreeSet::new() };
    let mut lines = BTreeSet::new();
    for error in errors.iter().take(MOST_PROBLEMS) {
        let problem = problem(text, error.message(), error.span());
        lines.insert(problem.place.as_ref().map(|place| place.line));
        read.problems.push(problem);
    }
    // An account id without quotes is a number, whichever digits it begins with: the rest of the
    // text is not in doubt.
    let is_toml = read.problems.iter().all(|problem| problem.message.starts_with(ACCOUNTS));
    let mut last = None;
    for _ in 0..MOST_PROBLEMS {
        let error = match File::deserialize(Deserializer::from(root.clone())) {
            Ok(file) => {
                // What a broken line would have said is not known.
                read.file = is_toml.then_some(file);
                break;
            }
            Err(error) => error,
        };
        if last.replace(error.clone()).is_some_and(|last| last == error) {
            break;
        }
        let span = error.span().map(|span| item(root.get_ref(), &span, error.message()));
        let found = problem(text, error.message(), span.clone());
        let is_missing = missing(error.message()).is_some();
        let line = found.place.as_ref().map(|place| place.line);
        if !lines.contains(&line) && (is_toml || (!is_missing && lines.insert(line))) {
            read.problems.push(found);
        }
        let found =
            span.filter(|span| take_out(root.get_mut(), error.message(), span, &mut read.spoilt));
        if found.is_none() {
            break;
        }
    }
    read
}

/// A mistake at its place, in words that help.
fn problem(text: &str, message: &str, span: Option<Range<usize>>) -> Problem {
    // The parser's message may have several lines; `Problem` shows the place.
    let message = message.lines().collect::<Vec<_>>().join("; ");
    let place = span.clone().map(|span| Place::of(text, span));
    if let Some(secret) = place.as_ref().and_then(Place::secret) {
        // serde quotes the value that it could not use.
        let problem = match secret {
            "listen_token" => Problem::new("a token has no place in this file")
                .fix("name what holds it: listen_token_env or listen_token_file"),
            _ => Problem::new("the external id cannot be read: expected one string in quotes"),
        };
        return Problem { place, ..problem };
    }
    let account = span.and_then(|span| account_at(text, &message, span));
    let problem = match (account, place_of(&message), nearest(&message)) {
        (Some(account), ..) => Problem::new(account),
        (None, Some(table), _) => Problem::new(&message).fix(format!("it belongs in {table}")),
        (None, None, Some(name)) => Problem::new(&message).fix(format!("did you mean `{name}`?")),
        (None, None, None) => Problem::new(&message),
    };
    Problem { place, ..problem }
}

/// The table in which a key belongs that is unknown where it stands.
fn place_of(message: &str) -> Option<&'static str> {
    let key = message.strip_prefix("unknown field `")?.split('`').next()?;
    let at_home = ELSEWHERE.iter().find(|(name, _)| *name == key);
    at_home.map(|(_, table)| *table)
}

/// What to say where an account id stands without quotes: TOML then reads a number, in which
/// leading zeros are not allowed.
fn account_at(text: &str, message: &str, span: Range<usize>) -> Option<String> {
    if !message.contains("integer") && !message.contains("zero") {
        return None;
    }
    let start = text.get(..span.start)?.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let digits = text.get(start..)?;
    let digits = &digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())];
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let key = text[line..start].split('=').next().unwrap_or_default().trim();
    match (digits.len(), key) {
        (12, _) => Some(format!("{ACCOUNTS}: write \"{digits}\"")),
        (1.., "account" | "accounts") => Some(format!("{ACCOUNTS}: write all 12 digits in quotes")),
        _ => None,
    }
}

/// The key that a table lacks.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Takes out of the document what an error is about. `false` where it cannot be found.
fn take_out(
    root: &mut DeTable<'_>,
    message: &str,
    span: &Range<usize>,
    spoilt: &mut BTreeSet<(String, Option<usize>)>,
) -> bool {
    let Some(section) = key_around(root, span) else { return false };
    let Some(value) = root.get_mut(section.as_str()) else { return false };
    let item = match value.get_mut() {
        DeValue::Array(items) => {
            let found = items.iter_mut().enumerate().find(|(_, item)| {
                let is_it = |(key, value): (&Spanned<_>, &Spanned<_>)| {
                    holds(&key.span(), span) || holds(&value.span(), span)
                };
                item.span() == *span || table_of(item).is_some_and(|table| table.iter().any(is_it))
            });
            found.and_then(|(index, item)| Some((Some(index), table_of_mut(item)?)))
        }
        DeValue::Table(table) => Some((None, table)),
        _ => None,
    };
    let Some((index, table)) = item else {
        // Not a table where one must be.
        spoilt.insert((section.clone(), None));
        return root.remove(section.as_str()).is_some();
    };
    if remove_key(table, span) || remove_item(table, span) {
        return true;
    }
    let of_section = STAND_INS.iter().find(|(name, _)| *name == section);
    let stand_ins = of_section.and_then(|(_, text)| DeTable::parse(text).ok());
    let stand_in = |key: &str| {
        let (key, value) = stand_ins.as_ref()?.get_ref().get_key_value(key)?;
        Some((Spanned::new(NOWHERE, key.get_ref().clone()), nowhere(value.get_ref())))
    };
    if let Some(key) = missing(message) {
        let Some((key, value)) = stand_in(key) else { return false };
        spoilt.insert((section, index));
        return table.insert(key, value).is_none();
    }
    let Some(key) = key_around(table, span) else { return false };
    spoilt.insert((section, index));
    if index.is_none() {
        // The default stands for it.
        return table.remove(key.as_str()).is_some();
    }
    table.remove(key.as_str());
    if let Some((key, value)) = stand_in(&key) {
        table.insert(key, value);
    }
    true
}

/// The place of the item that an error about a whole list quotes; otherwise the error's own.
fn item(table: &DeTable<'_>, span: &Range<usize>, message: &str) -> Range<usize> {
    let of_list = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::Array(items) if value.span() == *span => items
            .iter()
            .find(|item| {
                let text = item.get_ref().as_str();
                text.is_some_and(|text| message.starts_with(&format!("{text:?}")))
            })
            .map(Spanned::span),
        DeValue::Array(items) => items
            .iter()
            .filter_map(table_of)
            .map(|table| item(table, span, message))
            .find(|found| found != span),
        DeValue::Table(table) => Some(item(table, span, message)).filter(|found| found != span),
        _ => None,
    };
    table.values().find_map(of_list).unwrap_or_else(|| span.clone())
}

/// A value that stands at no place of the file.
fn nowhere<'i>(value: &DeValue<'i>) -> Spanned<DeValue<'i>> {
    let value = match value {
        DeValue::Table(table) => {
            let entry = |(key, value): (&Spanned<Cow<'i, str>>, &Spanned<DeValue<'i>>)| {
                (Spanned::new(NOWHERE, key.get_ref().clone()), nowhere(value.get_ref()))
            };
            DeValue::Table(table.iter().map(entry).collect())
        }
        DeValue::Array(items) => {
            DeValue::Array(items.iter().map(|item| nowhere(item.get_ref())).collect())
        }
        other => other.clone(),
    };
    Spanned::new(NOWHERE, value)
}

/// The key at which, or in whose value, a span lies.
fn key_around(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let around = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let inside = match value.get_ref() {
            // The span of a list of tables is that of its first header.
            DeValue::Array(items) => items.iter().any(|item| {
                holds(&item.span(), span)
                    || table_of(item).is_some_and(|table| key_around(table, span).is_some())
            }),
            DeValue::Table(table) => key_around(table, span).is_some(),
            _ => false,
        };
        inside || holds(&key.span(), span) || holds(&value.span(), span)
    };
    table.iter().find(|entry| around(*entry)).map(|(key, _)| key.get_ref().to_string())
}

/// Removes the key that stands at a span, at any depth: one that no table has.
fn remove_key(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let unknown = table.keys().find(|key| key.span() == *span);
    if let Some(key) = unknown.map(|key| key.get_ref().to_string()) {
        return table.remove(key.as_str()).is_some();
    }
    table.iter_mut().any(|(_, value)| match value.get_mut() {
        DeValue::Table(inner) => remove_key(inner, span),
        _ => false,
    })
}

/// Removes the item of a list that stands at a span, unless it is the only one.
fn remove_item(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    table.iter_mut().any(|(_, value)| match value.get_mut() {
        DeValue::Array(items) => {
            let is_it = |item: &Spanned<DeValue<'_>>| item.span() == *span;
            let is_there = items.len() > 1 && items.iter().any(is_it);
            if is_there {
                *items = items.iter().filter(|item| !is_it(item)).cloned().collect();
            }
            is_there
        }
        DeValue::Table(inner) => remove_item(inner, span),
        _ => false,
    })
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn table_of<'t, 'i>(value: &'t Spanned<DeValue<'i>>) -> Option<&'t DeTable<'i>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

fn table_of_mut<'t, 'i>(value: &'t mut Spanned<DeValue<'i>>) -> Option<&'t mut DeTable<'i>> {
    match value.get_mut() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

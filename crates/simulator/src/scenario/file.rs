//! Reading a scenario file: every mistake with its line.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::action::{Action, Planned};
use super::{ImageEntry, Scenario};
use crate::faults::{Entry, EventRule, Outage, Rule};
use crate::{Settings, landscape};

/// Why a scenario cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}, line {line}: {message}")]
pub struct ScenarioError {
    /// The file.
    pub name: String,
    /// Where in it, from 1.
    pub line: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    seed: Option<u64>,
    speed: Option<Spanned<u32>>,
    #[serde(default)]
    base: Base,
    /// Checked here, where places are known; its values are merged over the base later.
    #[serde(default, rename = "settings")]
    _settings: Settings,
    #[serde(default)]
    image: Vec<Spanned<ImageEntry>>,
    #[serde(default)]
    fault: Vec<Spanned<Rule>>,
    #[serde(default)]
    event_fault: Vec<Spanned<EventRule>>,
    #[serde(default)]
    outage: Vec<Spanned<Outage>>,
    #[serde(default)]
    action: Vec<Spanned<ActionEntry>>,
}

/// The settings that those of the file are written over.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Base {
    /// Of the demo: hours take seconds.
    #[default]
    Brisk,
    /// Rates and quotas that AWS documents.
    Aws,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionEntry {
    #[serde(with = "crate::span")]
    at: Duration,
    #[serde(default, with = "crate::span::maybe")]
    every: Option<Duration>,
    #[serde(rename = "do")]
    action: Action,
}

pub(super) fn parse(text: &str, name: &str) -> Result<Scenario, ScenarioError> {
    let mistake = |at: usize, message: String| ScenarioError {
        name: name.to_owned(),
        line: text.get(..at).unwrap_or(text).matches('\n').count() + 1,
        message,
    };
    let of_toml = |error: toml::de::Error| {
        mistake(error.span().map_or(0, |span| span.start), error.message().to_owned())
    };
    let file: File = toml::from_str(text).map_err(of_toml)?;
    let table: toml::Table = toml::from_str(text).map_err(of_toml)?;
    let settings = settings(file.base, table.get("settings"), file.seed)
        .map_err(|why| mistake(0, format!("settings: {why}")))?;
    if let Some(speed) = file.speed.as_ref().filter(|speed| *speed.get_ref() == 0) {
        let why = "speed = 0: time would stand still; 1 is real time";
        return Err(mistake(speed.span().start, why.to_owned()));
    }
    let mut entries = Vec::new();
    let faults = file.fault.into_iter().map(|it| entry(it, Entry::Fault));
    let events = file.event_fault.into_iter().map(|it| entry(it, Entry::EventFault));
    let outages = file.outage.into_iter().map(|it| entry(it, Entry::Outage));
    for (at, entry) in faults.chain(events).chain(outages) {
        entry.check().map_err(|why| mistake(at, why))?;
        entries.push(entry);
    }
    for image in &file.image {
        image.get_ref().check().map_err(|why| mistake(image.span().start, why))?;
    }
    let mut actions = Vec::new();
    for planned in file.action {
        let at = planned.span().start;
        let ActionEntry { at: when, every, action } = planned.into_inner();
        action.check().map_err(|why| mistake(at, why))?;
        if every.is_some_and(|every| every < Duration::from_secs(1)) {
            return Err(mistake(
                at,
                "every: at least 1s, or the world does nothing else".to_owned(),
            ));
        }
        actions.push(Planned { at: when, every, action });
    }
    Ok(Scenario {
        seed: file.seed,
        speed: file.speed.map(Spanned::into_inner),
        settings,
        plan: entries.into_iter().collect(),
        images: file.image.into_iter().map(Spanned::into_inner).collect(),
        actions,
    })
}

fn entry<R>(rule: Spanned<R>, wrap: fn(R) -> Entry) -> (usize, Entry) {
    (rule.span().start, wrap(rule.into_inner()))
}

/// The base with the file's values over it. By way of JSON, whose numbers hold a `u64`.
fn settings(base: Base, over: Option<&toml::Value>, seed: Option<u64>) -> Result<Settings, String> {
    let base = match base {
        Base::Brisk => landscape::brisk(),
        Base::Aws => Settings::default(),
    };
    let explain = |error: serde_json::Error| error.to_string();
    let mut merged = serde_json::to_value(&base).map_err(explain)?;
    if let Some(over) = over {
        merge(&mut merged, serde_json::to_value(over).map_err(explain)?);
    }
    let settings: Settings = serde_json::from_value(merged).map_err(explain)?;
    Ok(Settings { seed: seed.unwrap_or(base.seed), ..settings })
}

/// Tables are merged key by key; anything else replaces what was there, so that
/// `throttling = "off"` takes the place of `{ on = … }`.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(there) if there.is_object() && value.is_object() => merge(there, value),
                    _ => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, from) => *into = from,
    }
}

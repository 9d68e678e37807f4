//! What is promised: which images a policy selects, to which family they belong, and the RPO.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::ids::Region;
use crate::model::Image;
use crate::planted::{Bug, has};
use crate::span::Span;

/// One `[[policy]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name: a metric label, so 1 to 64 of a-z, 0-9, '-' and '_'.
    pub name: PolicyName,
    /// Which images it protects.
    pub select: Selector,
    /// What makes images a family.
    pub family: FamilyKey,
    /// Families that must be there, each shown by name in the metrics; all others are shown as one.
    #[serde(default)]
    pub families: Vec<String>,
    /// Regions that shall hold a recovery point of each image.
    pub target_regions: Vec<Region>,
    /// How old the newest complete recovery point of a family may be.
    pub rpo: Span,
    /// What a complete recovery point holds.
    #[serde(default)]
    pub tier: Tier,
    /// How long the vault object's Object Lock retention lasts from its copy on; without it the
    /// vault bucket's default decides.
    #[serde(default)]
    pub retention: Option<Span>,
    /// Higher is served first when a quota is scarce.
    #[serde(default)]
    pub priority: i32,
    /// Restore even while EBS encryption by default is off.
    #[serde(default)]
    pub accept_plaintext: bool,
}

/// Stands in the metrics for what the configuration does not name: families that no policy lists,
/// and policies or sources that are not configured any more.
pub const UNNAMED: &str = "_other";

impl Policy {
    /// The families that the configuration names: those that are listed, and a fixed one. One of
    /// them without any image is a broken promise and not an empty one.
    pub fn named_families(&self) -> impl Iterator<Item = &str> {
        let fixed = match &self.family {
            FamilyKey::Fixed(name) => Some(name.as_str()),
            FamilyKey::Tag(_) => None,
        };
        self.families.iter().map(String::as_str).chain(fixed)
    }
}

/// A policy's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct PolicyName(String);

impl PolicyName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PolicyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PolicyName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let valid = (1..=64).contains(&name.len())
            && name != UNNAMED
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if valid {
            Ok(Self(name))
        } else {
            let name: String = name.chars().take(80).collect();
            Err(format!(
                "{name:?} is not a policy name: expected 1 to 64 of a-z, 0-9, '-', '_', and not \
                 {UNNAMED:?}"
            ))
        }
    }
}

/// Which images a policy selects: all conditions that are given must hold, and one must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "SelectorText")]
pub struct Selector {
    /// Tags the image must carry; `*` in a value stands for any text.
    pub tags: BTreeMap<String, Pattern>,
    /// Patterns of which the image's name must match one; empty: any name.
    pub names: Vec<Pattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectorText {
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    names: Vec<String>,
}

impl TryFrom<SelectorText> for Selector {
    type Error = String;

    fn try_from(text: SelectorText) -> Result<Self, String> {
        if text.tags.is_empty() && text.names.is_empty() {
            return Err("select needs tags or names; use names = [\"*\"] for every image".into());
        }
        Ok(Self {
            tags: text.tags.into_iter().map(|(key, value)| (key, Pattern(value))).collect(),
            names: text.names.into_iter().map(Pattern).collect(),
        })
    }
}

impl Selector {
    /// Whether the image meets every condition.
    pub fn selects(&self, image: &Image) -> bool {
        let tagged = self
            .tags
            .iter()
            .all(|(key, pattern)| image.tags.get(key).is_some_and(|value| pattern.matches(value)));
        let named =
            self.names.is_empty() || self.names.iter().any(|name| name.matches(&image.name));
        tagged && named
    }
}

/// A text in which `*` stands for any number of characters. Matches whole texts, case included.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pattern(String);

impl Pattern {
    /// Whether the whole text matches. Time is linear in pattern times text, whatever they hold.
    pub fn matches(&self, text: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let mut pieces: Vec<&str> = pieces.collect();
        let Some(last) = pieces.pop() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// What makes images a family: the RPO is a promise about a family.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum FamilyKey {
    /// The value of this tag; an image without it is its own family, by name.
    Tag(String),
    /// All images that the policy selects are one family, with this name.
    Fixed(String),
}

impl FamilyKey {
    /// The family of an image. Text of whoever tagged it: shown, never trusted.
    pub fn of(&self, image: &Image) -> String {
        match self {
            Self::Tag(key) => image.tags.get(key).unwrap_or(&image.name).clone(),
            Self::Fixed(name) => name.clone(),
        }
    }
}

/// How many of a family's older images are copied, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backfill {
    /// All of them.
    #[default]
    All,
    /// So many of the newest after the newest one.
    Newest(u32),
}

/// What a complete recovery point holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The `.bin` rests in the vault.
    Archive,
    /// It is also restored as an AMI.
    #[default]
    Ready,
}

impl Tier {
    /// The name in configuration, tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Ready => "ready",
        }
    }
}

/// All policies, in the order of the file: the first that selects an image governs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies(pub Vec<Policy>);

impl Policies {
    /// The policy that governs an image, if any.
    pub fn governing(&self, image: &Image) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.select.selects(image) || has(Bug::PolicyForAll))
    }

    /// The policy of that name.
    pub fn named(&self, name: &str) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.name.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_texts_with_stars_for_anything() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web-*", "web-", true),
            ("web-*", "my-web-1", false),
            ("*-prod", "web-prod", true),
            ("*-prod", "web-prod-1", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("", "", true),
            ("**", "x", true),
            ("Web", "web", false),
        ] {
            assert_eq!(Pattern(pattern.into()).matches(text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_selector_without_conditions_is_refused() {
        let refused = serde_json::from_str::<Selector>("{}").unwrap_err();
        assert!(refused.to_string().contains("names = [\"*\"]"), "{refused}");
    }
}

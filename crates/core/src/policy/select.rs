//! Decides which images a policy selects: those that meet its conditions and none of its
//! exceptions.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Pattern;
use crate::model::Image;

/// Which images a policy selects: all conditions that are given must hold, and one must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Conditions")]
pub struct Selector {
    /// Tags the image must carry; `*` in a value stands for any text.
    pub tags: BTreeMap<String, Pattern>,
    /// Patterns of which the image's name must match one; empty: any name.
    pub names: Vec<Pattern>,
}

/// Which of the selected images a policy excludes: those that meet any condition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Conditions")]
pub struct Exclusion {
    /// Tags of which the image carries none; `*` in a value stands for any text.
    pub tags: BTreeMap<String, Pattern>,
    /// Patterns of which the image's name matches none.
    pub names: Vec<Pattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conditions {
    #[serde(default)]
    tags: BTreeMap<String, Pattern>,
    #[serde(default)]
    names: Vec<Pattern>,
}

impl Conditions {
    fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.names.is_empty()
    }
}

impl TryFrom<Conditions> for Selector {
    type Error = String;

    fn try_from(given: Conditions) -> Result<Self, String> {
        if given.is_empty() {
            return Err("select needs tags or names; use names = [\"*\"] for every image".into());
        }
        Ok(Self { tags: given.tags, names: given.names })
    }
}

impl TryFrom<Conditions> for Exclusion {
    type Error = String;

    fn try_from(given: Conditions) -> Result<Self, String> {
        if given.is_empty() {
            return Err("exclude needs tags or names; leave it out to exclude nothing".into());
        }
        Ok(Self { tags: given.tags, names: given.names })
    }
}

impl Selector {
    /// Whether the image meets every condition.
    pub fn selects(&self, image: &Image) -> bool {
        let named = self.names.is_empty() || is_named(&self.names, image);
        named && self.tags.iter().all(|tag| is_tagged(tag, image))
    }
}

impl Exclusion {
    /// Whether the image meets any condition.
    pub fn excludes(&self, image: &Image) -> bool {
        is_named(&self.names, image) || self.tags.iter().any(|tag| is_tagged(tag, image))
    }
}

fn is_tagged((key, pattern): (&String, &Pattern), image: &Image) -> bool {
    image.tags.get(key).is_some_and(|value| pattern.matches(value))
}

fn is_named(names: &[Pattern], image: &Image) -> bool {
    names.iter().any(|name| name.matches(&image.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_without_any_are_refused() {
        let select = serde_json::from_str::<Selector>("{}").unwrap_err().to_string();
        assert!(select.contains("names = [\"*\"]"), "{select}");
        let exclude = serde_json::from_str::<Exclusion>("{}").unwrap_err().to_string();
        assert!(exclude.contains("leave it out"), "{exclude}");
    }
}

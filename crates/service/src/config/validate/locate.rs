//! Finds the place of a value in the text of a configuration.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::problem::Place;

/// One step of the path to a value.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Item(usize),
}
use self::Step::{Item, Key};

/// The place of a value, or of its table if the value is a default.
pub(super) fn locate(
    text: &str,
    document: &Spanned<DeTable<'_>>,
    path: &[Step<'_>],
) -> Option<Place> {
    let (first, rest) = path.split_first()?;
    let Key(name) = first else { return None };
    let mut value = document.get_ref().get(*name)?;
    let mut span = value.span();
    for step in rest {
        let next = match (value.get_ref(), step) {
            (DeValue::Table(table), Key(name)) => table.get(*name),
            (DeValue::Array(items), Item(index)) => items.get(*index),
            _ => None,
        };
        let Some(next) = next else { break };
        value = next;
        span = value.span();
    }
    Some(Place::of(text, span))
}

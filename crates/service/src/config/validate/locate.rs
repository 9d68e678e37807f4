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

/// The text that a file has at a place; `None` for anything else, or nothing.
pub(super) fn text_at<'d>(
    document: &'d Spanned<DeTable<'_>>,
    path: &[Step<'_>],
) -> Option<&'d str> {
    let (Key(name), rest) = path.split_first()? else { return None };
    let mut value = document.get_ref().get(*name)?;
    for step in rest {
        value = match (value.get_ref(), step) {
            (DeValue::Table(table), Key(name)) => table.get(*name)?,
            (DeValue::Array(items), Item(index)) => items.get(*index)?,
            _ => return None,
        };
    }
    value.get_ref().as_str()
}

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

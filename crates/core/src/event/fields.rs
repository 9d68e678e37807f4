//! Reads typed fields out of an untrusted object, so that each refusal names the field by its path.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::{MAX_ITEMS, Reject, RejectCode};
use crate::ids::Malformed;

/// An object inside a message, and where it lies. A field that is `null` counts as absent.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    /// The outermost object.
    pub(super) fn of_body(value: &'a Value) -> Result<Self, Reject> {
        let object = value.as_object().ok_or_else(|| {
            let detail = format!("{}; expected an object", describe(value));
            Reject::new(RejectCode::UnknownShape, &detail)
        })?;
        Ok(Self { object, path: String::new() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// The path of a field, as a person would write it: `detail.object.key`.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn bad(&self, name: &str, problem: impl std::fmt::Display) -> Reject {
        Reject::field(&self.path(name), problem)
    }

    pub(super) fn object(&self, name: &str) -> Result<Self, Reject> {
        self.optional_object(name)?.ok_or_else(|| self.bad(name, "missing"))
    }

    pub(super) fn optional_object(&self, name: &str) -> Result<Option<Self>, Reject> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let object = value.as_object().ok_or_else(|| self.mismatch(name, value, "an object"))?;
        Ok(Some(Self { object, path: self.path(name) }))
    }

    /// The values of a list of at most [`MAX_ITEMS`]; none when it is absent.
    pub(super) fn list(&self, name: &str) -> Result<&'a [Value], Reject> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) if items.len() > MAX_ITEMS => {
                let (path, count) = (self.path(name), items.len());
                let detail = format!("{path}: {count} items; at most {MAX_ITEMS} are read");
                Err(Reject::new(RejectCode::TooMany, &detail))
            }
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.mismatch(name, other, "a list")),
        }
    }

    /// The objects of a list, and what is none.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Result<Self, Reject>>, Reject> {
        let element = |(index, value): (usize, &'a Value)| {
            let name = format!("{name}[{index}]");
            let object =
                value.as_object().ok_or_else(|| self.mismatch(&name, value, "an object"))?;
            Ok(Self { object, path: self.path(&name) })
        };
        Ok(self.list(name)?.iter().enumerate().map(element).collect())
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, Reject> {
        self.optional_text(name)?.ok_or_else(|| self.bad(name, "missing"))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, Reject> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.mismatch(name, value, "a string"))
    }

    /// An opaque token that is only handed back to AWS, such as an entity tag: printable ASCII, at
    /// most 1,024 bytes (the length S3 documents for a version id). Empty counts as absent.
    pub(super) fn optional_token(&self, name: &str) -> Result<Option<String>, Reject> {
        let Some(token) = self.optional_text(name)?.filter(|token| !token.is_empty()) else {
            return Ok(None);
        };
        if token.len() > 1024 || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(self.bad(name, "expected 1 to 1024 printable ASCII characters"));
        }
        Ok(Some(token.to_owned()))
    }

    pub(super) fn id<T: FromStr<Err = Malformed>>(&self, name: &str) -> Result<T, Reject> {
        self.text(name)?.parse().map_err(|malformed| self.bad(name, malformed))
    }

    pub(super) fn optional_id<T: FromStr<Err = Malformed>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Reject> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|malformed| self.bad(name, malformed))
    }

    /// A count of bytes: a whole JSON number from 0 to 2⁶⁴ − 1.
    pub(super) fn optional_size(&self, name: &str) -> Result<Option<u64>, Reject> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| self.mismatch(name, value, "a count of bytes"))
    }

    fn mismatch(&self, name: &str, found: &Value, expected: &str) -> Reject {
        self.bad(name, format_args!("{}; expected {expected}", describe(found)))
    }
}

/// A value's type in words, for messages; never its content, which may be long.
pub(super) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_u64() => "a whole number",
        Value::Number(_) => "a negative, fractional or too large number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

//! The properties of a resource, read by name: one that nothing reads is refused, not passed over.

use serde_json::{Map, Value};

use crate::cloudformation::template::text_of;

/// The properties of a resource, or of a part of it.
#[derive(Debug, Clone, Copy)]
pub struct Properties<'a>(&'a Map<String, Value>);

impl<'a> Properties<'a> {
    /// All of them, their functions resolved.
    pub fn new(properties: &'a Map<String, Value>) -> Self {
        Self(properties)
    }

    /// That there are no others than these.
    ///
    /// # Errors
    /// The name of another one.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(format!("the simulated CloudFormation lacks the property {name} here"))
            }
            None => Ok(()),
        }
    }

    /// A property as it is.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// A property as a text; numbers and truth values count as theirs.
    ///
    /// # Errors
    /// That it is a list or an object.
    pub fn text(&self, name: &str) -> Result<Option<String>, String> {
        let value = self.0.get(name);
        let text =
            value.map(|value| text_of(value).ok_or_else(|| format!("{name} must be a text")));
        text.transpose()
    }

    /// The same for one that must be there.
    ///
    /// # Errors
    /// That it is missing, or no text.
    pub fn required(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A property that is a number.
    ///
    /// # Errors
    /// That it is none.
    pub fn number(&self, name: &str) -> Result<Option<u32>, String> {
        let text = self.text(name)?;
        let number = text
            .map(|text| text.parse().map_err(|_| format!("{name} must be a number, not {text}")));
        number.transpose()
    }

    /// A property that is a truth value; `false` if it is not there.
    ///
    /// # Errors
    /// That it is none.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(format!("{name} must be true or false, not {other}")),
        }
    }

    /// A property as JSON, if it is there.
    pub fn json(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        })
    }

    /// A property that is an object.
    ///
    /// # Errors
    /// That it is none.
    pub fn inner(&self, name: &str) -> Result<Option<Self>, String> {
        let value = self.0.get(name);
        value.map(|value| object(name, value)).transpose()
    }

    /// The entries of a property that is a list of objects; none if it is not there.
    ///
    /// # Errors
    /// That it is no such list.
    pub fn items(&self, name: &str) -> Result<Vec<Self>, String> {
        let entries = self.list(name)?.iter().map(|value| object(name, value));
        entries.collect()
    }

    /// The entries of a property that is a list of texts; none if it is not there.
    ///
    /// # Errors
    /// That it is no such list.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let entries = self.list(name)?.iter();
        entries
            .map(|value| text_of(value).ok_or_else(|| format!("{name} must hold texts")))
            .collect()
    }

    fn list(&self, name: &str) -> Result<&'a [Value], String> {
        match self.0.get(name) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(format!("{name} must be a list")),
        }
    }
}

/// That a property is missing.
pub fn missing(name: &str) -> String {
    format!("required key [{name}] not found")
}

fn object<'a>(name: &str, value: &'a Value) -> Result<Properties<'a>, String> {
    let object = value.as_object().map(Properties);
    object.ok_or_else(|| format!("{name} must be an object"))
}

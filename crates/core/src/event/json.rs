//! Builds a JSON value more strictly than `serde_json` alone: bounded nesting, no name twice.
//!
//! Of two equal names, `serde_json` silently keeps the last. A filter in front of the queue that
//! keeps the first would then have approved a different message.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{MAX_NESTING, Reject, RejectCode};

/// Parses the whole of `text` as one JSON value.
pub(crate) fn parse(text: &str) -> Result<Value, Reject> {
    let fault = Cell::new(RejectCode::NotJson);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Node { depth: 0, fault: &fault }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| match text.strip_prefix('\u{feff}') {
            Some(_) => {
                Reject::new(fault.get(), "a byte order mark (U+FEFF) stands before the JSON")
            }
            None => Reject::new(fault.get(), &error.to_string()),
        })
}

/// One value `depth` levels down; leaves in `fault` why it refused, as serde errors are only text.
#[derive(Clone, Copy)]
struct Node<'a> {
    depth: usize,
    fault: &'a Cell<RejectCode>,
}

impl Node<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_NESTING {
            self.fault.set(RejectCode::TooDeep);
            return Err(E::custom(format_args!("nested deeper than {MAX_NESTING} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                self.fault.set(RejectCode::DuplicateKey);
                let name: String = name.chars().take(80).collect();
                return Err(A::Error::custom(format_args!("{name:?} twice in one object")));
            }
            let value = entries.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

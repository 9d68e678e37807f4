//! A policy document or event pattern of `deploy`, with its keys in the order of the file.

use crate::repository::read;

/// A value of the file; no document has numbers or booleans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A text without escapes.
    Text(String),
    /// A list.
    List(Vec<Document>),
    /// An object.
    Object(Vec<(String, Document)>),
}

impl Document {
    /// Reads a file, named from the top.
    pub fn read(path: &str) -> Self {
        let text = read(path);
        let mut rest = text.as_str();
        let document = value(&mut rest);
        assert_eq!(rest.trim(), "", "{path} goes on after its end");
        document
    }

    /// The value of a key, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The texts of a list, or the one text.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(entries) => entries.iter().flat_map(Self::texts).collect(),
            Self::Object(_) => panic!("{self:?} is an object"),
        }
    }

    /// The statements of a policy.
    pub fn statements(&self) -> &[Self] {
        match self.get("Statement") {
            Some(Self::List(statements)) => statements,
            other => panic!("a policy has a list of statements, not {other:?}"),
        }
    }
}

fn value(rest: &mut &str) -> Document {
    match sign(rest) {
        '"' => Document::Text(text(rest)),
        '[' => {
            let mut entries = Vec::new();
            loop {
                entries.push(value(rest));
                match sign(rest) {
                    ',' => {}
                    ']' => return Document::List(entries),
                    other => panic!("{other:?} in a list"),
                }
            }
        }
        '{' => {
            let mut entries = Vec::new();
            loop {
                assert_eq!(sign(rest), '"', "a key is a text");
                let key = text(rest);
                assert_eq!(sign(rest), ':', "a value follows the key {key}");
                entries.push((key, value(rest)));
                match sign(rest) {
                    ',' => {}
                    '}' => return Document::Object(entries),
                    other => panic!("{other:?} in an object"),
                }
            }
        }
        other => panic!("{other:?} begins no text, list or object"),
    }
}

/// The next character that is no white space.
fn sign(rest: &mut &str) -> char {
    let trimmed = rest.trim_start();
    let mut characters = trimmed.chars();
    let sign = characters.next().expect("the document ends too early");
    *rest = characters.as_str();
    sign
}

/// The text whose opening quote has been read.
fn text(rest: &mut &str) -> String {
    let (text, after) = rest.split_once('"').expect("a text ends");
    assert!(!text.contains('\\'), "{text:?}: escapes are not read here");
    *rest = after;
    text.to_owned()
}

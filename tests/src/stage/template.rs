//! A small reader of the templates of `deploy/cloudformation`: the policies and patterns that are
//! written down in them, with the references resolved as a stack of the landscape would.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A template, and what the references in it give.
pub struct Template {
    text: &'static str,
    values: BTreeMap<&'static str, String>,
}

impl Template {
    /// A template; `values` are those of parameters, resources and their attributes.
    pub fn new(
        text: &'static str,
        values: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        Self { text, values: values.into_iter().collect() }
    }

    /// What stands below an element of a resource, as JSON: of `WorkerRole`, the `nth`
    /// `PolicyDocument`.
    pub fn element(&self, resource: &str, element: &str, nth: usize) -> String {
        let head = format!("  {resource}:");
        let lines = self.text.lines().skip_while(|line| *line != head).skip(1);
        let own: Vec<&str> = lines.take_while(|line| line.is_empty() || depth(line) > 2).collect();
        let is_it = |line: &&str| {
            let line = line.trim_start().trim_start_matches("- ");
            line.strip_prefix(element).is_some_and(|rest| rest.starts_with(": #"))
        };
        let found: Vec<usize> =
            own.iter().enumerate().filter(|(_, line)| is_it(line)).map(|(n, _)| n).collect();
        let at = *found.get(nth).unwrap_or_else(|| panic!("no {element} {nth} in {resource}"));
        let margin = depth(own[at]);
        let below: Vec<&str> =
            own[at + 1..].iter().take_while(|line| depth(line) > margin).copied().collect();
        assert!(!below.is_empty(), "{resource}: {element} is empty");
        self.block(&mut below.as_slice()).to_string()
    }

    /// Reads the lines that are as deep as the first, and what is below them.
    fn block(&self, lines: &mut &[&str]) -> Value {
        let margin = depth(lines[0]);
        let (mut list, mut map) = (Vec::new(), Map::new());
        while let Some((line, rest)) = lines.split_first()
            && depth(line) == margin
        {
            let text = line.trim_start();
            if let Some(entry) = text.strip_prefix("- ") {
                if entry.starts_with(['"', '!']) && !entry.contains("\": ") {
                    *lines = rest;
                    list.push(self.scalar(entry));
                    continue;
                }
                // An object in a list: its first key stands behind the dash.
                let first = format!("{}{entry}", " ".repeat(margin + 2));
                let more = rest.iter().take_while(|line| depth(line) > margin).count();
                let mut own = vec![first.as_str()];
                own.extend(&rest[..more]);
                list.push(self.block(&mut own.as_slice()));
                *lines = &rest[more..];
                continue;
            }
            *lines = rest;
            let (key, value) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
            let value = if value.is_empty() { self.block(lines) } else { self.scalar(value) };
            map.insert(key.trim_matches('"').to_owned(), value);
        }
        if map.is_empty() { Value::Array(list) } else { Value::Object(map) }
    }

    fn scalar(&self, text: &str) -> Value {
        if let Some(name) = text.strip_prefix("!Ref ") {
            // The only one is a parameter that is a list.
            return Value::Array(vec![Value::String(self.value(name))]);
        }
        let (text, filled) = match text.strip_prefix("!Sub ") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let text = text.unwrap_or_else(|| panic!("{text:?} is no text in quotes"));
        Value::String(if filled { self.filled(text) } else { text.to_owned() })
    }

    fn filled(&self, text: &str) -> String {
        let mut written = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').unwrap();
            written.push_str(before);
            match name.strip_prefix('!') {
                Some(variable) => written.push_str(&format!("${{{variable}}}")),
                None => written.push_str(&self.value(name)),
            }
            rest = after;
        }
        written + rest
    }

    fn value(&self, name: &str) -> String {
        self.values.get(name).unwrap_or_else(|| panic!("what is {name}?")).clone()
    }
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

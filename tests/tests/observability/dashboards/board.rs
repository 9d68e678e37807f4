//! The dashboards as their files have them: panels, queries and variables.

use std::fs;

use serde_json::Value;

use crate::tools::root;

/// One dashboard.
pub struct Board {
    /// The name of its file, without the ending.
    pub name: String,
    /// The file.
    pub text: String,
    /// What the file says.
    pub json: Value,
}

/// One query of a panel.
pub struct Query<'b> {
    /// The title of the panel.
    pub panel: &'b str,
    /// Its number in the panel.
    pub index: usize,
    /// The `PromQL`, with Grafana's variables in it.
    pub expression: &'b str,
    /// How each series is called, with its labels in `{{}}`.
    pub legend: &'b str,
    /// Whether it is asked over a range of time and not at its end only.
    pub is_range: bool,
}

impl Board {
    /// Every dashboard of the repository.
    pub fn all() -> Vec<Self> {
        let mut boards = Vec::new();
        for entry in fs::read_dir(root().join("dashboards")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let json = serde_json::from_str(&text)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                boards.push(Self { name, text, json });
            }
        }
        boards.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(boards.len() >= 4, "only {} dashboards: are they read?", boards.len());
        boards
    }

    pub fn title(&self) -> &str {
        text(&self.json, "title")
    }

    pub fn panels(&self) -> &[Value] {
        self.json["panels"].as_array().unwrap()
    }

    pub fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().unwrap()
    }

    /// Its variable of this name.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        self.variables().iter().find(|variable| variable["name"] == name)
    }

    /// The queries of all panels.
    pub fn queries(&self) -> Vec<Query<'_>> {
        let of = |panel| {
            let targets: &[Value] = list(panel, "targets");
            targets.iter().enumerate().map(move |(index, target)| Query {
                panel: text(panel, "title"),
                index,
                expression: text(target, "expr"),
                legend: text(target, "legendFormat"),
                is_range: target["range"] == true,
            })
        };
        self.panels().iter().flat_map(of).collect()
    }
}

/// A member that is a text; empty where there is none.
pub fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

/// A member that is a list; empty where there is none.
pub fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Every object and list in a value, itself included, with the name that its owner gives it.
pub fn walk<'v>(name: &'v str, value: &'v Value, visit: &mut impl FnMut(&'v str, &'v Value)) {
    visit(name, value);
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| walk(name, value, visit)),
        Value::Array(items) => items.iter().for_each(|item| walk(name, item, visit)),
        _ => {}
    }
}

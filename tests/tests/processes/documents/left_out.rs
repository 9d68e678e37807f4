//! The blocks that no test types, each with the reason.

use std::fs;

use super::blocks::{Block, root};

/// The list.
const LIST: &str = "tests/tests/processes/documents/left_out.toml";

/// Why a block is not typed.
#[derive(Debug, Clone)]
pub struct LeftOut {
    page: String,
    /// The beginning of its first command; empty for every block of the page.
    begins: String,
    reason: String,
}

impl LeftOut {
    /// Whether it speaks about a block of a page.
    pub fn is_about(&self, page: &str, block: &Block) -> bool {
        let first = &block.commands[0].text;
        self.page == page && first.trim_start().starts_with(&self.begins)
    }
}

/// All of them.
pub fn all() -> Vec<LeftOut> {
    let list: toml::Table = fs::read_to_string(root().join(LIST)).unwrap().parse().unwrap();
    let entries = list["block"].as_array().unwrap();
    let text = |entry: &toml::Value, key: &str| {
        entry.get(key).map(|value| value.as_str().unwrap().to_owned()).unwrap_or_default()
    };
    let read = |entry: &toml::Value| LeftOut {
        page: text(entry, "page"),
        begins: text(entry, "begins"),
        reason: text(entry, "reason"),
    };
    let all: Vec<LeftOut> = entries.iter().map(read).collect();
    for entry in &all {
        assert!(entry.reason.split_whitespace().count() >= 3, "{entry:?} gives no reason");
    }
    all
}

//! Rules for every Markdown file: links have targets, and pages mention what they must.

use std::path::Path;

use crate::repository::{files, read, root};

/// Text of a page outside fenced code.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    assert!(!fenced, "a fence is left open");
    prose
}

/// The targets of `[text](target)` that are files.
fn local_links(text: &str) -> Vec<String> {
    prose(text)
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut checked = 0;
    for page in files("", "md") {
        let folder = root().join(Path::new(&page).parent().unwrap());
        for target in local_links(&read(&page)) {
            assert!(folder.join(&target).exists(), "{page} links to {target}");
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} links: are pages read?");
}

#[test]
fn every_path_that_a_page_quotes_is_there() {
    let mut checked = 0;
    for page in files("", "md") {
        for quoted in prose(&read(&page)).split('`').skip(1).step_by(2) {
            let is_path = ["crates/", "tests/", "docs/"].iter().any(|top| quoted.starts_with(top));
            if is_path && !quoted.contains(' ') {
                assert!(root().join(quoted).exists(), "{page} names {quoted}");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} paths: are pages read?");
}

#[test]
fn every_decision_record_is_listed_and_has_its_sections() {
    let index = read("docs/adr/README.md");
    for page in files("docs/adr", "md") {
        let name = page.rsplit('/').next().unwrap();
        if name == "README.md" {
            continue;
        }
        assert!(index.contains(&format!("({name})")), "docs/adr/README.md does not list {name}");
        let text = read(&page);
        for section in ["## Context", "## Decision", "## Consequences", "## What would change it"] {
            assert!(text.contains(section), "{page} has no section {section:?}");
        }
    }
}

#[test]
fn every_key_of_the_example_configuration_is_explained() {
    let page = read("docs/configuration.md");
    let example = read("crates/service/src/config/example.toml");
    let mut keys = 0;
    for line in example.lines() {
        // A key with a default that is not shown stands behind a comment sign.
        let line = line.strip_prefix("# ").unwrap_or(line);
        let Some((key, _)) = line.split_once(" = ") else { continue };
        let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if is_key {
            keys += 1;
            assert!(page.contains(&format!("`{key}`")), "docs/configuration.md lacks {key}");
        }
    }
    assert!(keys > 30, "only {keys} keys: is the example read?");
}

#[test]
fn every_exit_status_of_the_help_is_in_its_page() {
    let source = read("crates/cli/src/exit.rs");
    let table = source.split("pub const TABLE: &str = \"").nth(1).unwrap();
    let table = table.split("\";").next().unwrap();
    let page = read("docs/exit-status.md");
    let mut statuses = 0;
    for line in table.lines() {
        let Some((number, _)) = line.trim().split_once("  ") else { continue };
        if number.parse::<u8>().is_ok() {
            statuses += 1;
            assert!(page.contains(&format!("| {number} |")), "docs/exit-status.md lacks {number}");
        }
    }
    assert!(statuses >= 9, "only {statuses} statuses: is the table read?");
}

#[test]
fn the_readme_is_short() {
    let words = prose(&read("README.md")).split_whitespace().count();
    assert!(words <= 900, "README.md has {words} words; move something to docs/");
}

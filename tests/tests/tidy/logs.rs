//! Rules for what is logged: fields are those of the table, messages are constant, and the page
//! about logs has the table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use amiferry_service::telemetry::{FIELDS, Given};

use crate::repository::{files, read, root};

/// The crates whose lines are amiferry's log.
const CRATES: [&str; 5] = ["aws", "cli", "service", "source-worker", "target-worker"];

const PAGE: &str = "docs/logs.md";
const BEGIN: &str =
    "<!-- Made from crates/service/src/telemetry/fields.rs by tests/tests/tidy/logs.rs. -->\n";
const END: &str = "<!-- End of what is made. -->\n";

/// The sources without those of tests.
fn sources() -> Vec<(String, String)> {
    let paths = CRATES.iter().flat_map(|name| files(&format!("crates/{name}/src"), "rs"));
    let paths = paths.filter(|path| !path.contains("tests"));
    paths.map(|path| (path.clone(), read(&path))).collect()
}

/// The arguments of every call of a macro, split at the commas that are not inside of anything.
fn calls(source: &str, name: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for (at, _) in source.match_indices(&format!("{name}!(")) {
        let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
        let mut arguments = vec![String::new()];
        for c in source[at + name.len() + 1..].chars() {
            let last = arguments.last_mut().unwrap();
            if quoted {
                quoted = escaped || c != '"';
                escaped = c == '\\' && !escaped;
                last.push(c);
                continue;
            }
            match c {
                '"' => quoted = true,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            match c {
                _ if depth == 0 => break,
                '(' if depth == 1 && last.is_empty() && arguments.len() == 1 => {}
                ',' if depth == 1 => arguments.push(String::new()),
                _ => arguments.last_mut().unwrap().push(c),
            }
        }
        let arguments = arguments.iter().map(|argument| argument.trim().to_owned());
        calls.push(arguments.filter(|argument| !argument.is_empty()).collect());
    }
    calls
}

/// The name that an argument gives a value to.
fn field(argument: &str) -> Option<&str> {
    let (name, _) = argument.split_once('=')?;
    let name = name.trim();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
    name.chars().all(fits).then_some(name)
}

fn is_text(argument: &str) -> bool {
    argument.starts_with('"')
}

#[test]
fn every_line_that_is_logged_has_a_constant_text_and_fields_of_the_table_only() {
    let known: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
    let mut lines = 0;
    for (path, source) in sources() {
        for level in ["error", "warn", "info", "debug", "trace"] {
            for arguments in calls(&source, &format!("tracing::{level}")) {
                // The macros of `log.rs` hand on what they are given.
                if arguments.iter().any(|argument| argument.starts_with('$')) {
                    continue;
                }
                lines += 1;
                let text = arguments.iter().position(|argument| is_text(argument));
                let text = text.unwrap_or_else(|| panic!("{path}: no text in {arguments:?}"));
                for argument in &arguments[..text] {
                    let name = field(argument);
                    assert!(
                        !argument.contains("= ?") && !argument.starts_with('?'),
                        "{path}: {argument:?} would show Rust source text: give it words"
                    );
                    assert!(
                        name.is_some_and(|name| known.contains(name)),
                        "{path}: {argument:?} is no field of the table"
                    );
                }
                let is_constant = !arguments[text].contains('{') || arguments[text] == "\"{}\"";
                assert!(is_constant, "{path}: particulars in the text {}", arguments[text]);
            }
        }
        for record in source.match_indices(".record(\"").map(|(at, start)| at + start.len()) {
            let name = source[record..].split('"').next().unwrap();
            let field = FIELDS.iter().find(|field| field.name == name);
            let by_stage = field.is_some_and(|field| field.given == Given::Stage);
            assert!(
                by_stage,
                "{path}: {name} is recorded, and the span of a step has no such field"
            );
        }
    }
    assert!(lines > 25, "only {lines} lines: are the sources read?");
}

#[test]
fn every_field_of_the_table_is_used() {
    let sources: String = sources().into_iter().map(|(_, source)| source).collect();
    for field in FIELDS.iter().filter(|field| field.given != Given::Always) {
        let name = field.name;
        let used =
            sources.contains(&format!("{name} = ")) || sources.contains(&format!("\"{name}\","));
        assert!(used, "no line has {name}");
    }
}

#[test]
fn the_page_about_logs_has_the_table_of_fields() {
    let mut table = String::from("\n| field | given by | what it says |\n|---|---|---|\n");
    for field in FIELDS {
        writeln!(table, "| `{}` | {} | {} |", field.name, field.given.as_str(), field.meaning)
            .unwrap();
    }
    table.push('\n');
    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the page says where the table begins");
    let (_, after) = rest.split_once(END).expect("the page says where the table ends");
    let expected = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("AMIFERRY_BLESS").is_some() {
        fs::write(root().join(PAGE), &expected).unwrap();
    }
    assert!(read(PAGE) == expected, "{PAGE} is out of date: run with AMIFERRY_BLESS=1");
}

#[test]
fn the_lines_that_the_page_shows_have_fields_of_the_table_only() {
    let known: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
    let page = read(PAGE);
    let shown = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(shown.lines().count(), 3);
    for line in shown.lines() {
        let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        for name in line.keys() {
            assert!(known.contains(name.as_str()), "{name} is in no table");
        }
    }
}

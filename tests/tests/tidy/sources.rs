//! Rules for every Rust file: how it begins, how long it is, and what core must not contain.

use crate::repository::{files, read};

/// Longest file, in lines.
const LONGEST: usize = 500;

/// Files that are longer, each with the reason for which it is not split.
const LONGER: &[(&str, &str)] =
    &[("crates/simulator/src/s3/wire/tests.rs", "one table of requests as clients send them")];

fn sources() -> Vec<(String, String)> {
    let paths = files("crates", "rs").into_iter().chain(files("tests", "rs"));
    paths
        .map(|path| {
            let text = read(&path);
            (path, text)
        })
        .collect()
}

#[test]
fn every_file_begins_with_what_it_decides_or_does() {
    for (path, text) in sources() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 20, "{path} begins with {first:?}");
    }
}

#[test]
fn no_file_is_long_without_a_reason() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        let excused = LONGER.iter().any(|(longer, _)| *longer == path);
        assert!(lines <= LONGEST || excused, "{path} has {lines} lines; split it by theme");
    }
    for (path, reason) in LONGER {
        assert!(sources().iter().any(|(found, _)| found == path), "{path} ({reason}) is gone");
    }
}

/// Whether a line of code has a path into an SDK crate; its name alone may also be a log target.
fn has_sdk_path(line: &str) -> bool {
    // Written in two pieces, or this file would have one.
    let word = concat!("aws", "_sdk_");
    line.match_indices(word).any(|(at, _)| {
        let rest = line[at..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        rest.starts_with("::") || line[..at].trim_end().ends_with("use")
    })
}

#[test]
fn sdk_types_are_named_in_the_aws_crate_only() {
    let mut inside = 0;
    for (path, text) in sources() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let names_it = code.filter(|line| has_sdk_path(line)).count();
        if path.starts_with("crates/aws/") {
            inside += names_it;
        } else {
            assert_eq!(names_it, 0, "{path} names SDK types");
        }
    }
    assert!(inside > 20, "only {inside} lines of crates/aws name SDK types: are they read?");
}

#[test]
fn core_reads_no_clock_and_knows_no_runtime() {
    let words = ["SystemTime::now", "Instant::now", "Timestamp::now", "tokio::", "std::env::"];
    for path in files("crates/core/src", "rs") {
        let text = read(&path);
        for word in words {
            assert!(!text.contains(word), "{path} says {word}");
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore"), "todo!("];
    for (path, text) in sources() {
        if path.starts_with("tests/tests/tidy/") {
            continue;
        }
        for word in words {
            assert!(!text.contains(word), "{path} says {word}");
        }
    }
}

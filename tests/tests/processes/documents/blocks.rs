//! The blocks of shell in a document.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Whether what it starts keeps running, in a terminal of its own (` ```console background`).
    pub background: bool,
    /// Another word behind the language: a test of its own plays the block.
    pub mark: String,
    /// What is typed, one command after the other.
    pub commands: Vec<Typed>,
}

/// A command, and what the page shows of its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// As it stands, with the lines that go on.
    pub text: String,
    /// The lines below it. `…` stands for anything, on a line of its own for any lines.
    pub shown: Vec<String>,
}

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The pages for users, by their path from the top.
pub fn pages() -> Vec<String> {
    let top = root();
    let mut found = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    let mut folders: Vec<PathBuf> =
        ["docs", "deploy", "dashboards"].iter().map(|name| top.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(&top).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// The blocks of a page, in their order.
pub fn of_page(page: &str) -> Vec<Block> {
    read(&fs::read_to_string(root().join(page)).unwrap())
}

fn read(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        // A block of a list stands to the right.
        let margin = &line[..line.len() - line.trim_start().len()];
        let inside = lines.by_ref().map(|line| line.strip_prefix(margin).unwrap_or(line));
        let inside: Vec<&str> = inside.take_while(|line| !line.starts_with("```")).collect();
        let (language, mark) = language.split_once(' ').unwrap_or((language, ""));
        let commands = match language {
            "console" => console(&inside),
            "sh" => vec![Typed { text: inside.join("\n"), shown: Vec::new() }],
            _ => continue,
        };
        let background = mark == "background";
        let mark = if background { String::new() } else { mark.to_owned() };
        blocks.push(Block { background, mark, commands });
    }
    blocks
}

/// What stands behind the prompts `$` and `#`, and below them.
fn console(lines: &[&str]) -> Vec<Typed> {
    let mut commands: Vec<Typed> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let prompted = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "));
        match (prompted, commands.last_mut()) {
            (_, Some(begun)) if goes_on => begun.text.push_str(&format!("\n{line}")),
            (Some(text), _) => {
                commands.push(Typed { text: text.to_owned(), shown: Vec::new() });
            }
            (None, Some(begun)) => {
                begun.shown.push((*line).to_owned());
                continue;
            }
            (None, None) => panic!("output without a command: {line}"),
        }
        goes_on = line.ends_with('\\');
    }
    commands
}

/// Whether the lines that a page shows are in an output, in their order.
///
/// # Errors
/// The first line that is not.
pub fn shows(shown: &[String], output: &str) -> Result<(), String> {
    let mut lines = output.lines().map(plain);
    for line in shown.iter().filter(|line| !["", "…"].contains(&line.trim())) {
        let wanted = plain(line);
        if !lines.any(|line| is_like(&wanted, &line)) {
            return Err(line.clone());
        }
    }
    Ok(())
}

/// Whether a line is as the page shows it, where `…` stands for any text.
fn is_like(wanted: &str, line: &str) -> bool {
    let mut parts = wanted.split('…').map(str::trim);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// A line without what differs from run to run: widths, ids, numbers and lengths of time.
fn plain(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let mut word = word.to_owned();
        for kind in ["ami-", "snap-", "vol-"] {
            if let Some((before, after)) = word.clone().split_once(kind) {
                let rest = after.trim_start_matches(|sign: char| sign.is_ascii_hexdigit());
                word = format!("{before}{kind}{rest}");
            }
        }
        let is_span = word.starts_with(|sign: char| sign.is_ascii_digit())
            && ["ms", "s", "m", "h", "d", "w"].contains(
                &word.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == '.'),
            );
        if is_span {
            word = "0".to_owned();
        } else {
            word =
                word.chars().map(|sign| if sign.is_ascii_digit() { '0' } else { sign }).collect();
            while word.contains("00") {
                word = word.replace("00", "0");
            }
        }
        if !(is_span && words.last().is_some_and(|last| last == "0")) {
            words.push(word);
        }
    }
    words.join(" ")
}

#[test]
fn blocks_are_read_with_their_commands_and_what_is_shown_of_them() {
    let text = "x\n```console background\n$ a \\\n    b\nout\n…\n$ c\n```\n```sh mark\nd\ne\n```\n```toml\nf\n```\n  ```sh\n  g\n\n    h\n  ```\n";
    let typed = |text: &str, shown: &[&str]| Typed {
        text: text.to_owned(),
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    let expected = vec![
        Block {
            background: true,
            mark: String::new(),
            commands: vec![typed("a \\\n    b", &["out", "…"]), typed("c", &[])],
        },
        Block { background: false, mark: "mark".to_owned(), commands: vec![typed("d\ne", &[])] },
        Block { background: false, mark: String::new(), commands: vec![typed("g\n\n  h", &[])] },
    ];
    assert_eq!(read(text), expected);
}

#[test]
fn what_is_shown_is_compared_without_what_differs_from_run_to_run() {
    let output = "APP   ami-0123abcd  1h 3m  12\nother\nexit 3\n";
    let shows = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        shows(&lines, output).is_ok()
    };
    assert!(shows(&["APP ami-0f 45s 7", "…", "exit 3"]));
    assert!(shows(&["APP … 7"]) && shows(&["… 3"]) && shows(&["AP…"]));
    assert!(!shows(&["exit 3", "other"]) && !shows(&["APQ …"]) && !shows(&["exit"]));
}

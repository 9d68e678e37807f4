//! The documents, and the commands in their fenced blocks and their quotes.

use std::fs;
use std::path::{Path, PathBuf};

/// Where no documents for users are.
const SKIPPED: [&str; 6] = [".git", ".venv", "target", "tests", "fuzz", "node_modules"];

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every document for users: its path from the top, and its text.
pub fn pages() -> Vec<(String, String)> {
    let top = root();
    let (mut found, mut folders) = (Vec::new(), vec![top.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !SKIPPED.contains(&name) {
                folders.push(path);
            } else if name.ends_with(".md") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&top).unwrap().display().to_string(), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "{} pages: are they found?", found.len());
    found
}

/// The commands of a page's `console` and `sh` blocks, each as one line.
pub fn typed(text: &str) -> Vec<String> {
    let (mut commands, mut block): (Vec<String>, Option<&str>) = (Vec::new(), None);
    let mut goes_on = false;
    for line in text.lines().map(str::trim_start) {
        if let Some(language) = line.strip_prefix("```") {
            block = block.is_none().then(|| language.split(' ').next().unwrap_or_default());
            goes_on = false;
            continue;
        }
        let command = match block {
            Some("console") if goes_on => Some(line),
            Some("console") => line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")),
            Some("sh") => Some(line),
            _ => None,
        };
        let Some(command) = command else { continue };
        let part = command.trim_end_matches('\\');
        match commands.last_mut() {
            Some(begun) if goes_on => begun.push_str(part),
            _ => commands.push(part.to_owned()),
        }
        goes_on = command.ends_with('\\');
    }
    commands
}

/// What a page quotes outside of its blocks, between single back quotes on one line.
pub fn quoted(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// The words of the calls of a program in a line of shell: pipes, lists, redirections, comments and
/// variables before it are taken away.
pub fn calls(line: &str, program: &[&str]) -> Vec<Vec<String>> {
    let simple = words(line);
    let of_program = simple.into_iter().filter_map(|words| {
        let is_setting = |word: &&String| {
            word.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
            })
        };
        let before =
            |word: &&String| is_setting(word) || ["until", "while", "!"].contains(&word.as_str());
        let words: Vec<String> = words.iter().skip_while(before).cloned().collect();
        let called = words.iter().map(String::as_str).take(program.len());
        let rest = called.eq(program.iter().copied()).then(|| &words[program.len()..])?;
        Some(std::iter::once("amiferry".to_owned()).chain(rest.iter().cloned()).collect())
    });
    of_program.collect()
}

/// A line of shell as simple commands, each a list of words.
fn words(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut command) = (Vec::new(), Vec::new());
    let mut word: Option<String> = None;
    let mut characters = line.chars().peekable();
    let mut redirected = false;
    while let Some(sign) = characters.next() {
        match sign {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                while let Some(inner) = characters.next().filter(|inner| *inner != sign) {
                    word.push(inner);
                }
            }
            '#' if word.is_none() => break,
            ' ' | '|' | ';' | '&' | '>' | '<' | '(' | ')' => {
                // In `2> file` the number is no word.
                let is_stream = |word: &String| sign == '>' && word.parse::<u8>().is_ok();
                if let Some(word) = word.take().filter(|word| !is_stream(word))
                    && !std::mem::take(&mut redirected)
                {
                    command.push(word);
                }
                match sign {
                    ' ' => {}
                    '>' | '<' => redirected = true,
                    _ => commands.push(std::mem::take(&mut command)),
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    if let Some(word) = word
        && !redirected
    {
        command.push(word);
    }
    commands.push(command);
    commands
}

#[test]
fn a_line_of_shell_is_read_as_its_calls() {
    let calls = |line| calls(line, &["amiferry"]);
    let expected = vec![vec!["amiferry".to_owned(), "plan".to_owned(), "2 x 3GiB gold".to_owned()]];
    assert_eq!(calls("A_B=c amiferry plan \"2 x 3GiB gold\" > out 2> err # what"), expected);
    assert_eq!(calls("until amiferry status >/dev/null; do x; done").len(), 1);
    assert_eq!(calls("cat x | amiferry explain; amiferry man").len(), 2);
    assert_eq!(calls("grep amiferry"), Vec::<Vec<String>>::new());
}

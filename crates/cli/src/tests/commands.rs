//! Every call of `amiferry` in the documents is one that the program accepts.

use clap::error::ErrorKind;

use super::pages::{calls, pages, quoted, typed};
use crate::args;

/// How documents call the program.
const PROGRAMS: [&[&str]; 2] = [&["amiferry"], &["cargo", "run", "--bin", "amiferry", "--"]];

/// What clap says against a call. One that is not whole may lack something.
fn refusal(words: &[String], whole: bool) -> Option<String> {
    let error = args::command().try_get_matches_from(words).err()?;
    let is_open = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::MissingSubcommand,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    // A word in capitals stands for a value that fits.
    let is_place = |word: &String| word.len() > 1 && word.bytes().all(|b| b.is_ascii_uppercase());
    let fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => words.iter().any(is_place),
        ErrorKind::InvalidSubcommand => words.get(1).is_some_and(is_place),
        other => !whole && is_open.contains(&other),
    };
    (!fine).then(|| error.to_string())
}

#[test]
fn every_call_of_amiferry_in_a_block_of_the_documents_is_accepted() {
    let (mut checked, mut refused) = (0, Vec::new());
    for (page, text) in pages() {
        let lines = typed(&text);
        let is_named = lines.iter().any(|line| line.contains("AMIFERRY_CONFIG="));
        for line in lines {
            for words in PROGRAMS.iter().flat_map(|program| calls(&line, program)) {
                checked += 1;
                let named = [&words[..], &["--config".to_owned(), "x".to_owned()]].concat();
                if let Some(why) = refusal(&words, true)
                    && !(is_named && refusal(&named, true).is_none())
                {
                    refused.push(format!("{page}: {line}\n{why}"));
                }
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(checked > 60, "only {checked} calls: are the pages read?");
}

#[test]
fn every_command_and_option_that_the_documents_quote_exists() {
    let (mut checked, mut refused) = (0, Vec::new());
    for (page, text) in pages() {
        // What old versions could is not what this one can.
        if page == "CHANGELOG.md" {
            continue;
        }
        for quote in quoted(&text) {
            for words in calls(quote, PROGRAMS[0]).iter().filter(|words| words.len() > 1) {
                // A place for a value stands for one that fits.
                if quote.contains('…') || quote.contains('|') {
                    continue;
                }
                checked += 1;
                if let Some(why) = refusal(words, false) {
                    refused.push(format!("{page}: {quote}\n{why}"));
                }
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(checked > 40, "only {checked} quotes: are the pages read?");
}

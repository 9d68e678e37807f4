//! What the codes mean that reports, logs, metrics and `explain` itself show.

use amiferry_audit::render;
use amiferry_core::code::Code;
use amiferry_core::event::RejectCode;
use anyhow::bail;
use serde::Serialize;

use crate::commands::meaning;

/// The longest word of the command line that an error repeats.
const LONGEST_WORD: usize = 100;

/// A code and what is to know about it.
#[derive(Debug, Serialize)]
pub struct CodeMeaning {
    schema_version: u32,
    code: &'static str,
    /// What it is said of: an image or a message.
    about: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

impl CodeMeaning {
    /// The code in lines for people, of at most `width` columns.
    pub fn table(&self, width: usize) -> String {
        let Self { code, meaning, remedy, .. } = self;
        let meaning = render::behind("  means: ", meaning, width);
        format!("{code}\n{meaning}{}", render::behind("  to do: ", remedy, width))
    }
}

/// What a code means.
///
/// # Errors
/// There is no such code: the error lists all.
pub fn find(text: &str) -> anyhow::Result<CodeMeaning> {
    let images = Code::ALL.iter().map(|code| of_image(*code));
    let refused =
        RejectCode::ALL.iter().map(|code| of_message(code.as_str(), code.meaning(), code.remedy()));
    let read = meaning::CODES.iter().map(|(code, says, remedy)| of_message(code, says, remedy));
    let all: Vec<CodeMeaning> = images.chain(refused).chain(read).collect();
    let names = |about: &str| {
        let named = all.iter().filter(|code| code.about == about).map(|code| code.code);
        named.collect::<Vec<_>>().join(", ")
    };
    let (images, messages) = (names("image"), names("message"));
    match all.into_iter().find(|code| code.code == text) {
        Some(code) => Ok(code),
        None => bail!(
            "{} is neither a code nor the id of an image; the codes of images are: {images}; those \
             of messages are: {messages}",
            amiferry_core::text::distinct(text, LONGEST_WORD)
        ),
    }
}

fn of_image(code: Code) -> CodeMeaning {
    let (meaning, remedy) = (code.meaning(), code.remedy());
    CodeMeaning { schema_version: 1, code: code.as_str(), about: "image", meaning, remedy }
}

fn of_message(code: &'static str, meaning: &'static str, remedy: &'static str) -> CodeMeaning {
    CodeMeaning { schema_version: 1, code, about: "message", meaning, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_once_and_says_what_it_means_and_what_to_do() {
        let reject = RejectCode::ALL.map(RejectCode::as_str);
        let ours = meaning::CODES.map(|(code, ..)| code);
        let all: Vec<&str> =
            Code::ALL.iter().map(|code| code.as_str()).chain(reject).chain(ours).collect();
        let different: std::collections::BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
        for code in all {
            let found = find(code).unwrap();
            assert_eq!(found.code, code);
            assert!(!found.meaning.is_empty() && !found.remedy.is_empty(), "{code}");
            let table = found.table(80);
            assert!(table.starts_with(&format!("{code}\n  means: ")), "{code}");
            assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        }
    }

    #[test]
    fn an_unknown_code_is_answered_with_all_of_them() {
        let error = find("gremlins\u{202e}").unwrap_err().to_string();
        for word in [r"gremlins\u{202e}", "quota_full", "not_json", "names_nothing"] {
            assert!(error.contains(word), "{word} is not in {error}");
        }
    }
}

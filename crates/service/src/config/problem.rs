//! Shows what is wrong with a configuration, where it stands, and how to put it right.

use std::fmt;
use std::ops::Range;

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named.
    pub path: String,
    /// At least one problem, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` where something is missing altogether.
    pub place: Option<Place>,
    /// What is wrong and what was expected.
    pub message: String,
    /// The fix.
    pub fix: Option<String>,
}

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub width: usize,
    /// The line itself, without secrets.
    pub source: String,
}

impl ConfigError {
    pub(super) fn new(path: &str, problems: Vec<Problem>) -> Self {
        Self { path: path.to_owned(), problems }
    }
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), fix: None }
    }

    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// What is shown in place of a secret.
const HIDDEN: &str = "= [secret]";

impl Place {
    /// Whether the line holds a secret, which is not shown.
    pub(super) fn hides_a_secret(&self) -> bool {
        self.source.ends_with(HIDDEN)
    }

    /// The place of a byte range of the text; a range over several lines is cut at the first.
    pub(super) fn of(text: &str, range: Range<usize>) -> Self {
        let start = floor(text, range.start);
        let end = floor(text, range.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end.min(line_end).max(start)].chars().count().max(1),
            source: without_secret(line),
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// A mistake on the line of an external id must not print the id.
fn without_secret(line: &str) -> String {
    match line.find("external_id") {
        Some(at) if !line[at..].starts_with("external_id_env") => match line[at..].find('=') {
            Some(equals) => format!("{}{HIDDEN}", &line[..at + equals]),
            None => line.to_owned(),
        },
        _ => line.to_owned(),
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.show(&self.path, f)?;
        }
        Ok(())
    }
}

impl Problem {
    fn show(&self, path: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => write!(f, "{path}: {}", self.message)?,
            Some(place) => {
                let Place { line, column, width, source } = place;
                let gutter = " ".repeat(line.to_string().len());
                // Tabs stay tabs, so that the caret stands under its letter in every terminal.
                let indent: String = source
                    .chars()
                    .chain(std::iter::repeat(' '))
                    .take(column - 1)
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                writeln!(f, "{path}:{line}:{column}: {}", self.message)?;
                writeln!(f, "{gutter} |")?;
                writeln!(f, "{line} | {source}")?;
                write!(f, "{gutter} | {indent}{}", "^".repeat((*width).min(120)))?;
            }
        }
        match &self.fix {
            Some(fix) => write!(f, "\n  = {fix}"),
            None => Ok(()),
        }
    }
}

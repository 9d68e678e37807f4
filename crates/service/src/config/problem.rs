//! Shows what is wrong or doubtful in a configuration, where, and how to fix it.

use std::fmt;
use std::ops::Range;

use amiferry_core::endpoint::secrets;
use amiferry_core::text::visible;

use super::file::distance;

/// Maximum number of problems shown at once; the rest are counted.
pub(super) const MOST_PROBLEMS: usize = 50;

/// Maximum length of a shown message, fix or line, in characters.
const LONGEST: usize = 500;

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named.
    pub path: String,
    /// At least one problem, in the order of the file.
    pub problems: Vec<Problem>,
    /// What is allowed but doubtful, as far as it can be told beside the problems.
    pub warnings: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` if something is missing altogether.
    pub place: Option<Place>,
    /// What is wrong, and what was expected or what follows from it.
    pub message: String,
    pub fix: Option<String>,
}

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters to mark, at least 1.
    pub width: usize,
    /// The line itself, without secrets.
    pub source: String,
}

impl ConfigError {
    pub(super) fn new(path: &str, problems: Vec<Problem>) -> Self {
        let problems = problems.into_iter().map(Problem::shown).collect();
        Self { path: path.to_owned(), problems, warnings: Vec::new() }
    }

    pub(super) fn beside(self, warnings: Warnings) -> Self {
        Self { warnings: warnings.problems, ..self }
    }
}

/// Settings that are allowed but probably not intended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings {
    /// The file, as it was named.
    pub path: String,
    /// In the order of the file; none where all is well.
    pub problems: Vec<Problem>,
}

impl Warnings {
    pub(super) fn new(path: &str, problems: Vec<Problem>) -> Self {
        let problems = problems.into_iter().map(Problem::shown).collect();
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

    /// Cut, with invisible characters spelled out: the file may contain text from elsewhere.
    fn shown(self) -> Self {
        Self {
            place: self.place,
            message: visible(&secrets::text(&self.message), LONGEST),
            fix: self.fix.map(|fix| visible(&fix, LONGEST)),
        }
    }
}

/// The text shown in place of a secret.
const HIDDEN: &str = "= [secret]";

impl Place {
    /// Which secret the line holds, by its key. It must not be shown.
    pub(super) fn secret(&self) -> Option<&'static str> {
        let line = self.source.strip_suffix(HIDDEN)?;
        SECRET_KEYS.into_iter().find(|secret| is_key_of(secret, key_before(line)))
    }

    /// The place of a byte range of the text; a range over several lines is cut at the first.
    pub(super) fn of(text: &str, range: Range<usize>) -> Self {
        let start = floor(text, range.start);
        let end = floor(text, range.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let source = without_secret(line);
        let mut column = text[line_start..start].chars().count() + 1;
        let mut width = text[start..end.min(line_end).max(start)].chars().count();
        if source != line && !source.ends_with(HIDDEN) {
            // What is left of the line may be shorter.
            let length = source.chars().count();
            column = column.min(length + 1);
            width = width.min(length + 1 - column);
        }
        Self { line: text[..start].matches('\n').count() + 1, column, width: width.max(1), source }
            .shown()
    }

    /// The same place in a line that can be shown: invisible characters spelled out, the line cut.
    /// Tabs stay, so that the caret is under its character.
    fn shown(self) -> Self {
        let spelled = |piece: &str| {
            let tabs: Vec<String> = piece.split('\t').map(|p| visible(p, LONGEST)).collect();
            tabs.join("\t")
        };
        let (line, secret) = match self.source.strip_suffix(HIDDEN) {
            Some(line) => (line, HIDDEN),
            None => (self.source.as_str(), ""),
        };
        let before: String = line.chars().take(self.column - 1).collect();
        let meant: String = line.chars().skip(self.column - 1).take(self.width).collect();
        let after: String = line.chars().skip(self.column - 1 + self.width).collect();
        let (before, meant) = (spelled(&before), spelled(&meant));
        let column = self.column.max(before.chars().count() + 1);
        let width = self.width.max(meant.chars().count());
        let source: String = format!("{before}{meant}{}", spelled(&after));
        // A place behind the cut is named by line and column only.
        let room = LONGEST - secret.len();
        let cut: String = source.chars().take(room).chain(secret.chars()).collect();
        let column = column.min(LONGEST);
        Self { column, width: width.min(LONGEST - column + 1).max(1), source: cut, ..self }
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// The keys whose values no error may print, even if the key is misspelled. That of a token is none: a file
/// with one must be refused without showing it.
const SECRET_KEYS: [&str; 2] = ["external_id", "listen_token"];

fn without_secret(line: &str) -> String {
    let line = secrets::text(&without_bare_secret(line));
    let mut start = 0;
    while let Some(equals) = line[start..].find('=').map(|at| start + at) {
        let key = key_before(&line[..equals]);
        if SECRET_KEYS.iter().any(|secret| is_key_of(secret, key)) {
            return format!("{}{HIDDEN}", &line[..equals]);
        }
        start = equals + 1;
    }
    line
}

/// A line in which the URLs without a scheme, as values of the keys that hold URLs, show no password.
fn without_bare_secret(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(equals) = rest.find('=') {
        let is_url = key_before(&rest[..equals]).to_ascii_lowercase().contains("url");
        let (before, value) = rest.split_at(equals + 1);
        shown.push_str(before);
        rest = value;
        if is_url {
            let value = rest.trim_start();
            shown.push_str(&rest[..rest.len() - value.len()]);
            let (url, after) = secrets::value(value);
            shown.push_str(&url);
            rest = after;
        }
    }
    shown + rest
}

/// The key that ends a text, dots included.
fn key_before(text: &str) -> &str {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let key = text.trim_end_matches(|c: char| !letter(c));
    key.rsplit(|c: char| !letter(c)).next().unwrap_or_default()
}

/// Whether any part of a dotted key is nearly that of a secret. With `_env` and `_file` at its end it
/// differs by four letters and more.
fn is_key_of(secret: &str, key: &str) -> bool {
    key.split('.').any(|part| part.len() <= 22 && distance(part, secret) <= 3)
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_all(&self.problems, &self.path, "", f)?;
        if self.warnings.is_empty() {
            return Ok(());
        }
        f.write_str("\n\n")?;
        show_all(&self.warnings, &self.path, "warning: ", f)
    }
}

impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_all(&self.problems, &self.path, "warning: ", f)
    }
}

fn show_all(
    problems: &[Problem],
    path: &str,
    kind: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for (index, problem) in problems.iter().enumerate() {
        if index > 0 {
            f.write_str("\n\n")?;
        }
        problem.show(path, kind, f)?;
    }
    Ok(())
}

impl Problem {
    fn show(&self, path: &str, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => write!(f, "{path}: {kind}{}", self.message)?,
            Some(place) => {
                let Place { line, column, width, source } = place;
                let gutter = " ".repeat(line.to_string().len());
                // Tabs stay tabs, so that the caret is under its character in every terminal.
                let indent: String = source
                    .chars()
                    .chain(std::iter::repeat(' '))
                    .take(column - 1)
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                writeln!(f, "{path}:{line}:{column}: {kind}{}", self.message)?;
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

//! Checks that no input makes a parser misbehave: one check for each parser, and a corpus.
//!
//! Each `check_…` gives some bytes to a parser and compares the answer with an oracle that was
//! written independently of the parser. Accepted input must be exactly what the configuration
//! allows, and a refusal must have a short text without invisible characters. The tests of this
//! crate and the fuzz targets call the same functions.
//!
//! In reading order: [`setting`] is the configuration that everything is pinned to; [`text`] and
//! [`json`] are the oracle's own readers; [`event`], [`manifest`], [`note`], [`config`] and [`tags`]
//! are the checks; [`tree`], [`bytes`] and [`lines`] are the mutators that make the corpus.

pub mod bytes;
pub mod config;
pub mod event;
pub mod json;
pub mod lines;
pub mod manifest;
pub mod note;
pub mod setting;
pub mod tags;
pub mod text;
pub mod tree;

pub use config::check_config;
pub use event::check_event;
pub use manifest::check_manifest;
pub use note::check_note;
pub use tags::check_tags;

/// What became of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Refused, under this reason code.
    Refused(String),
    /// Understood, and asks for nothing.
    Idle,
    /// Accepted, and inside the configuration.
    Accepted,
}

/// The outcome, or in words what a parser did that it must not.
pub type Checked = Result<Outcome, String>;

/// A named way of making many bodies out of a valid one.
#[derive(Debug, Clone, Copy)]
pub struct Mutator {
    /// Its name in the counts.
    pub name: &'static str,
    /// Whether each of its bodies must be refused; otherwise the oracle decides.
    pub refused: bool,
    /// All its bodies, the same ones each time.
    pub make: fn(&str) -> Vec<Vec<u8>>,
}

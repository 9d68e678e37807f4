//! Rules about the repository itself, so that no page and no crate graph drifts from the code.
//!
//! `crates` keeps the rules of ARCHITECTURE.md, *Code map*; `lock` keeps known-bad crates out;
//! `features` keeps the demo and the tests to one build of every dependency;
//! `sources` looks at every Rust file; `documents` at every Markdown file; `alerts` holds metrics,
//! rules and runbooks together; `generated` writes the pages that are made from code, and fails
//! when one is not as it would be written; `logs` looks at every line that is logged.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod crates;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod features;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod sources;

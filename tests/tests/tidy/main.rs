//! Rules about the repository itself, so that pages and the crate graph stay true to the code.
//!
//! `crates` keeps the rules of ARCHITECTURE.md, *Code map*; `lock` keeps known-bad crates out;
//! `features` keeps the demo and the tests to one build of every dependency; `sources` checks every
//! Rust file; `documents` every Markdown file; `alerts` that metrics, rules and runbooks agree, `cloudwatch` that
//! its alarms do; `events` writes the page of messages, `generated` the pages that are made from code, and fails when one is out of date; `logs`
//! checks every line that is logged, `permissions` that the table of IAM actions is complete;
//! `policies` and `templates` make pages and templates from the files of `deploy/iam`; `schema` compares the JSON Schema of the configuration
//! with what the program reads; `upgrade` that what earlier versions promised is still there.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod check;
#[cfg(test)]
mod cloudwatch;
#[cfg(test)]
mod crates;
#[cfg(test)]
mod document;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod events;
#[cfg(test)]
mod features;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod upgrade;

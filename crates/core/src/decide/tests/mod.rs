//! What the decisions must answer, by function; [`fixture`] builds the questions.

mod archived;
mod complete;
mod differences;
mod eligibility;
pub(crate) mod fixture;
mod forged;
mod notes;
mod observation;
mod recovery;
mod scene;
mod store;
mod terms;
mod vault;
mod vault_before;
mod vault_path;
mod vault_restores;

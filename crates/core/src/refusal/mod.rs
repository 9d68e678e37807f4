//! Why AWS refuses a call, and what a person can do about it.
//!
//! [`permissions`] says which IAM actions each call needs, [`words`] reads AWS's access-denied
//! messages, [`circumstance`] knows the refusals that no permission ends, and [`remedy`] puts them
//! together. Everything here is for people: no decision of a worker depends on a remedy.

mod circumstance;
pub mod permissions;
mod remedy;
mod statement;
mod store;
mod words;

pub use circumstance::Circumstance;
pub use remedy::{KEY_OF_OBJECT, remedy};
pub use statement::{Statement, statements};
pub use store::is_stored_already;
pub use words::{Denial, PolicyKind, Verdict};

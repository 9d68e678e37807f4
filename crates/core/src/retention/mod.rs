//! Says which complete recovery points the rules keep, and which they give up.
//!
//! All of it is a function of what is complete now: nothing was marked when it was made. [`keep`] is one
//! set of rules, [`family`] applies a policy's rules to one family, [`next`] says what is next for a
//! recovery point that goes, [`brake`] how many may go at once, and [`forecast`] draws the future.

pub mod brake;
pub mod family;
pub mod forecast;
pub mod keep;
pub mod next;

#[cfg(test)]
mod tests;

pub use brake::Brake;
pub use family::{Fate, Fates, Kept, Point, Rules, judge, judge_given_up};
pub use keep::{Keep, Rule};

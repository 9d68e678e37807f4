//! Who may take the next step, over everything that waits and not over one batch.
//!
//! [`order`] ranks what waits, [`ledger`] counts what an EC2 quota and its create calls still admit,
//! [`budget`] limits what is copied of one source,
//! [`turn`] is the answer to one image, and [`Line`] puts them together for one quota. EC2 starts a task of any size while what is in progress
//! is below the quota, so there are no gaps to fill: the order is all.
//!
//! A turn only leads to a new look, and that look alone acts: a plan may be made from what was
//! seen a while ago.

pub mod budget;
pub mod ledger;
mod line;
pub mod order;
pub mod turn;

pub use self::budget::{Budget, Spent};
pub use self::ledger::{Ended, Ledger};
pub use self::line::{Line, Placed};
pub use self::order::{Member, Planned, Promise, Standing, Turns, Why, plan};
pub use self::turn::Turn;

#[cfg(test)]
mod tests;

//! Every metric that a worker exposes: names, meanings, labels, and the one way to write each.
//!
//! Labels come from configuration and closed enums, never from names, ids or tags. Times and
//! objectives are exported rather than ages, so that one alert fits every policy and a dead
//! exporter cannot freeze an age. `table` is the list, `record` and `inventory` write, `process`
//! reads what Linux knows, `exporter` renders.

mod exporter;
mod inventory;
mod label;
mod process;
mod record;
mod table;

pub use self::exporter::{Exporter, InstallError};
pub use self::inventory::{
    Coverage, Fact, FamilyFacts, completed, cost, cost_freed, lost, objective, taken,
};
pub use self::label::{KeyUse, Needed, Outcome, Quota, Stage, Worker};
pub use self::record::*;
pub use self::table::{ALL, Kind, Metric, Unit};

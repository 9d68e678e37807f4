//! Every metric that a worker exposes: names, meanings, labels, and the one way to write each.
//!
//! Labels come from configuration and closed enums, never from names, ids or tags. Times and
//! objectives are exported rather than ages, so that one alert fits every policy and a dead
//! exporter cannot freeze an age. `table` is the list, `record` writes, `exporter` renders.

mod exporter;
mod label;
mod record;
mod table;

pub use self::exporter::{Exporter, InstallError};
pub use self::label::{Outcome, Quota, Stage, Worker};
pub use self::record::*;
pub use self::table::{ALL, Kind, Metric, Unit};

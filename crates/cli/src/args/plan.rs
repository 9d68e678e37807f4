//! The arguments of `plan`.

use amiferry_core::forecast::WhatIf;
use clap::Args;

use super::{ConfigFile, Output};

/// What to plan, and how to print it.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Plan these images too, as if they were made now: COUNT x SIZE POLICY, such as "40 x 200GiB
    /// gold"; may be given several times
    #[arg(long, value_name = "IMAGES")]
    pub what_if: Vec<WhatIf>,
    /// Format of the plan
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

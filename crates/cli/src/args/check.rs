//! The arguments of `check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ConfigFile, DemoOutput};

/// What to check, and where to write what helps.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which part to check
    #[arg(long, value_enum, default_value_t = Part::All)]
    pub part: Part,
    /// Also copy one part of a staged object of each source into the vault, and abort it: nothing
    /// remains to be removed
    #[arg(long)]
    pub canary: bool,
    /// Also write the statements into this directory, one file for each policy. Those of
    /// an earlier run go
    #[arg(long, value_name = "DIR")]
    pub fix_dir: Option<PathBuf>,
    /// Format of the findings
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
}

/// A part of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Every source and every vault
    All,
    /// What the source workers need
    Source,
    /// What the target workers need, the ways into the sources included
    Target,
}

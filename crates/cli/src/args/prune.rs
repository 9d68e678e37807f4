//! The arguments of `prune`.

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::{ConfigFile, Output};

/// What to delete, how much of it, and how to list it.
#[derive(Debug, Args)]
pub struct Prune {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which [[vault]], if there are several: ACCOUNT/REGION, an account or a Region
    #[arg(long, value_name = "WHICH")]
    pub only: Option<String>,
    /// Delete what goes
    #[arg(long)]
    pub apply: bool,
    /// With --apply: delete also more than [prune] allows in one run
    #[arg(long, requires = "apply")]
    pub yes_really: bool,
    /// Say when each recovery point would go until this date, and delete nothing
    #[arg(long, value_name = "DATE", value_parser = date, conflicts_with = "apply")]
    pub until: Option<Date>,
    /// Find what no recovery point consists of, and with --apply remove it: failed AMIs of amiferry,
    /// snapshots that no image uses, uploads that nothing will complete
    #[arg(long, conflicts_with = "until")]
    pub leftovers: bool,
    /// Which recovery points to list
    #[arg(long, value_enum, default_value_t = Listed::Going)]
    pub list: Listed,
    /// Format of the list
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

fn date(text: &str) -> Result<Date, String> {
    let latest = Date::constant(2200, 1, 1);
    match text.parse() {
        Ok(date) if date < latest => Ok(date),
        Ok(_) | Err(_) => Err(format!("write a date before {latest}, such as 2026-12-31")),
    }
}

/// Which recovery points a table shows; JSON and CSV have all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    /// Those that the rules give up, and those that are not known
    Going,
    /// All
    All,
}

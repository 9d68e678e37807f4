//! The arguments of `completions` and `man`, which are made from the command line itself.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Whose completions.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Where to write the pages.
#[derive(Debug, Args)]
pub struct Man {
    /// The directory to write them to; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

//! The arguments of `completions` and `man`, which are made from the command line itself.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Prints what a shell needs to complete commands, options and their values.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes one manual page for each command: amiferry.1, amiferry-audit.1 and so on.
///
/// A page that is there already is replaced.
#[derive(Debug, Args)]
pub struct Man {
    /// The directory to write them to; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

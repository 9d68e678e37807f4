//! How to run the workers.

use clap::{Args, Subcommand, ValueEnum};

use super::ConfigFile;

/// What the source worker can do.
#[derive(Debug, Subcommand)]
pub enum SourceWorker {
    /// Run until a signal: the first drains the worker, the second ends it at once
    ///
    /// With --once, a worker also ends by itself, with status 0, when it has swept, its queue is empty,
    /// and nothing is left that it can do now. What waits, as for a quota or for EC2, is for the next run.
    /// With --all too, one process does that for every [[source]], each with its own profile.
    Run(RunSource),
}

/// What the target worker can do.
#[derive(Debug, Subcommand)]
pub enum TargetWorker {
    /// Run until a signal: the first drains the worker, the second ends it at once
    ///
    /// With --once, a worker also ends by itself, with status 0, when it has swept, its queue is empty,
    /// and nothing is left that it can do now. What waits, as for a quota or for EC2, is for the next run.
    Run(Run),
}

/// How to run the source worker.
#[derive(Debug, Args)]
pub struct RunSource {
    #[command(flatten)]
    pub run: Run,
    /// With --once: do it for every [[source]], eight at once, without a port
    #[arg(long, requires = "once", conflicts_with = "only")]
    pub all: bool,
}

/// How to run a worker.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which [[source]] or [[vault]], if there are several: ACCOUNT/REGION, an account or a Region
    #[arg(long, value_name = "WHICH")]
    pub only: Option<String>,
    /// Sweep, empty the queue, do what can be done now, and end
    #[arg(long)]
    pub once: bool,
    /// Format of the log on stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise
    Auto,
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

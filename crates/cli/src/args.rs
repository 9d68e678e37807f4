//! The command line: what can be asked, and in which words.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use amiferry_core::span::Span;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Keeps a restorable copy of every protected Amazon Machine Image in another account and Region.
#[derive(Debug, Parser)]
#[command(name = "amiferry", version, about, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Reads the command line; ends the process where it is wrong or asks for help.
pub fn read() -> Arguments {
    let matches = with_exit_statuses(Arguments::command()).get_matches();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Every command's `--help` ends with the table of exit statuses.
fn with_exit_statuses(command: clap::Command) -> clap::Command {
    command.after_long_help(exit::TABLE).mut_subcommands(with_exit_statuses)
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole way in a simulated AWS: two accounts, two Regions, nothing to set up
    Demo(Demo),
    /// The source worker: stores protected images in the staging bucket
    #[command(subcommand)]
    Source(Worker),
    /// The target worker: copies, restores and protects them in the vault
    #[command(subcommand)]
    Target(Worker),
    /// Every family against its RPO, and the work that is under way; also as a page
    Status(Status),
    /// Every family, recovery point and left-out image, as evidence
    Audit(Look),
    /// Say what a message would do and why, or what a reason code means
    Explain(Explain),
    /// Messages that a worker received too often: what they mean, and the way back
    #[command(subcommand)]
    Dlq(Dlq),
    /// The configuration file
    #[command(subcommand)]
    Config(Config),
    /// The simulated AWS
    #[command(subcommand)]
    Sim(Sim),
}

/// What a worker can do.
#[derive(Debug, Subcommand)]
pub enum Worker {
    /// Run until a signal: the first one drains, the second ends at once
    Run(Run),
}

/// How to run a worker.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which [[source]] or [[vault]] of several: ACCOUNT/REGION, an account or a Region
    #[arg(long, value_name = "WHICH")]
    pub only: Option<String>,
    /// The form of the log on stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
}

/// The configuration file.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "AMIFERRY_CONFIG")]
    pub config: PathBuf,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise
    Auto,
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

/// A look at the state of all promises, from AWS alone.
#[derive(Debug, Args)]
pub struct Look {
    #[command(flatten)]
    pub file: ConfigFile,
    /// How to write it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// A look at the state of all promises, once or for as long as somebody watches.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub file: ConfigFile,
    /// How to write it
    #[arg(long, short, value_enum, default_value_t = StatusOutput::Table)]
    pub output: StatusOutput,
    /// Serve it as a page at this address until a signal; asks nobody who they are
    #[arg(long, value_name = "ADDRESS", conflicts_with = "output")]
    pub serve: Option<SocketAddr>,
    /// With --serve: how long to wait between two looks at AWS
    #[arg(long, value_name = "SPAN", default_value = "1m", requires = "serve")]
    pub every: Span,
}

/// Forms of the state of all promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusOutput {
    /// For people
    Table,
    /// One JSON document, with the version of its form
    Json,
    /// One line a family
    Csv,
    /// A page for a browser, in one file
    Html,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// One JSON document, with the version of its form
    Json,
    /// One line a family
    Csv,
}

/// The demo.
#[derive(Debug, Args)]
pub struct Demo {
    /// How to write the result
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
    /// Leave the simulated AWS and both workers running at the end, with a new image now and then,
    /// and print their addresses
    #[arg(long)]
    pub keep: bool,
    /// With --keep: the address of this machine at which metrics and the status page are served,
    /// on ports 9464 and 9465; asks nobody who they are [default: 127.0.0.1, and other ports if
    /// those are taken]
    #[arg(long, value_name = "ADDRESS", requires = "keep")]
    pub listen: Option<IpAddr>,
    /// Seed of the simulated AWS
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Forms of the demo's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoOutput {
    /// For people
    Table,
    /// One JSON document, with the version of its form
    Json,
}

/// What to explain.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["code", "event"]))]
pub struct Explain {
    /// A reason code, as logs, metrics and reports show it
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
    /// A message body: a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub event: Option<String>,
    /// Compare the message with this configuration
    #[arg(long, value_name = "FILE", env = "AMIFERRY_CONFIG")]
    pub config: Option<PathBuf>,
    /// Also ask AWS what would be done now (needs --config and credentials)
    #[arg(long, requires_all = ["event", "config"], conflicts_with = "code")]
    pub ask_aws: bool,
    /// How to write it
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
}

/// The dead-letter queues behind the workers' queues.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// What is in them: each message, and what its worker would make of it now
    List(DlqList),
    /// One message with its whole body
    Show(DlqShow),
    /// Send messages back to the worker's queue; what it would refuse again stays
    Redrive(DlqRedrive),
}

/// Whose dead letters, and how to write about them.
#[derive(Debug, Args)]
pub struct DeadLetters {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Whose: each worker's queue is asked with that worker's credentials
    #[arg(long, value_enum, default_value_t = DlqRole::All)]
    pub role: DlqRole,
    /// How to write it
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
}

/// Workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DlqRole {
    /// The source workers
    Source,
    /// The target workers
    Target,
    /// All of them
    All,
}

/// What to list.
#[derive(Debug, Args)]
pub struct DlqList {
    #[command(flatten)]
    pub letters: DeadLetters,
    /// Read at most this many messages of each queue
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

/// What to show.
#[derive(Debug, Args)]
pub struct DlqShow {
    /// The id of the message
    #[arg(value_name = "MESSAGE_ID")]
    pub message: String,
    #[command(flatten)]
    pub letters: DeadLetters,
}

/// What to send back.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["message", "all"]))]
pub struct DlqRedrive {
    #[command(flatten)]
    pub letters: DeadLetters,
    /// The message with this id; may be given several times
    #[arg(long, value_name = "ID")]
    pub message: Vec<String>,
    /// Every message
    #[arg(long)]
    pub all: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Also what the worker would refuse again
    #[arg(long)]
    pub force: bool,
}

/// The configuration file.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print an example in which every key is explained
    Example,
    /// Check a file and say what is wrong where
    Validate(ConfigFile),
}

/// The simulated AWS.
#[derive(Debug, Subcommand)]
pub enum Sim {
    /// Serve it over HTTP on a loopback address, for workers, the AWS CLI and SDKs
    Serve(Serve),
}

/// How to serve the simulated AWS.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen; a loopback address, port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    pub listen: SocketAddr,
    /// Put the demo's images into the source account
    #[arg(long)]
    pub with_images: bool,
    /// What is in it, what goes wrong and when (docs/faults.md)
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Seed of every random choice; without it the scenario's, or 1
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many times as fast as real time its clock runs; without it the scenario's, or 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub speed: Option<u32>,
    /// Write the ready configuration for both workers to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub write_config: Option<PathBuf>,
}

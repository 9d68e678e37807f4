//! The command line: its commands, options and help.

mod check;
mod generate;
mod plan;
mod prune;
mod recovery;
mod sim;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use amiferry_audit::family::RpoState;
use amiferry_audit::filter::{Filter, RowState};
use amiferry_audit::inventory::State;
use amiferry_core::span::Span;
use amiferry_service::ask::WorkerAddress;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use self::check::{Check, Part};
pub use self::generate::{Completions, Man};
pub use self::plan::Plan;
pub use self::prune::{Listed, Prune};
pub use self::recovery::{Lookup, MapOutput, NewName, Rebuild, Restore};
pub use self::sim::{Serve, Sim};
pub use self::worker::{LogFormat, Run, RunSource, SourceWorker, TargetWorker};
use crate::exit;

/// Keeps a restorable copy of every protected Amazon Machine Image in another account and Region.
#[derive(Debug, Parser)]
#[command(name = "amiferry", version, about, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Reads the command line; ends the process if it is wrong or asks for help.
pub fn read() -> Arguments {
    let mut command = command();
    let matches = command.get_matches_mut();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Command::Audit(audit) = &arguments.command
        && audit.rows.is_some()
        && audit.output != Output::Csv
    {
        let why = "--rows selects what the CSV lists; it needs --output csv";
        command.error(clap::error::ErrorKind::ArgumentConflict, why).exit()
    }
    arguments
}

/// The whole command line, as help, completions and manual pages show it.
pub fn command() -> clap::Command {
    with_exit_statuses(Arguments::command())
}

/// Every command's `--help` ends with the table of exit statuses.
fn with_exit_statuses(command: clap::Command) -> clap::Command {
    command.after_long_help(exit::TABLE).mut_subcommands(with_exit_statuses)
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything in a simulated AWS: two accounts, two Regions, nothing to set up
    Demo(Demo),
    /// Run the source worker, which stores protected images in the staging bucket
    #[command(subcommand)]
    Source(SourceWorker),
    /// Run the target worker, which copies, restores and protects images in the vault
    #[command(subcommand)]
    Target(TargetWorker),
    /// Prove that everything a deployment needs is there, and say what to paste where it is not
    ///
    /// It looks at every step on the way of an image, changes nothing, and lists all that it finds: OK,
    /// UNKNOWN, WARN or FAIL. What a refused call needs comes as a policy statement to paste. One run
    /// checks the parts for which it has credentials; the configuration can name a profile for each
    /// account.
    Check(Check),
    /// Show every family against its RPO, and the work under way; optionally as a page
    Status(Status),
    /// List every family, recovery point and left-out image, as evidence
    Audit(Audit),
    /// Show everything about one image or one family
    Show(Show),
    /// Say when what is under way will be complete, which RPO breaks meanwhile, and what it costs
    ///
    /// It asks AWS as `status` does, runs the workers' own plan forward under EC2's quotas, and changes
    /// nothing.
    Plan(Plan),
    /// Retry unfinished work now, for example after a repair
    ///
    /// The workers look again at once at what is not complete, without waiting for their next try. They
    /// decide by what AWS shows then, so asking twice does no harm.
    Retry(Retry),
    /// Restore images from the vault alone, and print which AMI replaces which source image
    ///
    /// Nothing else is asked: the source account may be gone, no worker need run, and of the configuration
    /// only [[vault]] and [aws] are needed, and [[destination]] for --into. Without --all it restores the
    /// newest usable image of each selected family. Repeating the command goes on where it ended.
    Restore(Restore),
    /// Say what the vault has of an image or a family, from the vault alone
    Lookup(Lookup),
    /// List everything that the vault bucket records, from its records alone
    ///
    /// It asks only S3.
    Rebuild(Rebuild),
    /// Delete what the policies' rules no longer keep; without --apply, only say what would go
    ///
    /// What goes are recovery points, and AMIs of recovery points, that `keep` and `keep_ami` give up. The
    /// newest complete recovery point of a family always stays, and so does whatever is locked, in use,
    /// young, or not known to be complete. A run that ends early is completed by the next one.
    Prune(Prune),
    /// Explain what a message would do and why, or what a code means
    Explain(Explain),
    /// List, show and redrive the messages in the dead-letter queues
    #[command(subcommand)]
    Dlq(Dlq),
    /// Print or check a configuration file
    #[command(subcommand)]
    Config(Config),
    /// Serve the simulated AWS
    #[command(subcommand)]
    Sim(Sim),
    /// Print the completions of a shell
    Completions(Completions),
    /// Write the manual pages
    ///
    /// One page for each command: amiferry.1, amiferry-audit.1 and so on. A page that is there already is
    /// replaced.
    Man(Man),
}

#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "AMIFERRY_CONFIG")]
    pub config: PathBuf,
}

/// What to list, and how.
#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Format of the report
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Also estimate what each policy costs a month
    #[arg(long)]
    pub cost: bool,
    /// With --output csv: what to list, one per row [default: families]
    #[arg(long, value_enum)]
    pub rows: Option<Rows>,
    #[command(flatten)]
    pub asked: Asked,
    #[command(flatten)]
    pub filters: Filters,
}

/// What the lines of a CSV are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rows {
    /// Every family against its RPO
    Families,
    /// Every recovery point
    RecoveryPoints,
    /// Every image that is left out
    LeftOut,
    /// Every source or image that could not be assessed
    NotAssessed,
}

/// Which running workers a report asks.
#[derive(Debug, Default, Args)]
pub struct Asked {
    /// Also ask this running worker what AWS refused it, instead of those at `target_listen` and
    /// `source_listen`; may be given several times
    #[arg(long, value_name = "URL")]
    pub worker: Vec<WorkerAddress>,
}

/// Which part of everything in scope is meant. Each option may be given several times.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct Scope {
    /// Only this family; * stands for any characters
    #[arg(long, value_name = "NAME")]
    pub family: Vec<String>,
    /// Only what this policy governs; * stands for any characters
    #[arg(long, value_name = "NAME")]
    pub policy: Vec<String>,
    /// Only this source: ACCOUNT/REGION, an account or a Region
    #[arg(long, value_name = "WHICH")]
    pub source: Vec<String>,
}

/// Which part of a report to show.
#[derive(Debug, Default, Args)]
pub struct Filters {
    #[command(flatten)]
    pub scope: Scope,
    /// Only rows in this state; does not change the verdict and the exit status
    #[arg(long, value_enum, help_heading = "Filters")]
    pub state: Vec<StateName>,
}

/// The states of families, of recovery points, and of images without any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum StateName {
    WithinRpo,
    Pending,
    Breached,
    Unprotected,
    NotAssessed,
    Retired,
    Complete,
    InProgress,
    Parked,
    Lost,
    Tampered,
    Unusable,
    LeftOut,
}

impl From<StateName> for RowState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::WithinRpo => Self::Family(RpoState::WithinRpo),
            StateName::Pending => Self::Family(RpoState::Pending),
            StateName::Breached => Self::Family(RpoState::Breached),
            StateName::Unprotected => Self::Family(RpoState::Unprotected),
            StateName::NotAssessed => Self::Family(RpoState::NotAssessed),
            StateName::Retired => Self::Family(RpoState::Retired),
            StateName::Complete => Self::Point(State::Complete),
            StateName::InProgress => Self::Point(State::InProgress),
            StateName::Parked => Self::Point(State::Parked),
            StateName::Lost => Self::Point(State::Lost),
            StateName::Tampered => Self::Point(State::Tampered),
            StateName::Unusable => Self::Point(State::Unusable),
            StateName::LeftOut => Self::LeftOut,
        }
    }
}

impl Scope {
    /// What of it in these states is meant.
    pub fn in_states(&self, states: &[StateName]) -> Filter {
        Filter {
            families: self.family.clone(),
            policies: self.policy.clone(),
            sources: self.source.clone(),
            states: states.iter().map(|name| RowState::from(*name)).collect(),
        }
    }
}

impl From<&Filters> for Filter {
    fn from(filters: &Filters) -> Self {
        filters.scope.in_states(&filters.state)
    }
}

/// What to show, and how.
#[derive(Debug, Args)]
pub struct Show {
    /// An image, by its id, the id of its copy or its name, or a family; * stands for any
    /// characters in a name
    #[arg(value_name = "IMAGE|FAMILY")]
    pub what: String,
    #[command(flatten)]
    pub file: ConfigFile,
    /// Format of the answer
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
    #[command(flatten)]
    pub asked: Asked,
}

/// What to retry, and how to print what was sent.
#[derive(Debug, Args)]
pub struct Retry {
    /// An image, by its id, the id of its copy or its name, or a family; * stands for any
    /// characters in a name; or all
    #[arg(value_name = "IMAGE|FAMILY|all")]
    pub what: String,
    #[command(flatten)]
    pub file: ConfigFile,
    /// Format of the output
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
    /// Say what would be sent, but send nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub scope: Scope,
    /// Only what is in this state
    #[arg(long, value_enum, help_heading = "Filters")]
    pub state: Vec<StateName>,
}

/// What to show, once or until a signal.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Format of the report
    #[arg(long, short, value_enum, default_value_t = StatusOutput::Table)]
    pub output: StatusOutput,
    /// Also estimate what each policy costs a month
    #[arg(long, conflicts_with = "serve")]
    pub cost: bool,
    /// Serve the report as a page at this address until a signal; where others reach it, it asks for
    /// the token of the configuration
    #[arg(
        long,
        value_name = "ADDRESS",
        conflicts_with_all = ["output", "family", "policy", "source", "state"]
    )]
    pub serve: Option<SocketAddr>,
    /// With --serve: time between two looks at AWS
    #[arg(long, value_name = "SPAN", default_value = "1m", requires = "serve")]
    pub every: Span,
    #[command(flatten)]
    pub asked: Asked,
    #[command(flatten)]
    pub filters: Filters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusOutput {
    /// For people
    Table,
    /// One JSON document, with its schema version
    Json,
    /// One line for each family
    Csv,
    /// A page for a browser, in one file
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// One JSON document, with its schema version
    Json,
    /// For spreadsheets: one row a line, below the names of its columns
    Csv,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Format of the result
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
    /// Keep the simulated AWS and both workers running at the end, add a new image now and then,
    /// and print the addresses
    #[arg(long)]
    pub keep: bool,
    /// With --keep: the address of this machine at which to serve metrics and the status page,
    /// on ports 9464 and 9465, without a token, because all of it is made up [default: 127.0.0.1, and other ports if
    /// those are taken]
    #[arg(long, value_name = "ADDRESS", requires = "keep")]
    pub listen: Option<IpAddr>,
    /// Seed of the simulated AWS
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoOutput {
    /// For people
    Table,
    /// One JSON document, with its schema version
    Json,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("subject").required(true).args(["what", "event"]))]
pub struct Explain {
    /// A code, as logs, metrics and reports show it, or the id of an image
    #[arg(value_name = "CODE|IMAGE")]
    pub what: Option<String>,
    /// A message body, or what `aws sqs receive-message` prints: a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub event: Option<String>,
    /// Compare the message or image with this configuration
    #[arg(long, value_name = "FILE", env = "AMIFERRY_CONFIG")]
    pub config: Option<PathBuf>,
    /// Also ask AWS what the worker would do now (needs --config and credentials)
    #[arg(long, requires = "config")]
    pub ask_aws: bool,
    /// Format of the answer
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
}

/// The dead-letter queues behind the workers' queues.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List each message, and what its worker would do with it now
    List(DlqList),
    /// Show one message with its whole body
    Show(DlqShow),
    /// Send messages back to the worker's queue, except those that it would refuse again
    Redrive(DlqRedrive),
}

/// Whose dead letters to read, and the format of the output.
#[derive(Debug, Args)]
pub struct DeadLetters {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Whose dead letters; each worker's queue is read with that worker's credentials
    #[arg(long, value_enum, default_value_t = DlqRole::All)]
    pub role: DlqRole,
    /// Format of the output
    #[arg(long, short, value_enum, default_value_t = DemoOutput::Table)]
    pub output: DemoOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DlqRole {
    /// The source workers
    Source,
    /// The target workers
    Target,
    /// All of them
    All,
}

#[derive(Debug, Args)]
pub struct DlqList {
    #[command(flatten)]
    pub letters: DeadLetters,
    /// Read at most this many messages of each queue
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

#[derive(Debug, Args)]
pub struct DlqShow {
    /// The id of the message
    #[arg(value_name = "MESSAGE_ID")]
    pub message: String,
    #[command(flatten)]
    pub letters: DeadLetters,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["message", "all"]))]
pub struct DlqRedrive {
    #[command(flatten)]
    pub letters: DeadLetters,
    /// Send back the message with this id; may be given several times
    #[arg(long, value_name = "ID")]
    pub message: Vec<String>,
    /// Send back every message
    #[arg(long)]
    pub all: bool,
    /// Say what would happen, but do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Also send back messages that the worker would refuse again
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print an example that explains every key
    Example,
    /// Check a file and report each problem with its place
    Validate(ConfigFile),
}

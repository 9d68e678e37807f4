//! One file per command. Commands neither parse nor decide: they wire other crates and print.

mod announce;
mod check;
mod config;
mod demo;
mod dlq;
mod explain;
mod generate;
mod inventory;
mod meaning;
mod place;
mod plan;
mod progress;
mod prune;
mod recovery;
mod report;
mod retry;
mod session;
mod sim;
mod sources;
mod watch;
mod worker;
mod workers;

use std::process::ExitCode;

use crate::args::{Command, SourceWorker, TargetWorker};

/// Runs a command.
///
/// # Errors
/// What ended it early.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(demo) => demo::run(&demo),
        Command::Source(SourceWorker::Run(run)) => worker::source(&run),
        Command::Target(TargetWorker::Run(run)) => worker::target(&run),
        Command::Check(check) => check::check(&check),
        Command::Status(status) => report::status(&status),
        Command::Audit(audit) => report::audit(&audit),
        Command::Show(show) => report::show(&show),
        Command::Plan(plan) => plan::run(&plan),
        Command::Retry(what) => retry::run(&what),
        Command::Restore(what) => recovery::restore(&what),
        Command::Lookup(what) => recovery::lookup(&what),
        Command::Rebuild(what) => recovery::rebuild(&what),
        Command::Prune(what) => prune::prune(&what),
        Command::Explain(what) => explain::run(&what),
        Command::Dlq(dlq) => dlq::run(&dlq),
        Command::Config(config) => config::run(&config),
        Command::Sim(sim) => sim::run(&sim),
        Command::Completions(wanted) => generate::completions(&wanted),
        Command::Man(wanted) => generate::man(&wanted),
    }
}

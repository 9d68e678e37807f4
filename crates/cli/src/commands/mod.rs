//! One file per command. Commands neither parse nor decide: they wire other crates and print.

mod config;
mod demo;
mod dlq;
mod explain;
mod inventory;
mod meaning;
mod report;
mod session;
mod sim;
mod watch;
mod worker;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::args::{Command, Worker};

/// Runs a command.
///
/// # Errors
/// What ended it early.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(demo) => demo::run(&demo),
        Command::Source(Worker::Run(run)) => worker::source(&run),
        Command::Target(Worker::Run(run)) => worker::target(&run),
        Command::Status(status) => report::status(&status),
        Command::Audit(audit) => report::audit(&audit),
        Command::Explain(what) => explain::run(&what),
        Command::Dlq(dlq) => dlq::run(&dlq),
        Command::Config(config) => config::run(&config),
        Command::Sim(sim) => sim::run(&sim),
    }
}

/// Writes data to stdout; a reader that has gone away is not an error.
///
/// # Errors
/// Any other failure to write.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

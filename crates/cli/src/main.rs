//! The one binary: parses the command line, runs a command, maps its end to an exit status.

mod args;
mod commands;
mod exit;
mod failure;
mod runtime;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    match commands::run(arguments.command) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

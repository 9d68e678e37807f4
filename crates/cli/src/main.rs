//! The only binary: parses the command line, runs a command, maps its result to an exit status.

mod args;
mod commands;
mod exit;
mod failure;
mod runtime;
mod terminal;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

// A binary in which mistakes could be planted does not compile.
const _: () = assert!(!amiferry_core::planted::POSSIBLE);

fn main() -> ExitCode {
    let arguments = args::read();
    match commands::run(arguments.command) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

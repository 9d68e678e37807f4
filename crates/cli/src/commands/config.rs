//! `amiferry config`: prints an example, or reports what is wrong or doubtful in a file.

use std::process::ExitCode;

use amiferry_service::config;

use super::print;
use crate::args;
use crate::exit::Exit;

/// Runs the command.
///
/// # Errors
/// What is wrong with the file.
pub fn run(command: &args::Config) -> anyhow::Result<ExitCode> {
    match command {
        args::Config::Example => print(config::EXAMPLE)?,
        args::Config::Validate(file) => {
            let config = config::Config::load(&file.config)?;
            if !config.warnings.problems.is_empty() {
                warn(&config.warnings);
            }
            print(&format!(
                "{} is valid: {} source(s), {} vault(s), {} policies\n",
                file.config.display(),
                config.sources.len(),
                config.vaults.len(),
                config.policies.0.len()
            ))?;
        }
    }
    Ok(Exit::Ok.into())
}

#[expect(clippy::print_stderr, reason = "talk goes to stderr")]
fn warn(warnings: &config::Warnings) {
    eprintln!("{warnings}\n");
}

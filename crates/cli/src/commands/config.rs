//! `amiferry config`: prints an example, or reports what is wrong or doubtful in a file.

use std::process::ExitCode;

use amiferry_service::config;

use crate::args;
use crate::exit::Exit;
use crate::terminal::{print, tell};

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
                tell(&format!("{}\n", config.warnings));
            }
            print(&format!(
                "{} is valid: {}, {}, {}\n",
                file.config.display(),
                counted(config.sources.len(), "source", "sources"),
                counted(config.vaults.len(), "vault", "vaults"),
                counted(config.policies.0.len(), "policy", "policies")
            ))?;
        }
    }
    Ok(Exit::Ok.into())
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

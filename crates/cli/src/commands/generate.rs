//! `amiferry completions` and `amiferry man`: what is made from the command line itself.

use std::process::ExitCode;

use anyhow::Context as _;
use clap_complete::generate;

use crate::args;
use crate::exit::Exit;
use crate::terminal::{print, tell};

/// The program's name, which completions are registered for.
const PROGRAM: &str = "amiferry";

/// Prints the completions of a shell.
///
/// # Errors
/// A failure to write them.
pub fn completions(wanted: &args::Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(wanted.shell, &mut args::command(), PROGRAM, &mut script);
    print(&String::from_utf8(script).context("the completions are not text")?)?;
    Ok(Exit::Ok.into())
}

/// Writes a manual page for each command, over what is there.
///
/// # Errors
/// A directory that cannot be made or written to.
pub fn man(wanted: &args::Man) -> anyhow::Result<ExitCode> {
    let shown = wanted.dir.display();
    std::fs::create_dir_all(&wanted.dir).with_context(|| format!("cannot make {shown}"))?;
    clap_mangen::generate_to(args::command(), &wanted.dir)
        .with_context(|| format!("cannot write manual pages to {shown}"))?;
    tell(&format!("the manual pages are in {shown}; try: man -l {shown}/{PROGRAM}.1"));
    Ok(Exit::Ok.into())
}

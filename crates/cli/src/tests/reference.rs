//! `docs/reference/cli.md` is what the command line says. `AMIFERRY_BLESS=1 cargo test --workspace --locked
//! --bin amiferry -- reference` rewrites it.

use std::fmt::Write as _;
use std::fs;

use clap::{Command, CommandFactory as _};

use super::pages::root;
use crate::args::Arguments;

const PAGE: &str = "docs/reference/cli.md";

/// The section of a command, and of each command below it.
fn section(command: &Command, path: &str, page: &mut String) {
    let mut shown = command.clone().bin_name(path).term_width(100).disable_help_flag(true);
    // Not what the variables of this machine hold.
    shown = shown.mut_args(|argument| argument.hide_env_values(true));
    let help = shown.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    writeln!(page, "\n## {path}\n\n```text\n{}\n```", lines.join("\n").trim_end()).unwrap();
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        section(below, &format!("{path} {}", below.get_name()), page);
    }
}

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let mut page = String::from(
        "<!-- Made from crates/cli/src/args.rs by crates/cli/src/tests/reference.rs. -->\n\n\
         # Commands\n\n\
         What `amiferry COMMAND --help` says. Every command ends with one of the same \
         [exit statuses](../exit-status.md).\n\n\
         Your machine can have the same as manual pages, and your shell completes commands, options and their \
         values:\n\n\
         ```console\n\
         $ mkdir -p ~/.local/share/bash-completion/completions\n\
         $ amiferry completions bash > ~/.local/share/bash-completion/completions/amiferry\n\
         $ amiferry man --dir ~/.local/share/man/man1\n\
         ```\n",
    );
    section(&Arguments::command(), "amiferry", &mut page);
    let file = root().join(PAGE);
    if std::env::var_os("AMIFERRY_BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &page).unwrap();
    }
    let is_same = fs::read_to_string(&file).is_ok_and(|text| text == page);
    assert!(is_same, "{PAGE} is out of date: run with AMIFERRY_BLESS=1");
}

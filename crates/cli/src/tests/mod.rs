//! What documents say about the command line, compared with the command line.
//!
//! `pages` finds the commands in the documents, `commands` has clap read each of them, `reference` makes the
//! page of all commands, `generate` reads what `completions` and `man` write.

mod commands;
mod generate;
mod help;
mod pages;
mod reference;

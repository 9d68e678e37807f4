//! What the help of each command says.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};

use crate::args::Arguments;

/// What a text calls a command: `amiferry`, and the names below it.
const PROGRAM: &str = "amiferry ";

/// The options that a text mentions and does not say to belong to another command.
fn mentioned(text: &str) -> BTreeSet<&str> {
    let is_of_option = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = text.match_indices("--").filter(|(at, _)| !text[..*at].ends_with(is_of_option));
    let options = starts.filter_map(|(at, _)| {
        let option = &text[at..];
        let option = &option[..option.find(|c: char| !is_of_option(c)).unwrap_or(option.len())];
        // What stands between the name of the program and the option is then a call of it.
        let call = text[..at].rfind(PROGRAM).map(|begin| &text[begin + PROGRAM.len()..at]);
        let is_of_call = |c: char| is_of_option(c) || c.is_ascii_uppercase() || c == ' ';
        let is_other = call.is_some_and(|call| call.contains(' ') && call.chars().all(is_of_call));
        (option.len() > 2 && !is_other).then(|| option.trim_end_matches('-'))
    });
    options.collect()
}

fn check(command: &Command, path: &str, wrong: &mut Vec<String>) {
    // What is said of the commands below is their own help.
    let shown = command.clone().bin_name(path);
    let mut shown = shown.mut_subcommands(|below| below.hide(true));
    let help = shown.render_long_help().to_string();
    // The line of its usage is made by clap.
    let help = help.lines().filter(|line| !line.starts_with("Usage: ")).collect::<Vec<_>>();
    shown.build();
    let own: BTreeSet<String> = shown
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(|long| format!("--{long}")))
        .collect();
    let help = help.join("\n");
    for option in mentioned(&help) {
        if !own.contains(option) {
            wrong.push(format!("{path} has no {option}"));
        }
    }
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        check(below, &format!("{path} {}", below.get_name()), wrong);
    }
}

#[test]
fn no_help_mentions_an_option_that_its_command_lacks() {
    let mut wrong = Vec::new();
    check(&Arguments::command(), "amiferry", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_options_of_another_command_that_is_named_before_them_are_left_out() {
    let text = "With --output csv; see `amiferry audit --rows`, --all-of. a--b --x-\n--";
    let found: Vec<&str> = mentioned(text).into_iter().collect();
    assert_eq!(found, ["--all-of", "--output", "--x"]);
}

#[test]
fn the_states_of_a_retry_say_nothing_of_a_verdict() {
    let help = |name: &str| {
        let mut root = Arguments::command();
        let command = root.find_subcommand_mut(name).unwrap();
        command.render_long_help().to_string()
    };
    assert!(!help("retry").contains("verdict"), "{}", help("retry"));
    for command in ["status", "audit"] {
        assert!(help(command).contains("does not change the verdict"), "{}", help(command));
    }
}

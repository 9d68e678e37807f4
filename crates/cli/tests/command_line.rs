//! What the built program answers before it does anything: help, version, wrong arguments.

use std::process::{Command, Output};

/// Every command, as it is typed.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["demo"],
    &["source"],
    &["source", "run"],
    &["target"],
    &["target", "run"],
    &["status"],
    &["audit"],
    &["explain"],
    &["dlq"],
    &["dlq", "list"],
    &["dlq", "show"],
    &["dlq", "redrive"],
    &["config"],
    &["config", "example"],
    &["config", "validate"],
    &["sim"],
    &["sim", "serve"],
];

fn amiferry(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amiferry"));
    command.args(arguments).env_clear().output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_command_has_help_that_ends_with_the_exit_statuses() {
    for command in COMMANDS {
        let output = amiferry(&[command, &["--help"][..]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let help = text(&output.stdout);
        let (_, statuses) = help.split_once("Exit status:").unwrap_or_default();
        for status in ["0", "1", "2", "3", "10", "11", "12", "13", "20", "130"] {
            let listed =
                statuses.lines().any(|line| line.trim().starts_with(&format!("{status} ")));
            assert!(listed, "{status} is not in the help of {command:?}:\n{help}");
        }
    }
}

#[test]
fn no_command_is_missing_from_these_tests() {
    for command in COMMANDS {
        let help = text(&amiferry(&[command, &["-h"][..]].concat()).stdout);
        let Some((_, rest)) = help.split_once("\nCommands:\n") else { continue };
        let listed = rest.lines().take_while(|line| !line.is_empty());
        // Continued descriptions are indented further than names.
        for line in listed.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap_or_default();
            let full = [command, &[name][..]].concat();
            assert!(name == "help" || COMMANDS.contains(&full.as_slice()), "{full:?}");
        }
    }
}

#[test]
fn wrong_arguments_are_status_2_and_say_what_is_wrong() {
    for (arguments, word) in [
        (&["ferry"][..], "ferry"),
        (&["audit"], "--config"),
        (&["audit", "--config", "x", "--output", "xml"], "xml"),
        (&["sim", "serve", "--listen", "everywhere"], "everywhere"),
        (&["explain"], "CODE"),
        (&["explain", "complete", "--ask-aws"], "--ask-aws"),
        (&["explain", "--event", "-", "--ask-aws"], "--config"),
        (&["source", "run", "--config", "x", "--log-format", "loud"], "loud"),
        (&["dlq", "list", "--config", "x", "--role", "both"], "both"),
        (&["dlq", "show", "--config", "x"], "MESSAGE_ID"),
        (&["dlq", "redrive", "--config", "x"], "--all"),
        (&["dlq", "redrive", "--config", "x", "--all", "--message", "y"], "--message"),
    ] {
        let output = amiferry(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.contains(word) && said.contains("Usage:") || said.contains("--help"),
            "{said}"
        );
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let expected = concat!("amiferry ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(text(&amiferry(&["--version"]).stdout), expected);
}

#[test]
fn the_example_configuration_is_valid() {
    let example = amiferry(&["config", "example"]);
    assert_eq!(example.status.code(), Some(0));
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("example.toml");
    std::fs::write(&path, &example.stdout).expect("a file in the target folder");
    let path = path.to_str().expect("a path of text");
    let output = amiferry(&["config", "validate", "--config", path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("is valid"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_configuration_with_a_doubtful_policy_is_valid_with_a_warning_on_stderr() {
    let example = text(&amiferry(&["config", "example"]).stdout);
    let doubtful = example.replace("tags = { environment = \"production\" }, ", "");
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("doubtful.toml");
    std::fs::write(&path, doubtful).expect("a file in the target folder");
    let path = path.to_str().expect("a path of text");
    let output = amiferry(&["config", "validate", "--config", path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("is valid"));
    let said = text(&output.stderr);
    let expected = ": warning: the policy everything-else selects the same images as production\n";
    assert!(said.contains(expected) && said.contains("^^^^"), "{said}");
}

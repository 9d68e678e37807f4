//! What `completions` and `man` write can be used.

use std::fs;
use std::process::Command;

use clap_complete::{Shell, generate};

use crate::args;

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut args::command(), "amiferry", &mut script);
    String::from_utf8(script).unwrap()
}

#[test]
fn bash_reads_its_completions_and_offers_commands_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("amiferry.bash");
    fs::write(&file, completions(Shell::Bash)).unwrap();
    let offered = |words: &[&str]| {
        let (list, last) = (words.join(" "), words.len() - 1);
        let script = format!(
            "source '{}'; COMP_WORDS=({list}{}); COMP_CWORD={last}; _amiferry amiferry '{}' '{}'; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            file.display(),
            if words[last].is_empty() { " ''" } else { "" },
            words[last],
            words[last - 1],
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(offered(&["amiferry", "re"]).lines().eq(["retry", "restore", "rebuild"]));
    assert!(offered(&["amiferry", "audit", "--ou"]).lines().eq(["--output"]));
    assert!(offered(&["amiferry", "audit", "--output", ""]).lines().eq(["table", "json", "csv"]));
}

#[test]
fn zsh_and_fish_get_completions_of_every_command() {
    for shell in [Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
        let script = completions(shell);
        for command in args::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
}

#[test]
fn every_command_has_a_manual_page_of_well_formed_roff() {
    let folder = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(args::command(), folder.path()).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let audit = read("amiferry-audit.1");
    for part in
        ["\n.TH amiferry", "\n.SH NAME\n", "\n.SH SYNOPSIS\n", "AMIFERRY_CONFIG", "Exit status"]
    {
        assert!(audit.contains(part), "{part:?} is not in\n{audit}");
    }
    let pages: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|page| page.unwrap()).collect();
    assert!(pages.len() > 25, "{} pages", pages.len());
    for page in pages {
        let name = page.file_name().into_string().unwrap();
        for line in read(&name).lines().filter(|line| line.starts_with(['.', '\''])) {
            let known = [
                ".TH", ".SH", ".SS", ".TP", ".PP", ".RS", ".RE", ".br", ".ie", ".el", ".IP", ".sp",
            ];
            let request = line.split(' ').next().unwrap();
            assert!(known.contains(&request), "{name}: {line}");
        }
    }
    // groff, where it is installed, reads them without a complaint.
    let page = folder.path().join("amiferry-audit.1");
    let groff = Command::new("groff").args(["-man", "-ww", "-Tascii"]).arg(page).output();
    if let Ok(output) = groff {
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

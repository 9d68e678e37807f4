//! The first command of every runbook is one of ours, and one that the command line understands.

use std::fs;

use crate::support::Process;
use crate::support::simulator::bare;
use crate::tools::root;

/// What clap answers to wrong arguments.
const USAGE: i32 = 2;

#[test]
fn the_first_command_of_every_runbook_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for entry in fs::read_dir(root().join("docs/runbooks")).unwrap() {
        let path = entry.unwrap().path();
        let page = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if page == "README" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().find_map(|line| line.strip_prefix("$ ")).unwrap();
        let arguments =
            first.strip_prefix("amiferry ").unwrap_or_else(|| panic!("{page}: {first}"));
        // Its files do not exist, so it makes no calls.
        let mut command = bare(folder.path());
        command.current_dir(folder.path()).args(arguments.split(' '));
        let ended = Process::start(&page, folder.path(), &mut command).finish();
        assert_ne!(ended.status, USAGE, "{page}: {first}\n{}", ended.stderr);
        let explains = arguments.starts_with("explain ") && !arguments.contains("--");
        assert_eq!(ended.status == 0, explains, "{page}: {first}\n{ended:#?}");
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} runbooks: are they read?");
    let mut wrong = bare(folder.path());
    let ended = Process::start("wrong", folder.path(), wrong.arg("explian")).finish();
    assert_eq!(ended.status, USAGE, "{ended:#?}");
}

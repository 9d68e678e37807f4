//! Finds the program under test, `amiferry` beside the test's own executable, and has cargo build
//! it first where it is missing or older than one of its sources.
//!
//! `cargo test --workspace` has built it, because `crates/cli` has an integration test;
//! `cargo test -p amiferry-tests` has not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The executable, the same one for all tests even if another is built meanwhile.
pub fn path() -> &'static Path {
    PROGRAM.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        let folder = own.parent().and_then(Path::parent).unwrap();
        let built = folder.join("amiferry");
        if !is_fresh(&built) {
            build(folder);
        }
        let linked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("amiferry-under-test");
        let own = linked.with_extension(std::process::id().to_string());
        let _ = fs::remove_file(&own);
        fs::hard_link(&built, &own).unwrap();
        // Replaced at once: tests in other processes may be starting it.
        fs::rename(&own, &linked).unwrap();
        linked
    })
}

/// Whether the program is there and no source of it is younger.
fn is_fresh(program: &Path) -> bool {
    modified(program).is_some_and(|built| is_older(&root().join("crates"), built))
}

/// Whether everything that a program could be built of, in a folder and below, is older than this.
fn is_older(folder: &Path, built: SystemTime) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).all(|path| {
        let name = path.file_stem().unwrap().to_string_lossy();
        // No program contains its tests, and cargo does not rebuild it when they change.
        name == "tests"
            || name.ends_with("_tests")
            || if path.is_dir() {
                is_older(&path, built)
            } else {
                modified(&path).is_some_and(|changed| changed <= built)
            }
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// Builds it as `cargo test --workspace` does, with the test that needs it: another selection may
/// have fewer features of some dependencies, which cargo would build once more.
fn build(folder: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["test", "--workspace", "--quiet", "--no-run"]);
    cargo.args(["--test", "command_line", "--target-dir"]).arg(folder.parent().unwrap());
    match folder.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => {}
        Some(profile) => drop(cargo.args(["--profile", profile])),
    }
    assert!(cargo.status().unwrap().success(), "cargo cannot build the program under test");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

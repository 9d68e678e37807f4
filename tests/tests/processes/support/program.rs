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
        let _ = fs::remove_file(&linked);
        fs::hard_link(&built, &linked).unwrap();
        linked
    })
}

/// Whether the program is of this repository and no source that cargo lists is younger.
fn is_fresh(program: &Path) -> bool {
    let Some(built) = modified(program) else { return false };
    let Ok(listed) = fs::read_to_string(program.with_extension("d")) else { return false };
    let main = root().join("crates/cli/src/main.rs");
    let mut ours = false;
    for source in listed.split_ascii_whitespace().skip(1).map(Path::new) {
        ours |= source == main;
        if modified(source).is_none_or(|changed| changed > built) {
            return false;
        }
    }
    ours
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

fn build(folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(profile) => profile,
    };
    let built = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["build", "--quiet", "--bin", "amiferry", "--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap())
        .status()
        .unwrap();
    assert!(built.success(), "cargo cannot build the program under test");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

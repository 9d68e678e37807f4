//! Third-party programs: where they are, and one line about each test that is skipped without one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `prometheus`, `promtool` or `amtool`; `None` after saying which test is skipped for want of it.
///
/// `test.sh` unpacks them and names their folder in `AMIFERRY_PROMETHEUS`; otherwise they are
/// looked for on the path.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = folder().map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
    if Command::new(&path).arg("--version").output().is_ok_and(|said| said.status.success()) {
        return Some(path);
    }
    skipped(name);
    None
}

fn folder() -> Option<PathBuf> {
    named("AMIFERRY_PROMETHEUS")
}

/// The Python that `test.sh` has given the clients' packages; `None` after saying which test is
/// skipped for want of it.
pub fn python() -> Option<PathBuf> {
    let python = named("AMIFERRY_PYTHON");
    if python.is_none() {
        skipped("the Python that AMIFERRY_PYTHON names");
    }
    python
}

/// Reports that the running test needs something that is missing.
pub fn skipped(wanted: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not by a macro: the test runner would swallow the line.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test} needs {wanted}");
}

/// The program or folder that a variable names.
#[expect(clippy::disallowed_methods, reason = "how the test runner says where the programs are")]
pub fn named(variable: &str) -> Option<PathBuf> {
    std::env::var(variable).ok().filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The top of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs a program over a text to its end; what it wrote, and whether it is content.
pub fn run(program: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(program)
        .current_dir(root())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

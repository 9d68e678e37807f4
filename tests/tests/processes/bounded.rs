//! Both workers stay below their bound of memory with full queues and many images: a short run of
//! `tests/soak/soak.py`, whose long one also looks for growth.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::program;

#[test]
fn with_full_queues_and_many_images_each_worker_stays_below_its_bound() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("soak/soak.py");
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: a test of memory needs python3");
        return;
    }
    let run = Command::new("python3")
        .args(["-B".as_ref(), script.as_os_str(), program::path().as_os_str()])
        // The time is for a hang: it ends as soon as all is taken in.
        .args(["--images=1000", "--messages=5000", "--drain", "--interval=1", "--minutes=60"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let complaint = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{complaint}");
    assert!(said.contains("source: at most") && said.contains("target: at most"), "{said}");
}

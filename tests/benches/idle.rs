//! How large the program is, and how much memory each worker keeps while it has nothing to do.
//!
//! `cargo bench -p amiferry-tests --bench idle [-- ROUNDS]` builds the release binary, starts it as
//! the simulated AWS and as both workers, and reads their resident memory from `/proc` after three
//! sweeps. It prints the medians of 5 rounds, each with new processes.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench prints, fails loudly and watches other processes"
)]

#[path = "parts/mod.rs"]
#[expect(dead_code, reason = "other benches use the rest")]
mod parts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use amiferry_simulator::landscape;
use parts::process::{self, load};

/// The configuration that `sim serve` writes has a sweep every 10 seconds.
const SWEEPS: Duration = Duration::from_secs(35);

fn main() {
    let rounds = std::env::args().skip(1).find(|arg| arg != "--bench");
    let rounds: usize = rounds.map_or(5, |rounds| rounds.parse().unwrap());
    let program = program();
    let bytes = fs::metadata(&program).unwrap().len();
    println!("{}: {:.1} MB, {rounds} rounds; {}", program.display(), bytes as f64 / 1e6, load());
    let mut sizes: [Vec<(f64, f64)>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (sizes, size) in sizes.iter_mut().zip(round(&program)) {
            sizes.push(size);
        }
    }
    for (role, sizes) in ["source", "target"].into_iter().zip(&mut sizes) {
        sizes.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let ((least, _), (most, _)) = (sizes[0], sizes[rounds - 1]);
        let (resident, own) = sizes[rounds / 2];
        println!(
            "{role}: {resident:.1} MiB (min {least:.1}, max {most:.1}), of which {own:.1} are no file's"
        );
    }
}

/// The program, as a release has it.
fn program() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--bin", "amiferry"]);
    assert!(cargo.status().unwrap().success(), "cargo cannot build the program");
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join("amiferry")
}

/// A process that ends with this.
struct Running(Child);

impl Running {
    fn start(program: &Path, words: &[&str], config: &Path, account: &str) -> Self {
        let mut command = Command::new(program);
        command.args(words).arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("AWS_ACCESS_KEY_ID", account).env("AWS_SECRET_ACCESS_KEY", "any");
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What each worker keeps, in MiB: all that is resident, and what of it is no page of a file.
fn round(program: &Path) -> [(f64, f64); 2] {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("amiferry.toml");
    let serve = ["sim", "serve", "--listen", "127.0.0.1:0", "--write-config"];
    let _aws = Running::start(program, &serve, &config, landscape::SOURCE_ACCOUNT);
    let is_written = || fs::read_to_string(&config).is_ok_and(|text| text.contains("endpoint_url"));
    while !is_written() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let workers = [("source", landscape::SOURCE_ACCOUNT), ("target", landscape::VAULT_ACCOUNT)];
    let mut workers = workers.map(|(role, account)| {
        Running::start(program, &[role, "run", "--config"], &config, account)
    });
    std::thread::sleep(SWEEPS);
    workers.each_mut().map(|worker| {
        assert!(worker.0.try_wait().unwrap().is_none(), "a worker ended");
        let mib = |name| process::mib(worker.0.id(), name);
        (mib("VmRSS:"), mib("RssAnon:"))
    })
}

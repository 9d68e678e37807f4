//! One process that runs: its output in files, signals to it, its exit status.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::wait;

/// A process, killed when it goes out of scope.
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How a process ended and what it wrote.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status; 128 and the signal's number if a signal ended it.
    pub status: i32,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Outcome {
    /// Standard output, which must be one JSON document and nothing else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document: {error}\n{self:#?}"))
    }
}

impl Process {
    /// Starts a command, with its output in `folder/name.stdout` and `folder/name.stderr`.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Self {
        let stdout = folder.join(format!("{name}.stdout"));
        let stderr = folder.join(format!("{name}.stderr"));
        let child = command
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// What it has logged so far, record by record. The last line may be half written, and errors
    /// are plain text: neither is a record.
    pub fn log(&self) -> Vec<Value> {
        self.stderr().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Sends a signal, such as `TERM`, or several, such as `TERM INT`, one right after the other.
    pub fn signal(&self, names: &str) {
        let id = self.child.id();
        let sent = Command::new("sh")
            .args(["-c", &format!("for name in {names}; do kill -$name {id} || exit; done")])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(sent.success(), "{} is gone, no {names} can be sent", self.name);
    }

    /// Ends it as a power cut would.
    pub fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let status =
            wait::until(&format!("the end of {}", self.name), || self.child.try_wait().unwrap());
        let signal = status.signal().map(|signal| 128 + signal);
        Outcome {
            status: status.code().or(signal).unwrap(),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
        }
    }

    /// Sends one SIGINT after the other until it ends, as somebody at a terminal does.
    pub fn interrupt(mut self) -> Outcome {
        wait::until(&format!("the interrupted end of {}", self.name), || {
            let ended = self.child.try_wait().unwrap();
            if ended.is_none() {
                self.signal("INT");
            }
            ended
        });
        self.finish()
    }

    /// Sends a SIGTERM and waits for its end.
    pub fn terminate(self) -> Outcome {
        self.signal("TERM");
        self.finish()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

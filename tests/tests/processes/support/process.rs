//! One process that runs: its output in files, signals to it, its exit status.

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::wait;

/// A process, killed when it goes out of scope.
pub struct Process {
    name: String,
    child: RefCell<Child>,
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
        Self { name: name.to_owned(), child: RefCell::new(child), stdout, stderr }
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
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

    /// The first answer that a look at this process gives.
    ///
    /// # Panics
    /// When it ends without one.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        wait::until(what, || {
            // Before the look, so that its last words count.
            let ended = self.child.borrow_mut().try_wait().unwrap();
            let found = look(self);
            let goes_on = found.is_some() || ended.is_none();
            assert!(goes_on, "{} ended before {what}: {}", self.name, self.stderr());
            found
        })
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.signals(&[name]);
    }

    /// Sends several signals, which arrive together, as fast as one another however busy the
    /// machine is.
    pub fn signals_at_once(&self, names: &[&str]) {
        self.signals(&[&["STOP"], names, &["CONT"]].concat());
    }

    fn signals(&self, names: &[&str]) {
        let id = self.child.borrow().id();
        let names = names.join(" ");
        let sent = Command::new("sh")
            .args(["-c", &format!("for name in {names}; do kill -$name {id} || exit; done")])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(sent.success(), "{} is gone, no {names} can be sent", self.name);
    }

    /// Ends it as a power cut would.
    pub fn kill9(self) {
        let mut child = self.child.borrow_mut();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn finish(self) -> Outcome {
        let ended = || self.child.borrow_mut().try_wait().unwrap();
        let status = wait::until(&format!("the end of {}", self.name), ended);
        let signal = status.signal().map(|signal| 128 + signal);
        Outcome {
            status: status.code().or(signal).unwrap(),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
        }
    }

    /// Sends one SIGINT after another until it ends, as a person at a terminal does.
    pub fn interrupt(self) -> Outcome {
        wait::until(&format!("the interrupted end of {}", self.name), || {
            let ended = self.child.borrow_mut().try_wait().unwrap();
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
        let child = self.child.get_mut();
        // Fails only when it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

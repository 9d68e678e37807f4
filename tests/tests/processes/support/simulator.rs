//! A simulated AWS in a process of its own, and everything in a test that talks to it.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Outcome, Process};
use super::{aws, program, scrape, wait};

/// One of the two accounts of the landscape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// Whose images are protected.
    Source,
    /// Which holds the copies.
    Vault,
}

impl Account {
    /// The account's id, which is also an access key id that acts as it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Source => "111111111111",
            Self::Vault => "222222222222",
        }
    }

    pub fn region(self) -> &'static str {
        match self {
            Self::Source => "us-east-1",
            Self::Vault => "us-west-2",
        }
    }

    /// The name of its worker's queue.
    pub fn queue(self) -> &'static str {
        match self {
            Self::Source => "amiferry-source",
            Self::Vault => "amiferry-target",
        }
    }
}

/// The two workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `amiferry source run`
    Source,
    /// `amiferry target run`
    Target,
}

impl Role {
    /// Whose credentials it runs with.
    pub fn account(self) -> Account {
        match self {
            Self::Source => Account::Source,
            Self::Target => Account::Vault,
        }
    }

    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// The bucket that images are stored to.
pub const STAGING_BUCKET: &str = "amiferry-staging-111111111111-us-east-1";
/// The bucket that holds the copies.
pub const VAULT_BUCKET: &str = "amiferry-vault-222222222222-us-west-2";

/// The line that begins the table of workers in its configuration.
const WORKERS: &str = "[workers]\n";

/// How the workers of these tests are told to finish what runs, however long that takes on a busy
/// machine.
pub const GRACE: &str = "grace = \"1h\"";

/// A running simulated AWS. When a test fails, the logs of all its processes are printed.
pub struct Simulator {
    cli: String,
    endpoint: String,
    started: Cell<u32>,
    // Ends before its folder is removed.
    _process: Process,
    folder: TempDir,
}

impl Simulator {
    /// One with the landscape and no image; `None` where there is no `aws` CLI, which is said.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// One with the demo's images.
    pub fn with_images() -> Option<Self> {
        Self::with(&["--with-images"])
    }

    /// One with these options of `amiferry sim serve`.
    pub fn with(options: &[&str]) -> Option<Self> {
        let cli = aws::cli()?;
        let folder = tempfile::tempdir().unwrap();
        let mut command = bare(folder.path());
        command.args(["sim", "serve", "--listen", "127.0.0.1:0", "--write-config"]);
        command.arg(folder.path().join("amiferry.toml")).args(options);
        let process = Process::start("simulator", folder.path(), &mut command);
        let endpoint = process.until("the simulator's address", |process| {
            let said = process.stderr();
            let (_, rest) = said.split_once("simulated AWS on ")?;
            let (endpoint, _) = rest.split_once(": ")?;
            Some(endpoint.to_owned())
        });
        let simulator = Self { cli, endpoint, started: Cell::new(0), _process: process, folder };
        simulator.changed_config("amiferry.toml", &[(WORKERS, &format!("{WORKERS}{GRACE}\n"))]);
        Some(simulator)
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A place for the files of this test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration that it wrote, with [`GRACE`].
    pub fn config(&self) -> PathBuf {
        self.folder().join("amiferry.toml")
    }

    /// A second configuration, with these pieces of the first replaced; each must be there.
    pub fn changed_config(&self, name: &str, changes: &[(&str, &str)]) -> PathBuf {
        let mut text = fs::read_to_string(self.config()).unwrap();
        for (old, new) in changes {
            assert!(text.contains(old), "{old:?} is not in the configuration:\n{text}");
            text = text.replace(old, new);
        }
        let path = self.folder().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// `amiferry` with the credentials of an account and nothing else of the environment.
    pub fn command(&self, account: Account) -> Command {
        self.command_of(program::path(), account)
    }

    fn command_of(&self, program: &Path, account: Account) -> Command {
        let mut command = Command::new(program);
        isolate(&mut command, self.folder());
        command.env("AWS_ACCESS_KEY_ID", account.id()).env("AWS_SECRET_ACCESS_KEY", "any");
        command
    }

    /// Starts a command of [`command`](Self::command)'s kind under a name of its own.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Process {
        self.started.set(self.started.get() + 1);
        Process::start(&format!("{:02}-{name}", self.started.get()), self.folder(), command)
    }

    /// Starts a worker with a configuration.
    pub fn worker(&self, role: Role, config: &Path) -> Process {
        self.worker_of(program::path(), role, config)
    }

    /// Starts a worker of this program with a configuration.
    pub fn worker_of(&self, program: &Path, role: Role, config: &Path) -> Process {
        let mut command = self.command_of(program, role.account());
        self.spawn(role.as_str(), command.args([role.as_str(), "run", "--config"]).arg(config))
    }

    /// Runs `amiferry` to its end with the vault's credentials.
    pub fn run(&self, arguments: &[&str], config: &Path) -> Outcome {
        let mut command = self.command(Account::Vault);
        self.spawn(arguments[0], command.args(arguments).arg("--config").arg(config)).finish()
    }

    /// The audit's report, whatever its verdict.
    pub fn audit(&self) -> Value {
        self.run(&["audit", "--output", "json"], &self.config()).json()
    }

    /// Waits until this many recovery points are complete and none is under way.
    pub fn until_complete(&self, points: usize) -> Value {
        wait::until(&format!("{points} complete recovery points"), || {
            let report = self.audit();
            let all = report["recovery_points"].as_array()?;
            let complete = all.iter().filter(|point| point["state"] == "complete").count();
            (complete == points && all.len() == points).then_some(report)
        })
    }

    /// What it says under `/_amiferry/`, as of its faults.
    pub fn read(&self, path: &str) -> Value {
        Self::said(path, &scrape::get(self.address(), &format!("/_amiferry/{path}")))
    }

    /// Steers it: puts a document to a path under `/_amiferry/`.
    pub fn steer(&self, path: &str, body: &Value) -> Value {
        let path = format!("/_amiferry/{path}");
        Self::said(&path, &scrape::post(self.address(), &path, &body.to_string()))
    }

    /// Ends all faults.
    pub fn heal(&self) {
        let removed = scrape::delete(self.address(), "/_amiferry/faults");
        Self::said("the faults", &removed);
    }

    fn address(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }

    fn said(path: &str, answer: &str) -> Value {
        assert!(answer.starts_with("HTTP/1.1 2"), "{path}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}\n{answer}"))
    }

    /// Asks the `aws` CLI, in an account and its Region.
    pub fn aws(&self, account: Account, arguments: &[&str]) -> Value {
        let mut command = Command::new(&self.cli);
        isolate(&mut command, self.folder());
        command
            .env("AWS_ACCESS_KEY_ID", account.id())
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .env("AWS_DEFAULT_REGION", account.region())
            .args(["--endpoint-url", &self.endpoint, "--output", "json"])
            // Without limits: a call that is repeated would be made twice.
            .args(["--cli-connect-timeout=0", "--cli-read-timeout=0"])
            .args(arguments);
        aws::answer(&mut command)
    }

    /// Runs a shell script as a person would who has the `aws` CLI and an account's credentials.
    pub fn shell(&self, account: Account, script: &str) -> Outcome {
        let mut command = Command::new("sh");
        isolate(&mut command, self.folder());
        let cli = Path::new(&self.cli).parent().unwrap_or(Path::new("")).display().to_string();
        command
            .current_dir(self.folder())
            .env("AWS_ACCESS_KEY_ID", account.id())
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .env("AWS_DEFAULT_REGION", account.region())
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_PAGER", "")
            .args(["-euc", &format!("PATH=\"{cli}:$PATH\"\n{script}")]);
        self.spawn("shell", &mut command).finish()
    }

    /// The URL of a queue, as the CLI wants it.
    pub fn queue_url(&self, account: Account, queue: &str) -> String {
        format!("{}/{}/{queue}", self.endpoint, account.id())
    }

    /// Sends a body to the queue of an account's worker.
    pub fn send(&self, account: Account, body: &str) {
        // Through a file: a body may be longer than an argument may be.
        let file = self.folder().join("body");
        fs::write(&file, body).unwrap();
        let url = self.queue_url(account, account.queue());
        let body = format!("file://{}", file.display());
        self.aws(account, &["sqs", "send-message", "--queue-url", &url, "--message-body", &body]);
    }

    /// How many messages of a queue wait, and how many are in flight.
    pub fn depth(&self, account: Account, queue: &str) -> (u64, u64) {
        let url = self.queue_url(account, queue);
        let answer = self.aws(
            account,
            &["sqs", "get-queue-attributes", "--queue-url", &url, "--attribute-names", "All"],
        );
        let number = |name: &str| answer["Attributes"][name].as_str().unwrap().parse().unwrap();
        (number("ApproximateNumberOfMessages"), number("ApproximateNumberOfMessagesNotVisible"))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut logs: Vec<PathBuf> =
            fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "stderr"));
        logs.sort();
        for log in logs {
            let text = fs::read(&log).unwrap_or_default();
            if !text.is_empty() {
                let name = log.file_stem().unwrap_or_default().display();
                println!("--- {name}\n{}", String::from_utf8_lossy(&text));
            }
        }
    }
}

/// `amiferry` with an environment of its own.
pub fn bare(home: &Path) -> Command {
    let mut command = Command::new(program::path());
    isolate(&mut command, home);
    command
}

/// Nothing of the caller's AWS set-up reaches a process of these tests.
#[expect(clippy::disallowed_methods, reason = "the search path is handed on as it is")]
pub fn isolate(command: &mut Command, home: &Path) {
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(std::process::Stdio::null());
}

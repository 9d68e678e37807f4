//! Types the blocks of a page into shells, as their reader would.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::blocks::{Block, Typed, root, shows};
use crate::support::simulator::isolate;
use crate::support::{Process, aws, program};

/// The address that the pages name.
const WRITTEN: &str = "127.0.0.1:4566";

/// Begins the record of a command in the output of a block.
const RECORD: char = '\u{1e}';

/// A reader at work: a directory, a terminal that remembers its variables, and others in which something runs.
pub struct Player {
    folder: PathBuf,
    path: String,
    variables: Vec<(String, String)>,
    replaced: Vec<(String, String)>,
    accepted: &'static [i32],
    started: usize,
    running: Vec<Process>,
}

impl Player {
    /// A reader in a directory that is made for it; `None` where there is no `aws` CLI, which is said.
    pub fn new(folder: &Path) -> Option<Self> {
        let cli = aws::cli()?;
        let programs = folder.join(".programs");
        fs::create_dir_all(&programs).unwrap();
        let _ = symlink(program::path(), programs.join("amiferry"));
        for top in ["crates", "deploy"] {
            let _ = symlink(root().join(top), folder.join(top));
        }
        let cli = Path::new(&cli).parent().unwrap_or(Path::new("")).display().to_string();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Some(Self {
            folder: folder.to_path_buf(),
            path: format!("{}:{cli}", programs.display()),
            variables: Vec::new(),
            replaced: vec![
                (WRITTEN.to_owned(), free.to_string()),
                (WRITTEN.replace("127.0.0.1", "localhost"), free.to_string()),
            ],
            accepted: &[0],
            started: 0,
            running: Vec::new(),
        })
    }

    /// With a variable in every terminal.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Types something else where the page has a place for it.
    pub fn with(mut self, written: &str, typed: &str) -> Self {
        self.replaced.insert(0, (written.to_owned(), typed.to_owned()));
        self
    }

    /// With the exit statuses that a command may have.
    pub fn accepting(mut self, statuses: &'static [i32]) -> Self {
        self.accepted = statuses;
        self
    }

    /// Types a block, and compares what is shown with what is said.
    pub fn play(&mut self, page: &str, block: &Block) {
        if block.background {
            block.commands.iter().for_each(|typed| self.start(page, typed));
        } else {
            self.type_in(page, block);
        }
    }

    fn type_in(&mut self, page: &str, block: &Block) {
        let mut script = String::from("set -a\n[ ! -f .variables ] || . ./.variables\nexec 2>&1\n");
        for typed in &block.commands {
            script.push_str(&format!("{}\nprintf '\\n\\036%s\\n' $?\n", self.typed(typed)));
        }
        script.push_str("export -p > .variables\n");
        let process = self.shell(&script);
        let ended = process.finish();
        let mut outputs = ended.stdout.split(RECORD);
        let mut output = outputs.next().unwrap_or_default();
        for typed in &block.commands {
            let text = &typed.text;
            let Some((status, next)) = outputs.next().and_then(|rest| rest.split_once('\n')) else {
                panic!("{page}: {text}\nended the shell: {ended:#?}");
            };
            let status: i32 = status.parse().unwrap();
            assert!(
                self.accepted.contains(&status),
                "{page}: {text}\nended with {status}:\n{output}"
            );
            if let Err(line) = shows(&typed.shown, output) {
                panic!("{page}: {text}\ndoes not say: {line}\nbut:\n{output}");
            }
            output = next;
        }
    }

    /// Starts something in a terminal of its own, and waits until it says what the page shows, or anything.
    fn start(&mut self, page: &str, typed: &Typed) {
        // Of no use to another terminal: what the first one exported.
        let process = self.shell(&format!("exec 2>&1\nexec env {}\n", self.typed(typed)));
        process.until(&format!("what {page} shows of {}", typed.text), |process| {
            let said = process.stdout();
            (!said.is_empty() && shows(&typed.shown, &said).is_ok()).then_some(())
        });
        self.running.push(process);
    }

    fn typed(&self, typed: &Typed) -> String {
        let serve = "amiferry sim serve";
        let mut text = typed.text.clone();
        // Where a page leaves the address out, it means the one that others name.
        if text.contains(serve) && !text.contains("--listen") {
            text = text.replace(serve, &format!("{serve} --listen {WRITTEN}"));
        }
        self.replaced.iter().fold(text, |text, (old, new)| text.replace(old, new))
    }

    fn shell(&mut self, script: &str) -> Process {
        self.started += 1;
        let mut command = Command::new("sh");
        isolate(&mut command, &self.folder);
        command
            .current_dir(&self.folder)
            .env("AWS_PAGER", "")
            .envs(self.variables.iter().cloned())
            .args(["-c", &format!("PATH=\"{}:$PATH\"\n{script}", self.path)]);
        Process::start(&format!(".typed-{:02}", self.started), &self.folder, &mut command)
    }
}

//! A real Prometheus in a process of its own, with a folder of its own and a port that was free.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Process, wait};
use crate::tools::tool;

/// A running Prometheus. When a test fails, its log is printed.
pub struct Prometheus {
    address: String,
    process: Process,
    folder: TempDir,
}

/// One series of an answer, with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The labels, the name of the series among them as `__name__`.
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Prometheus {
    /// One with these rules that scrapes nothing yet; `None` where there is no Prometheus, which
    /// is said. It scrapes every two seconds and evaluates every second.
    pub fn start(rules: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = "global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n\
             - job_name: workers\n  \
               file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]\n";
        fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        fs::write(folder.path().join("rules.yml"), rules).unwrap();
        fs::write(folder.path().join("targets.json"), "[]").unwrap();
        let arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data"];
        Self::run(folder, &arguments.map(str::to_owned))
    }

    /// One with these arguments, in this folder; `None` where there is no Prometheus, which is
    /// said.
    pub fn run(folder: TempDir, arguments: &[String]) -> Option<Self> {
        let program = tool("prometheus")?;
        let mut command = Command::new(program);
        command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .args(arguments)
            .arg("--web.listen-address=127.0.0.1:0");
        let process = Process::start("prometheus", folder.path(), &mut command);
        let address = listening("Prometheus", &process);
        let started = Self { address, process, folder };
        wait::until("Prometheus to be ready", || {
            started.get("/-/ready").is_some_and(|said| said.contains("is Ready")).then_some(())
        });
        Some(started)
    }

    /// From now on it scrapes these, each an address with its job, and nothing else.
    pub fn scrape(&self, targets: &[(&str, &str)]) {
        let targets: Vec<Value> = targets
            .iter()
            .map(|(job, address)| json!({ "targets": [address], "labels": { "job": job } }))
            .collect();
        // Replaced at once: half a file would be no target at all.
        let new = self.folder.path().join("targets.new");
        fs::write(&new, Value::from(targets).to_string()).unwrap();
        fs::rename(&new, self.folder.path().join("targets.json")).unwrap();
    }

    /// What an expression gives now.
    ///
    /// # Panics
    /// When Prometheus refuses it.
    pub fn query(&self, expression: &str) -> Vec<Sample> {
        let answer = self.api(&format!("/api/v1/query?query={}", encoded(expression)));
        assert_eq!(answer["status"], "success", "{expression}: {answer:#}");
        let result = answer["data"]["result"].as_array().unwrap();
        result
            .iter()
            .map(|series| Sample {
                labels: serde_json::from_value(series["metric"].clone()).unwrap(),
                value: series["value"][1].as_str().unwrap().parse().unwrap(),
            })
            .collect()
    }

    /// The labels of every alert that fires, `alertname` among them.
    pub fn firing(&self) -> Vec<BTreeMap<String, String>> {
        let answer = self.api("/api/v1/alerts");
        let alerts = answer["data"]["alerts"].as_array().unwrap().iter();
        alerts
            .filter(|alert| alert["state"] == "firing")
            .map(|alert| serde_json::from_value(alert["labels"].clone()).unwrap())
            .collect()
    }

    /// Its address, for others to ask.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every rule, once each was evaluated.
    pub fn rules(&self) -> Vec<Value> {
        wait::until("every rule to be evaluated", || {
            let answer = self.api("/api/v1/rules");
            let groups = answer["data"]["groups"].as_array().unwrap().iter();
            let rules: Vec<Value> =
                groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
            rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
        })
    }

    /// What its API answers.
    ///
    /// # Panics
    /// When it answers no JSON.
    pub fn api(&self, path: &str) -> Value {
        let body = self.get(path).unwrap_or_else(|| panic!("Prometheus does not answer {path}"));
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}\n{body}"))
    }

    fn get(&self, path: &str) -> Option<String> {
        fetch(&self.address, path)
    }
}

/// The body of a page; `None` while no server listens.
pub fn fetch(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(wait::DEADLINE)).ok()?;
    // By the older protocol, which has no chunks.
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Where a program of Prometheus' family listens, as it logged it.
pub fn listening(name: &str, process: &Process) -> String {
    process.until(&format!("{name}'s address"), |process| {
        let log = process.stderr();
        let (_, rest) = log.split_once("msg=\"Listening on\" address=")?;
        let (address, _) = rest.split_once('\n')?;
        Some(address.to_owned())
    })
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- prometheus\n{}", self.process.stderr());
        }
    }
}

/// A text as a part of an address.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let encode =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// The rules as they are shipped, in a smaller time: minutes are seconds and hours minutes, in
/// ranges, in `for` and where seconds are written as `N * 60`. Days stay.
pub fn brisk(rules: &Path) -> String {
    let text = fs::read_to_string(rules).unwrap();
    let mut brisk = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let digits = from.len() - from.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = from.split_at(digits);
        let in_time = before.ends_with('[') || before.ends_with("for: ");
        brisk.push_str(before);
        brisk.push_str(number);
        rest = match after.as_bytes().first() {
            Some(b'm') if in_time => {
                brisk.push('s');
                &after[1..]
            }
            Some(b'h') if in_time => {
                brisk.push('m');
                &after[1..]
            }
            _ => match after.strip_prefix(" * 60") {
                Some(after) => {
                    brisk.push_str(" * 1");
                    after
                }
                None => after,
            },
        };
    }
    brisk.push_str(rest);
    brisk
}

#[test]
fn the_brisk_rules_differ_in_lengths_of_time_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    fs::write(&path, "for: 5m\nexpr: a5m[15m] > 30 * 60 and b[1h] < 7h + c[1d] * 2").unwrap();
    let expected = "for: 5s\nexpr: a5m[15s] > 30 * 1 and b[1m] < 7h + c[1d] * 2";
    assert_eq!(brisk(&path), expected);
}

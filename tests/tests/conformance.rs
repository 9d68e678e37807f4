//! The simulated AWS under clients that others wrote: boto3, the `aws` CLI and s5cmd, with
//! botocore's models and moto as the measure. The checks are the scripts of `tests/conformance`,
//! one for each service; each gets a simulated AWS of its own. Further scripts compare the actions and
//! policies of amiferry with AWS's own list, deploy the templates into moto, and try `CloudWatch`'s alarms
//! with the cases of Prometheus's rules. `sandbox` runs the script of `deploy/conformance`, which asks real
//! accounts, against both.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails loudly, its helpers too")]

#[cfg(test)]
#[path = "processes/support/program.rs"]
mod program;
#[cfg(test)]
#[path = "conformance/sandbox.rs"]
mod sandbox;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use amiferry_core::refusal::permissions;
use amiferry_service::config::Config;

#[test]
fn ec2_conforms() {
    conforms("ec2");
}

#[test]
fn kms_conforms() {
    conforms("kms");
}

#[test]
fn s3_conforms() {
    conforms("s3");
}

#[test]
fn sqs_conforms() {
    conforms("sqs");
}

#[test]
fn sts_conforms() {
    conforms("sts");
}

#[test]
fn iam_knows_every_action_that_amiferry_names() {
    let Some(python) = python_for("iam_knows_every_action_that_amiferry_names") else { return };
    let needs = permissions::CALLS.iter().flat_map(|call| call.needs);
    let actions: BTreeSet<&str> = needs.map(|need| need.action).collect();
    let script = root().join("tests/conformance/actions.py");
    let run = Command::new(python).arg(script).args(actions).stdin(Stdio::null()).output().unwrap();
    say(&String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn iam_understands_every_policy_of_deploy() {
    let test = "iam_understands_every_policy_of_deploy";
    let Some(python) = python_for(test) else { return };
    let script = root().join("tests/conformance/policies.py");
    let run = Command::new(python).arg(script).stdin(Stdio::null()).output().unwrap();
    say(&String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// What an operator adds to the tables that the stacks give for `amiferry.toml`.
const POLICY: &str = r#"
[[policy]]
name = "gold"
select = { tags = { workload = "*" } }
family = { tag = "workload" }
target_regions = ["us-west-2"]
rpo = "24h"
retention = "35d"
"#;

#[test]
fn the_templates_deploy_and_their_outputs_are_a_configuration() {
    let test = "the_templates_deploy_and_their_outputs_are_a_configuration";
    let Some(python) = python_for(test) else { return };
    let script = root().join("tests/conformance/templates.py");
    let folder = tempfile::tempdir().unwrap();
    let run =
        Command::new(python).arg(script).arg(folder.path()).stdin(Stdio::null()).output().unwrap();
    say(&String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let table = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let tables = ["source.toml", "vault.toml", "destination.toml"].map(table).concat();
    let text = format!("{tables}{POLICY}");
    let config = Config::parse(&text, "the outputs", &BTreeMap::new()).unwrap();
    let (source, vault) = (&config.sources[0], &config.vaults[0]);
    assert_eq!((source.account.as_str(), source.region.as_str()), ("111111111111", "us-east-1"));
    assert_eq!((vault.account.as_str(), vault.region.as_str()), ("222222222222", "us-west-2"));
    let destination = config.destination("444444444444/eu-central-1").unwrap();
    assert!(destination.bucket.as_str().starts_with("amiferry-destination-"));
    assert!(destination.role_arn.is_some());
}

#[test]
fn alarms_of_cloudwatch_fire_as_those_of_prometheus_do() {
    let test = "alarms_of_cloudwatch_fire_as_those_of_prometheus_do";
    let Some(python) = python_for(test) else { return };
    let script = root().join("tests/conformance/alarms.py");
    let run = Command::new(python).arg(script).stdin(Stdio::null()).output().unwrap();
    say(&String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn the_templates_keep_every_rule_of_guard_and_broken_ones_do_not() {
    let test = "the_templates_keep_every_rule_of_guard_and_broken_ones_do_not";
    let Some(python) = python_for(test) else { return };
    let script = root().join("tests/conformance/guard.py");
    let run = Command::new(python).arg(script).stdin(Stdio::null()).output().unwrap();
    say(&String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn checkov_finds_nothing_but_what_is_skipped_with_a_reason() {
    let Some(checkov) =
        checker("checkov", "checkov_finds_nothing_but_what_is_skipped_with_a_reason")
    else {
        return;
    };
    let deploy = root().join("deploy");
    let mut command = Command::new(checkov);
    command.arg("--config-file").arg(deploy.join("checkov.yaml"));
    for folder in ["cloudformation", "kubernetes"] {
        command.arg("--directory").arg(deploy.join(folder));
    }
    passes(&mut command);
}

#[test]
fn github_knows_every_field_of_the_workflows() {
    let Some(python) = python_for("github_knows_every_field_of_the_workflows") else { return };
    let check = |schema: &str, file: &Path| {
        let mut command = Command::new(&python);
        command.args(["-m", "check_jsonschema", "--builtin-schema", schema]).arg(file);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let folder = root().join(".github/workflows");
    for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        // The second one: no job may hang for six hours.
        for schema in ["vendor.github-workflows", "custom.github-workflows-require-timeout"] {
            let run = check(schema, &file);
            assert!(run.status.success(), "{file:?}: {}", String::from_utf8_lossy(&run.stdout));
        }
    }
    let wrong = tempfile::tempdir().unwrap().keep().join("wrong.yml");
    std::fs::write(&wrong, "on: push\njobs: {one: {runs-on: here, stepz: []}}\n").unwrap();
    let run = check("vendor.github-workflows", &wrong);
    std::fs::remove_dir_all(wrong.parent().unwrap()).unwrap();
    assert!(!run.status.success(), "the check sees nothing");
}

#[test]
fn kubernetes_knows_every_field_of_the_manifests() {
    let name = "kubernetes-validate";
    let Some(checker) = checker(name, "kubernetes_knows_every_field_of_the_manifests") else {
        return;
    };
    let folder = root().join("deploy/kubernetes");
    let manifests = ["source-worker.yaml", "target-worker.yaml"].map(|name| folder.join(name));
    passes(Command::new(checker).args(["--strict", "-k", "1.37"]).args(&manifests));
}

#[test]
fn systemd_finds_the_units_hardened() {
    let folder = root().join("deploy/systemd");
    for unit in ["amiferry-source.service", "amiferry-target.service"] {
        // At most 2.0 of 10.
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", "--threshold=20"]).arg(folder.join(unit));
        if command.output().is_err() {
            say("SKIPPED systemd_finds_the_units_hardened: systemd-analyze is not installed\n");
            return;
        }
        passes(&mut command);
        let unknown = Command::new("systemd-analyze").arg("verify").arg(folder.join(unit)).output();
        let said = String::from_utf8_lossy(&unknown.unwrap().stderr).into_owned();
        // The program need not be installed here; nothing else may be wrong.
        let wrong: Vec<_> =
            said.lines().filter(|line| !line.contains("is not executable")).collect();
        assert!(wrong.is_empty(), "{unit}: {wrong:?}");
    }
}

/// A program beside the checkov of `./test.sh`, for a test that says so if it has to be skipped.
fn checker(name: &str, test: &str) -> Option<PathBuf> {
    let checkov = std::env::var_os("AMIFERRY_CHECKOV").map(PathBuf::from);
    let program = checkov.map(|checkov| checkov.with_file_name(name)).filter(|path| path.exists());
    if program.is_none() {
        say(&format!(
            "SKIPPED {test}: AMIFERRY_CHECKOV names no checkov with {name} beside it; ./test.sh \
             installs both\n"
        ));
    }
    program
}

/// Runs a program that must be content.
fn passes(command: &mut Command) {
    let run = command.stdin(Stdio::null()).output().unwrap();
    let (said, complaint) =
        (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{command:?}: {said}{complaint}");
}

/// Runs a service's script; what it reports is printed whole, whether it passes or not.
fn conforms(service: &str) {
    let Some(python) = python_for(&format!("{service}_conforms")) else { return };
    let simulator = Simulator::start();
    let script = root().join("tests/conformance").join(format!("{service}.py"));
    let run = Command::new(python)
        .arg(script)
        .arg(&simulator.endpoint)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    say(&String::from_utf8_lossy(&run.stdout));
    let complaint = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{service} does not conform; see the report above\n{complaint}");
}

/// The Python of a test, which says so if it has to be skipped.
fn python_for(test: &str) -> Option<PathBuf> {
    let python = python();
    if python.is_none() {
        say(&format!(
            "SKIPPED {test}: AMIFERRY_PYTHON names no Python with the packages of \
             tests/conformance/requirements.txt; ./test.sh makes one\n"
        ));
    }
    python
}

/// The Python of `./test.sh`, if it has the clients.
fn python() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("AMIFERRY_PYTHON")?);
    let clients = ["aws", "moto_server", "s5cmd"];
    clients.iter().all(|name| python.with_file_name(name).exists()).then_some(python)
}

/// Writes to standard error around the test harness, which hides what passing tests print.
fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// `amiferry sim serve` on a free port; it ends with the value.
struct Simulator {
    process: Child,
    endpoint: String,
    /// Kept open: the process may still write.
    _talk: BufReader<ChildStderr>,
}

impl Simulator {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further arguments.
    fn start_with(arguments: &[&OsStr]) -> Self {
        let mut process = Command::new(program::path())
            .args(["sim", "serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut talk = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        talk.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(':').nth(1));
        let port = address.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
        let port: String = port.unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { process, endpoint: format!("http://127.0.0.1:{port}"), _talk: talk }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

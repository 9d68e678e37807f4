//! The files that the containers would see, in a real Prometheus and a real Alertmanager that watch
//! a real demo. Only the host names are replaced, and the rules use shorter times.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::layout::Service;
use super::service;
use crate::prometheus::{Prometheus, brisk, fetch, listening};
use crate::support::simulator::bare;
use crate::support::{Process, wait};
use crate::tools::{skipped, tool};

/// Replaces in a file what must be there exactly once.
fn put_right(file: &Path, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(file).unwrap();
    for (old, new) in changes {
        assert_eq!(text.matches(old).count(), 1, "{old} in {}", file.display());
        text = text.replace(old, new);
    }
    fs::write(file, text).unwrap();
}

/// The command that starts an Alertmanager; `None` after saying that there is none.
///
/// Debian's reads its templates where the package would install them. Where it is only unpacked, it
/// gets a view of the file system in which they are there.
fn alertmanager_command() -> Option<Command> {
    const INSTALLED: &str = "/usr/share";
    const TEMPLATES: &str = "prometheus/alertmanager/default.tmpl";
    let program = tool("prometheus-alertmanager")?;
    let share = program.ancestors().nth(2).map(|usr| usr.join("share")).unwrap_or_default();
    if Path::new(INSTALLED).join(TEMPLATES).exists() || !share.join(TEMPLATES).exists() {
        return Some(Command::new(program));
    }
    let with_view = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c"]);
        command.arg(format!("mount --bind \"$0\" {INSTALLED} && {script}")).arg(&share);
        command
    };
    if !with_view("true").output().is_ok_and(|said| said.status.success()) {
        skipped("Alertmanager's templates in /usr/share, or leave to show them there");
        return None;
    }
    let mut command = with_view("exec \"$@\"");
    command.arg(program);
    Some(command)
}

/// A running Alertmanager, with its address.
fn alertmanager(service: &Service, folder: &Path) -> Option<(Process, String)> {
    let mut command = alertmanager_command()?;
    service.lay_out(folder);
    command
        .stdin(Stdio::null())
        .args(service.arguments(folder))
        .arg("--web.listen-address=127.0.0.1:0");
    let process = Process::start("alertmanager", folder, &mut command);
    let address = listening("Alertmanager", &process);
    Some((process, address))
}

/// The names of the alerts that an Alertmanager has, each with whom it would tell.
fn delivered(address: &str) -> Vec<(String, String)> {
    let Some(answer) = fetch(address, "/api/v2/alerts") else { return Vec::new() };
    let alerts: Vec<Value> = serde_json::from_str(&answer).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    alerts
        .iter()
        .map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["receivers"][0]["name"])))
        .collect()
}

/// Where the demo said that its target worker serves metrics.
fn target_worker(demo: &Process) -> String {
    demo.until("the target worker's address", |demo| {
        let said = demo.stderr();
        let (_, rest) = said.split_once("  target worker  http://")?;
        let (address, _) = rest.split_once('/')?;
        Some(address.to_owned())
    })
}

#[test]
fn the_containers_own_files_watch_a_demo_and_deliver_its_alerts() {
    let (Some(watching), Some(telling)) = (service("prometheus"), service("alertmanager")) else {
        return;
    };
    let told = tempfile::tempdir().unwrap();
    let Some((_alertmanager, manager)) = alertmanager(&telling, told.path()) else { return };
    let home = tempfile::tempdir().unwrap();
    let demo = Process::start("demo", home.path(), bare(home.path()).args(["demo", "--keep"]));
    let worker = target_worker(&demo);

    let folder: TempDir = tempfile::tempdir().unwrap();
    watching.lay_out(folder.path());
    let config = folder.path().join("etc/prometheus/prometheus.yml");
    put_right(
        &config,
        &[
            ("[host.docker.internal:9465]", &format!("[\"{worker}\"]")),
            ("[alertmanager:9093]", &format!("[\"{manager}\"]")),
        ],
    );
    let rules = folder.path().join("etc/prometheus/amiferry.rules.yml");
    let count = fs::read_to_string(&rules).unwrap().matches("expr:").count();
    fs::write(&rules, brisk(&rules)).unwrap();
    let arguments = watching.arguments(folder.path());
    let Some(prometheus) = Prometheus::run(folder, &arguments) else { return };

    let value = |expression: &str| {
        wait::until(expression, || prometheus.query(expression).first().map(|s| s.value))
    };
    assert_eq!(value("up{job=\"amiferry-demo\"} == 1"), 1.0);
    assert!(value("sum(amiferry_recovery_points{state=\"complete\"}) >= 12") >= 12.0);
    // Its owners go on, so that rates have something to show.
    assert!(value("increase(amiferry_copied_bytes_total[1m]) > 0") > 0.0);
    let evaluated = prometheus.rules();
    assert_eq!(evaluated.len(), count);
    for rule in evaluated {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
    wait::until("the one Alertmanager", || {
        let managers = prometheus.api("/api/v1/alertmanagers");
        (managers["data"]["activeAlertmanagers"].as_array()?.len() == 1).then_some(())
    });

    demo.signal("INT");
    let ended = demo.finish();
    assert_eq!(ended.status, 0, "{ended:#?}");
    let down = ("AmiferryWorkerDown".to_owned(), "on-call".to_owned());
    wait::until("Alertmanager to hear of it", || delivered(&manager).contains(&down).then_some(()));
}

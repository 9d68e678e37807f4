//! The compose file of `deploy/observability`, checked against its specification, its mounts, and
//! the files that its services read.
//!
//! No container is started. `layout` puts what a container would see into a folder, and `live` runs
//! Prometheus and Alertmanager there.

mod layout;
mod live;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::tools::{python, root, run, skipped, tool};
use layout::Service;

/// The folder of the compose file.
pub const FOLDER: &str = "deploy/observability";

/// A YAML file of the folder as JSON; `None` after saying that nothing here reads YAML.
fn yaml(file: &str) -> Option<Value> {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let text = fs::read_to_string(root().join(FOLDER).join(file)).unwrap();
    let (content, said) = run(&python()?, &["-c", script], &text);
    assert!(content, "{file}: {said}");
    Some(serde_json::from_str(&said).unwrap_or_else(|error| panic!("{file}: {error}\n{said}")))
}

/// The services by name; `None` where the file cannot be read.
fn services() -> Option<Vec<Service>> {
    let compose = yaml("compose.yaml")?;
    let services = compose["services"].as_object().unwrap();
    Some(services.iter().map(|(name, service)| Service::of(name, service)).collect())
}

fn service(name: &str) -> Option<Service> {
    services()?.into_iter().find(|service| service.name == name)
}

#[test]
fn the_compose_file_follows_the_specification() {
    let Some(python) = python() else { return };
    let known = Command::new(&python).args(["-m", "check_jsonschema", "--version"]).output();
    if !known.unwrap().status.success() {
        return skipped("check-jsonschema");
    }
    let check = |file: &str| {
        let schema = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"];
        run(&python, &[&schema[..], &[file]].concat(), "")
    };
    let (content, said) = check(&format!("{FOLDER}/compose.yaml"));
    assert!(content, "{said}");
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("compose.yaml");
    fs::write(&wrong, "services: {one: {image: a, prots: ['1:1']}}").unwrap();
    let (content, said) = check(wrong.to_str().unwrap());
    assert!(!content && said.contains("prots"), "the check sees nothing: {said}");
}

#[test]
fn every_service_is_pinned_watched_and_without_rights_it_does_not_need() {
    let Some(services) = services() else { return };
    assert_eq!(services.len(), 3);
    for service in services {
        let (name, told) = (&service.name, &service.told);
        let (_, tag) = told["image"].as_str().unwrap().rsplit_once(':').unwrap();
        let numbers: Vec<&str> = tag.trim_start_matches('v').split('.').collect();
        assert_eq!(numbers.len(), 3, "{name} has the tag {tag}, which moves");
        assert!(numbers.iter().all(|number| number.parse::<u32>().is_ok()), "{name}: {tag}");
        assert!(told["healthcheck"]["test"].is_array(), "{name} has no health check");
        let user = told["user"].as_str().unwrap().split(':').next().unwrap();
        assert!(user.parse::<u32>().unwrap() > 0, "{name} runs as root");
        assert_eq!(told["read_only"], true, "{name} can write");
        assert_eq!(told["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(told["security_opt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
        for port in told["ports"].as_array().unwrap() {
            let port = port.as_str().unwrap();
            assert!(port.starts_with("127.0.0.1:"), "{name} is reached from outside: {port}");
        }
        for mount in &service.mounts {
            assert!(
                mount.from.exists(),
                "{name} mounts {}, which is not there",
                mount.from.display()
            );
            assert!(mount.is_read_only, "{name} may write to {}", mount.from.display());
        }
    }
}

#[test]
fn prometheus_and_alertmanager_accept_what_their_containers_see() {
    let (Some(promtool), Some(amtool)) = (tool("promtool"), tool("amtool")) else { return };
    for (name, program, words) in [
        ("prometheus", promtool, ["check", "config"].as_slice()),
        ("alertmanager", amtool, &["check-config"]),
    ] {
        let Some(service) = service(name) else { return };
        let folder = tempfile::tempdir().unwrap();
        service.lay_out(folder.path());
        let config = service
            .arguments(folder.path())
            .into_iter()
            .find_map(|argument| argument.strip_prefix("--config.file=").map(str::to_owned));
        let (content, said) = run(&program, &[words, &[&config.unwrap()]].concat(), "");
        assert!(content, "{name}: {said}");
        if name == "prometheus" {
            assert!(said.contains("rules found"), "the rules are not among them: {said}");
        }
    }
}

#[test]
fn the_demos_alertmanager_routes_as_the_example_does_and_notifies_no_one() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let parts = |text: String| {
        let (before, receivers) = text.split_once("\nreceivers:\n").unwrap();
        let (_, routes) = before.split_once("\nroute:\n").unwrap();
        (routes.to_owned(), receivers.to_owned())
    };
    let (routes, receivers) = parts(read(&format!("{FOLDER}/alertmanager.yml")));
    let (example, calling) = parts(read("deploy/prometheus/alertmanager.example.yml"));
    assert_eq!(routes, example);
    let names = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("  - name: ")).map(str::to_owned).collect()
    };
    assert_eq!(names(&receivers), names(&calling));
    assert_eq!(receivers.lines().count(), names(&receivers).len(), "a receiver notifies someone");
}

#[test]
fn grafana_finds_its_data_source_and_its_dashboards() {
    let Some(grafana) = service("grafana") else { return };
    let mounted_at = |from: &str| {
        let from = root().join(from).canonicalize().unwrap();
        let mount = grafana.mounts.iter().find(|mount| mount.from == from);
        mount.unwrap_or_else(|| panic!("{} is not mounted", from.display())).to.clone()
    };
    for kind in ["datasources", "dashboards"] {
        let to = mounted_at(&format!("{FOLDER}/grafana/{kind}"));
        assert_eq!(to, format!("/etc/grafana/provisioning/{kind}"));
    }
    let dashboards = mounted_at("dashboards");
    let Some(providers) = yaml("grafana/dashboards/amiferry.yaml") else { return };
    assert_eq!(providers["providers"][0]["options"]["path"], dashboards);
    let home = &grafana.told["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    assert_eq!(*home, format!("{dashboards}/dr-posture.json"));

    let Some(sources) = yaml("grafana/datasources/prometheus.yaml") else { return };
    let sources = sources["datasources"].as_array().unwrap();
    let services = services().unwrap();
    for source in sources {
        let url = source["url"].as_str().unwrap().trim_start_matches("http://");
        let (host, port) = url.split_once(':').unwrap();
        let asked = services.iter().find(|service| service.name == host).unwrap();
        let published = asked.told["ports"][0].as_str().unwrap();
        assert!(published.ends_with(&format!(":{port}")), "{host} answers at {published}");
    }
    let default = sources.iter().find(|source| source["isDefault"] == true).unwrap();
    assert_eq!(default["type"], "prometheus");
    assert_eq!(default["uid"], "amiferry-prometheus");
    let mut found = 0;
    for entry in fs::read_dir(root().join("dashboards")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            assert_uses(&path, default["uid"].as_str().unwrap());
            found += 1;
        }
    }
    assert!(found >= 4, "only {found} dashboards");
}

/// Every panel and variable of a dashboard asks the data source that the reader chose, or this one.
fn assert_uses(dashboard: &Path, uid: &str) {
    fn sources<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("datasource").and_then(|source| source["uid"].as_str()));
                fields.values().for_each(|value| sources(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| sources(value, found)),
            _ => {}
        }
    }
    let dashboard_json: Value = serde_json::from_slice(&fs::read(dashboard).unwrap()).unwrap();
    let mut found = Vec::new();
    sources(&dashboard_json, &mut found);
    assert!(!found.is_empty(), "{} names no data source", dashboard.display());
    for source in found {
        // A dashboard's own annotations come from Grafana itself.
        let known = ["${datasource}", "-- Grafana --", "grafana", uid];
        assert!(known.contains(&source), "{} asks {source}", dashboard.display());
    }
}

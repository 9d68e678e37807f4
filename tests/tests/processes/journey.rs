//! An image made with the `aws` CLI becomes a restored one in the vault account: three processes,
//! HTTP between them, and everything they know from a file, variables and profiles.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::image::{self, text};
use crate::support::simulator::VAULT_BUCKET;
use crate::support::{Account, Process, Role, Simulator, wait};

/// Makes an image, sends its event, and follows it into the vault with the CLI.
pub fn protect(simulator: &Simulator) -> String {
    let id = image::register(simulator, "app-1", "app");
    let event = image::available(Account::Source.id(), Account::Source.region(), &id);
    simulator.send(Account::Source, &event.to_string());
    let restored = wait::until("the restored image", || restored(simulator, &id));
    assert_restored(simulator, &id, &restored);
    assert_stored(simulator, &id);
    id
}

fn vault(simulator: &Simulator, arguments: &[&str]) -> Value {
    simulator.aws(Account::Vault, arguments)
}

/// The image in the vault account, once it is available and protected.
fn restored(simulator: &Simulator, source: &str) -> Option<Value> {
    let filter = format!("Name=tag:amiferry:source-image,Values={source}");
    let found =
        vault(simulator, &["ec2", "describe-images", "--owners", "self", "--filters", &filter]);
    let images = found["Images"].as_array().unwrap();
    assert!(images.len() <= 1, "one recovery point, two images: {images:#?}");
    let image = images.first()?;
    let ready = image["State"] == "available" && image["DeregistrationProtection"] != "disabled";
    ready.then(|| image.clone())
}

fn tags(tagged: &Value) -> BTreeMap<String, String> {
    let tags = tagged["Tags"].as_array().unwrap();
    tags.iter().map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

fn assert_restored(simulator: &Simulator, source: &str, restored: &Value) {
    assert_eq!(restored["OwnerId"], Account::Vault.id());
    assert_eq!(restored["Name"], format!("amiferry/111111111111/us-east-1/{source}"));
    assert_eq!(restored["Public"], false);
    let protection = text(&restored["DeregistrationProtection"]);
    assert!(protection.starts_with("enabled"), "{protection}");
    let tags = tags(restored);
    for (key, value) in [
        ("workload", "app"),
        ("amiferry:managed", "true"),
        ("amiferry:source-account", "111111111111"),
        ("amiferry:source-region", "us-east-1"),
        ("amiferry:source-image", source),
        ("amiferry:source-name", "app-1"),
        ("amiferry:policy", "silver"),
        ("amiferry:family", "app"),
    ] {
        assert_eq!(tags.get(key).map(String::as_str), Some(value), "{key} of {tags:#?}");
    }
    for key in ["amiferry:source-created", "amiferry:manifest", "amiferry:object-version"] {
        assert!(tags.contains_key(key), "{key} of {tags:#?}");
    }
    let aliases = vault(simulator, &["kms", "list-aliases"]);
    let alias = aliases["Aliases"].as_array().unwrap().iter();
    let key = alias
        .filter(|alias| alias["AliasName"] == "alias/amiferry-vault")
        .map(|alias| text(&alias["TargetKeyId"]))
        .next()
        .unwrap();
    for device in restored["BlockDeviceMappings"].as_array().unwrap() {
        let id = text(&device["Ebs"]["SnapshotId"]);
        let found = vault(simulator, &["ec2", "describe-snapshots", "--snapshot-ids", &id]);
        let snapshot = &found["Snapshots"][0];
        assert_eq!(snapshot["State"], "completed", "{id}");
        assert_eq!(snapshot["Encrypted"], true, "{id}");
        assert!(text(&snapshot["KmsKeyId"]).ends_with(&key), "{snapshot:#}");
    }
}

fn assert_stored(simulator: &Simulator, source: &str) {
    let folder = format!("amiferry/111111111111/us-east-1/{source}");
    let [object, manifest, note] =
        ["image.bin", "manifest.json", "source.json"].map(|file| format!("{folder}/{file}"));
    let listed = || vault(simulator, &["s3api", "list-objects-v2", "--bucket", VAULT_BUCKET]);
    let keys = wait::until("the manifest", || {
        let listed = listed();
        let keys: Vec<String> =
            listed["Contents"].as_array()?.iter().map(|object| text(&object["Key"])).collect();
        keys.contains(&manifest).then_some(keys)
    });
    assert_eq!(keys, [object.clone(), manifest.clone(), note.clone()]);
    for key in [&object, &manifest, &note] {
        let head =
            vault(simulator, &["s3api", "head-object", "--bucket", VAULT_BUCKET, "--key", key]);
        assert_eq!(head["ServerSideEncryption"], "aws:kms", "{key}");
        assert!(head["ContentLength"].as_u64().unwrap() > 0, "{key}");
        assert_eq!(head["ObjectLockMode"], "GOVERNANCE", "{key}");
    }
}

fn assert_reported(simulator: &Simulator, source: &str) {
    let config = simulator.config();
    wait::until("the audit to keep its promise", || {
        let audit = simulator.run(&["audit", "--output", "json"], &config);
        let complete = audit.json()["recovery_points"][0]["state"] == "complete";
        complete.then(|| assert_eq!(audit.status, 0, "{audit:#?}"))
    });
    for command in ["audit", "status"] {
        let json = simulator.run(&[command, "--output", "json"], &config);
        assert_eq!(json.status, 0, "{json:#?}");
        let report = json.json();
        assert_eq!(report["schema_version"], 1);
        let family = &report["families"][0];
        assert_eq!(family["family"], "app", "{report:#}");
        assert_eq!(family["state"], "within_rpo", "{report:#}");
        assert_eq!(family["source_image_id"], source, "{report:#}");
        assert_eq!(family["target_region"], "us-west-2", "{report:#}");
        let table = simulator.run(&[command], &config);
        assert_eq!(table.status, 0, "{table:#?}");
        assert!(table.stdout.contains("within_rpo") || table.stdout.contains("within RPO"));
        let csv = simulator.run(&[command, "--output", "csv"], &config);
        assert_eq!(csv.status, 0, "{csv:#?}");
        let mut lines = csv.stdout.lines();
        assert!(lines.next().unwrap().starts_with("\"as_of\",\"source_account\","), "{csv:#?}");
        assert!(lines.next().unwrap().contains(",\"within_rpo\","), "{csv:#?}");
        assert_eq!(lines.next(), None, "one line a family");
    }
}

fn assert_drains(worker: Process) {
    let ended = worker.terminate();
    assert_eq!(ended.status, 0, "{ended:#?}");
    assert_eq!(ended.stdout, "", "a worker writes no data");
}

#[test]
fn an_event_sent_with_the_cli_becomes_a_restored_protected_image_in_the_vault() {
    let Some(simulator) = Simulator::start() else { return };
    let config = simulator.config();
    let source = simulator.worker(Role::Source, &config);
    let target = simulator.worker(Role::Target, &config);
    let image = protect(&simulator);
    assert_reported(&simulator, &image);
    assert_drains(source);
    assert_drains(target);
}

/// The configuration without its `[aws]` table, which is the last.
fn without_endpoint(simulator: &Simulator, addition: &str) -> std::path::PathBuf {
    let text = fs::read_to_string(simulator.config()).unwrap();
    let (rest, _) = text.split_once("[aws]").unwrap();
    let path = simulator.folder().join("no-endpoint.toml");
    fs::write(&path, format!("{rest}{addition}")).unwrap();
    path
}

#[test]
fn the_endpoint_may_come_from_the_environment() {
    let Some(simulator) = Simulator::start() else { return };
    let config = without_endpoint(&simulator, "");
    let start = |role: Role| {
        let mut command = simulator.command(role.account());
        command.env("AWS_ENDPOINT_URL", simulator.endpoint());
        command.args([role.as_str(), "run", "--config"]).arg(&config);
        simulator.spawn(role.as_str(), &mut command)
    };
    let workers = [start(Role::Source), start(Role::Target)];
    protect(&simulator);
    workers.into_iter().for_each(assert_drains);
}

#[test]
fn credentials_and_endpoint_may_come_from_profiles() {
    let Some(simulator) = Simulator::start() else { return };
    let config = without_endpoint(
        &simulator,
        "[aws]\nsource_profile = \"protected\"\nvault_profile = \"none-such\"\n",
    );
    // The vault's own stands before that of all.
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("[[vault]]\n"), "{text}");
    fs::write(&config, text.replace("[[vault]]\n", "[[vault]]\nprofile = \"copies\"\n")).unwrap();
    let credentials = simulator.folder().join("credentials");
    let profiles = simulator.folder().join("profiles");
    let of = |profile, account: Account| {
        let id = account.id();
        format!("[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = any\n")
    };
    let keys = of("protected", Account::Source) + &of("copies", Account::Vault);
    fs::write(&credentials, keys).unwrap();
    let endpoint = simulator.endpoint();
    let sections = ["protected", "copies"]
        .map(|name| format!("[profile {name}]\nendpoint_url = {endpoint}\n"));
    fs::write(&profiles, sections.concat()).unwrap();
    let start = |name: &str, arguments: &[&str]| {
        let mut command = crate::support::simulator::bare(simulator.folder());
        command.env("AWS_SHARED_CREDENTIALS_FILE", &credentials);
        command.env("AWS_CONFIG_FILE", &profiles);
        command.args(arguments).arg("--config").arg(&config as &Path);
        simulator.spawn(name, &mut command)
    };
    let workers = [start("source", &["source", "run"]), start("target", &["target", "run"])];
    protect(&simulator);
    let audit = start("audit", &["audit", "--output", "json"]).finish();
    assert_eq!(audit.json()["families"][0]["family"], "app", "{audit:#?}");
    workers.into_iter().for_each(assert_drains);
}

#[test]
fn without_any_event_the_sweeps_complete_everything() {
    let Some(simulator) = Simulator::with_images() else { return };
    // Both listen where no event is ever sent.
    let mut deaf = Vec::new();
    for account in [Account::Source, Account::Vault] {
        let name = format!("{}-silent", account.queue());
        simulator.aws(account, &["sqs", "create-queue", "--queue-name", &name]);
        deaf.push((format!("/{}\"", account.queue()), format!("/{name}\"")));
    }
    let changes: Vec<(&str, &str)> =
        deaf.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    let config = simulator.changed_config("deaf.toml", &changes);
    let workers = [Role::Source, Role::Target].map(|role| simulator.worker(role, &config));
    let report = simulator.until_complete(12);
    assert_eq!(report["rejected"].as_array().unwrap().len(), 3, "{report:#}");
    // The events are still in the queues, because no worker read them.
    for account in [Account::Source, Account::Vault] {
        let (waiting, in_flight) = simulator.depth(account, account.queue());
        assert!(waiting > 0 && in_flight == 0, "{account:?}: {waiting}, {in_flight}");
    }
    workers.into_iter().for_each(assert_drains);
}

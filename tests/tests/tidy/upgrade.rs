//! What `tests/fixtures` has of every version so far is still there, or `CHANGELOG.md` tells users what
//! to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use amiferry_core::code::Code;
use amiferry_core::event::RejectCode;
use amiferry_service::config::Config;
use amiferry_service::metrics;
use amiferry_service::telemetry::FIELDS;
use serde_json::Value;

use crate::repository::{files, read, root};

const FIXTURES: &str = "tests/fixtures";

/// The folder of the version in work.
const CURRENT: &str = concat!(
    "tests/fixtures/",
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR")
);

/// Names that users rest on: the file with those of a version, what one is, and what rests on it.
struct Promise {
    file: &'static str,
    what: &'static str,
    who: &'static str,
    now: BTreeSet<String>,
}

fn promises() -> Vec<Promise> {
    let metrics = metrics::ALL.iter().map(|metric| {
        let kind = format!("{:?} {:?}", metric.kind, metric.unit).to_lowercase();
        format!("{} {kind} {}", metric.name, metric.labels.join(",")).trim_end().to_owned()
    });
    let codes = Code::ALL.iter().map(ToString::to_string);
    let codes = codes.chain(RejectCode::ALL.iter().map(ToString::to_string));
    let statuses = read("crates/cli/src/exit.rs");
    let table = statuses.split("pub const TABLE: &str = \"").nth(1).unwrap();
    let statuses = table.split("\";").next().unwrap().lines();
    let statuses = statuses.filter_map(|line| line.trim().split_once("  "));
    let statuses = statuses.map(|(number, _)| number.to_owned());
    let promise = |file, what, who, now| Promise { file, what, who, now };
    vec![
        promise("metrics.txt", "the metric", "dashboards and alerts", metrics.collect()),
        promise("codes.txt", "the reason code", "alerts and scripts", codes.collect()),
        promise(
            "log-fields.txt",
            "the log field",
            "searches of logs",
            FIELDS.iter().map(|field| field.name.to_owned()).collect(),
        ),
        promise(
            "exit-statuses.txt",
            "the exit status",
            "scripts",
            statuses.filter(|number| number.parse::<u8>().is_ok()).collect(),
        ),
    ]
}

/// The part *Upgrading* of every version.
fn upgrading() -> String {
    upgrading_of(&read("CHANGELOG.md"))
}

fn upgrading_of(changelog: &str) -> String {
    let parts = changelog.split("\n### Upgrading\n").skip(1);
    let parts = parts.map(|part| part.split("\n## ").next().unwrap_or_default());
    parts.map(|part| part.split("\n### ").next().unwrap_or_default()).collect()
}

/// The lines of a version that are not there any more, without those whose name users were told of.
fn untold(frozen: &str, now: &BTreeSet<String>, told: &str) -> Vec<String> {
    let gone = frozen.lines().filter(|line| !now.contains(*line));
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    gone.filter(|line| !told.contains(&format!("`{}`", name(line)))).map(str::to_owned).collect()
}

#[test]
fn every_name_that_a_version_had_is_still_there_or_users_are_told() {
    let told = upgrading();
    for promise in promises() {
        let Promise { file, what, who, now } = &promise;
        let versions: Vec<String> = files(FIXTURES, "txt");
        let versions: Vec<&String> = versions.iter().filter(|path| path.ends_with(file)).collect();
        assert!(!versions.is_empty(), "no {file} in {FIXTURES}");
        for version in versions {
            let untold = untold(&read(version), now, &told);
            assert!(
                untold.is_empty(),
                "{what} is gone, renamed or has other labels: {untold:#?}\n{who} of users rest on \
                 it since {version}. Keep it; or name it in backquotes under *Upgrading* in CHANGELOG.md, \
                 and say there what takes its place and what users must change"
            );
        }
    }
}

#[test]
fn every_name_of_this_version_is_in_its_folder() {
    for Promise { file, what, now, .. } in promises() {
        let path = format!("{CURRENT}/{file}");
        let known: BTreeSet<String> = read(&path).lines().map(str::to_owned).collect();
        let all: BTreeSet<String> = known.union(&now).cloned().collect();
        if all != known && std::env::var_os("AMIFERRY_BLESS").is_some() {
            let lines: String = all.iter().map(|line| format!("{line}\n")).collect();
            fs::write(root().join(&path), lines).unwrap();
            continue;
        }
        let new: Vec<&String> = now.difference(&known).collect();
        assert!(new.is_empty(), "{what} is not in {path}: {new:#?}; add it with AMIFERRY_BLESS=1");
    }
}

#[test]
fn a_name_that_went_is_reported_until_users_are_told() {
    let frozen = "amiferry_a gauge count x\namiferry_b gauge count x,y\namiferry_c counter count\n";
    let now = ["amiferry_a gauge count x", "amiferry_b gauge count x"].map(str::to_owned).into();
    let of = |changelog: &str| untold(frozen, &now, &upgrading_of(changelog));
    let both = ["amiferry_b gauge count x,y", "amiferry_c counter count"];
    assert_eq!(of("## [1]\n\n### Removed\n\n- `amiferry_b` and `amiferry_c`\n"), both);
    let told = "## [1]\n\n### Upgrading\n\n- `amiferry_b` lost y.\n\n### Added\n\n- `amiferry_c`\n";
    assert_eq!(of(told), both[1..]);
    let told =
        "## [2]\n\n### Upgrading\n\n- `amiferry_b`\n\n## [1]\n\n### Upgrading\n- `amiferry_c`\n";
    assert!(of(told).is_empty());
}

/// The frozen configurations, by their paths.
fn configurations() -> Vec<(String, String)> {
    let all: Vec<(String, String)> =
        files(FIXTURES, "toml").into_iter().map(|path| (path.clone(), read(&path))).collect();
    assert!(all.iter().any(|(path, _)| path.starts_with(CURRENT)), "{CURRENT} has no .toml");
    all
}

fn parsed(path: &str, text: &str) -> Config {
    // A variable that is not set is a warning.
    Config::parse(text, path, &BTreeMap::new()).unwrap_or_else(|error| {
        panic!(
            "a configuration that worked is refused:\n{error}\nRead it as before; or leave a copy of it \
             for this version only, without the key, and say under *Upgrading* in CHANGELOG.md which key \
             users must remove or rename"
        )
    })
}

#[test]
fn every_configuration_that_a_version_took_is_taken() {
    for (path, text) in configurations() {
        let config = parsed(&path, &text);
        let tables = |name: &str| text.lines().filter(|line| *line == name).count();
        let read = [config.sources.len(), config.vaults.len(), config.policies.0.len()];
        let written = ["[[source]]", "[[vault]]", "[[policy]]"].map(tables);
        assert_eq!(read, written, "{path}");
    }
}

#[test]
fn what_a_version_meant_by_a_key_that_is_left_out_is_still_meant() {
    for path in files(FIXTURES, "toml").iter().filter(|path| path.ends_with("/defaults.toml")) {
        let whole = format!("{:#?}", parsed("x", &read(path)));
        let short = read(&path.replace("defaults.toml", "required.toml"));
        let short = format!("{:#?}", parsed("x", &short));
        let differ = whole.lines().zip(short.lines()).find(|(whole, short)| whole != short);
        assert!(
            whole == short,
            "a default has changed since {path}: {differ:?}\nKeep it; or write the new one into the \
             folder of this version, and say under *Upgrading* in CHANGELOG.md what users must write to \
             keep the former one"
        );
    }
}

/// The keys of a table of the schema and of the tables in it, by their paths.
fn keys(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        keys(value, &path, found);
        keys(&value["items"], &path, found);
        for choice in value["oneOf"].as_array().into_iter().flatten() {
            keys(choice, &path, found);
        }
        found.insert(path);
    }
}

/// The same of a file.
fn held(value: &toml::Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let path = format!("{path}.{name}");
                held(value, &path, found);
                found.insert(path);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| held(item, path, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_this_version_is_in_its_folder() {
    let schema = serde_json::from_str(&read("docs/schema/config.schema.json")).unwrap();
    let (mut all, mut frozen) = (BTreeSet::new(), BTreeSet::new());
    keys(&schema, "", &mut all);
    for (path, text) in configurations() {
        if path.starts_with(CURRENT) {
            held(&toml::Value::Table(text.parse().unwrap()), "", &mut frozen);
        }
    }
    let missing: Vec<&String> = all.difference(&frozen).collect();
    assert!(missing.is_empty(), "add these keys to {CURRENT}/every-key.toml: {missing:#?}");
}

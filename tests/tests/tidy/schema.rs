//! `docs/schema/config.schema.json`, for editors, has the keys that the program reads, and accepts the
//! configurations of the documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiferry_service::config::{Config, EXAMPLE, Env};
use amiferry_simulator::landscape::{self, Landscape, Pace};
use amiferry_simulator::{Settings, SimClock, World};
use serde_json::Value;

use crate::repository::{files, read, root};

const SCHEMA: &str = "docs/schema/config.schema.json";

/// A variable of every name is set.
struct AnyVariable;

impl Env for AnyVariable {
    fn get(&self, _: &str) -> Option<String> {
        Some("0123456789abcdef".to_owned())
    }
}

fn schema() -> Value {
    serde_json::from_str(&read(SCHEMA)).unwrap()
}

/// Each table of the file: where its keys stand in the schema, and a text with a key that it does not have.
const TABLES: [(&str, &str); 17] = [
    ("", "zzz = 1"),
    ("/properties/source/items", "[[source]]\nzzz = 1"),
    ("/properties/source/items/properties/store_calls", "[[source]]\nstore_calls = { zzz = 1 }"),
    ("/properties/vault/items", "[[vault]]\nzzz = 1"),
    ("/properties/vault/items/properties/restore_calls", "[[vault]]\nrestore_calls = { zzz = 1 }"),
    ("/properties/destination/items", "[[destination]]\nzzz = 1"),
    (
        "/properties/destination/items/properties/restore_calls",
        "[[destination]]\nrestore_calls = { zzz = 1 }",
    ),
    ("/properties/policy/items", "[[policy]]\nzzz = 1"),
    ("/properties/policy/items/properties/select", "[[policy]]\nselect = { zzz = 1 }"),
    ("/properties/policy/items/properties/exclude", "[[policy]]\nexclude = { zzz = 1 }"),
    ("/properties/policy/items/properties/keep", "[[policy]]\nkeep = { zzz = 1 }"),
    ("/properties/policy/items/properties/keep_ami", "[[policy]]\nkeep_ami = { zzz = 1 }"),
    ("/properties/retired/items", "[[retired]]\nzzz = 1"),
    ("/properties/workers", "[workers]\nzzz = 1"),
    ("/properties/prune", "[prune]\nzzz = 1"),
    ("/properties/cost", "[cost]\nzzz = 1"),
    ("/properties/aws", "[aws]\nzzz = 1"),
];

/// The names that the program would have accepted instead of `zzz`.
fn accepted(text: &str) -> BTreeSet<String> {
    let error = Config::parse(text, "x", &AnyVariable).unwrap_err();
    let unknown = error.problems.iter().map(|problem| problem.message.as_str());
    let message = unknown
        .filter(|message| message.contains("`zzz`"))
        .max_by_key(|message| message.len())
        .unwrap_or_else(|| panic!("{text}: {error}"));
    assert!(!message.ends_with('…'), "{message} is cut");
    message.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_schema_has_every_key_that_the_program_reads_and_no_other() {
    let schema = schema();
    for (place, text) in TABLES {
        let table = schema.pointer(place).unwrap();
        assert_eq!(table["additionalProperties"], false, "{place}");
        let keys: BTreeSet<String> =
            table["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, accepted(text), "{place:?}: {SCHEMA}, and what the program reads");
    }
    let choices = schema["properties"]["policy"]["items"]["properties"]["family"]["oneOf"].clone();
    let choices: BTreeSet<String> = choices
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|choice| choice["properties"].as_object().unwrap().keys().cloned())
        .collect();
    assert_eq!(choices, accepted("[[policy]]\nfamily = { zzz = 1 }"));
}

#[test]
fn what_the_schema_requires_is_what_the_program_misses() {
    let schema = schema();
    for table in ["source", "vault", "policy", "retired"] {
        let required = &schema["properties"][table]["items"]["required"];
        let error = Config::parse(&format!("[[{table}]]\n"), "x", &AnyVariable).unwrap_err();
        let missing: BTreeSet<&str> = error
            .problems
            .iter()
            .filter_map(|problem| problem.message.strip_prefix("missing field `"))
            .filter_map(|rest| rest.strip_suffix('`'))
            .collect();
        let required: BTreeSet<&str> =
            required.as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
        assert_eq!(missing, required, "{table}");
    }
}

/// The schema without what must be there, for pieces of files.
fn of_pieces(schema: &Value) -> Value {
    match schema {
        Value::Object(entries) => entries
            .iter()
            .filter(|(key, value)| !(key.as_str() == "required" && value.is_array()))
            .map(|(key, value)| (key.clone(), of_pieces(value)))
            .collect(),
        Value::Array(items) => items.iter().map(of_pieces).collect(),
        other => other.clone(),
    }
}

/// The `toml` blocks of the documents that are about the configuration, as files.
fn pieces(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let pages = ["docs", "deploy"].iter().flat_map(|top| files(top, "md"));
    for page in pages.chain(["README.md".to_owned()]) {
        let text = read(&page);
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("\n```").next().unwrap();
            let tables =
                ["[[source]]", "[[vault]]", "[[policy]]", "[[retired]]", "[workers]", "[aws]"];
            if tables.iter().any(|table| block.contains(table)) {
                let file =
                    folder.join(format!("{:02}-{}.toml", found.len(), page.replace('/', "-")));
                fs::write(&file, block).unwrap();
                found.push(file);
            }
        }
    }
    assert!(found.len() >= 2, "{found:?}: are the blocks read?");
    found
}

/// What the stacks answer as the table for the configuration, with something of each kind in its place.
fn outputs(folder: &Path) -> Vec<PathBuf> {
    let table = |template: &str| {
        let text = read(template);
        let output = text.split("\n  Configuration:\n").nth(1).unwrap();
        let (_, lines) = output.split_once("Value: !Sub |\n").unwrap();
        let lines: Vec<&str> =
            lines.lines().map_while(|line| line.strip_prefix("      ")).collect();
        assert!(lines.len() > 4, "{template}: {lines:?}");
        let mut table = String::new();
        for piece in lines.join("\n").split("${") {
            let Some((name, rest)) = piece.split_once('}') else {
                table.push_str(piece);
                continue;
            };
            table.push_str(match name {
                "AWS::AccountId" => "111111111111",
                name if name.ends_with("Queue") => "https://sqs.us-east-1.amazonaws.com/1/x",
                name if name.ends_with(".Arn") => "arn:aws:iam::111111111111:role/x",
                _ => "us-east-1",
            });
            table.push_str(rest);
        }
        let file = folder.join(format!("{}.toml", template.replace('/', "-")));
        fs::write(&file, table).unwrap();
        file
    };
    ["source", "vault", "destination"]
        .map(|name| table(&format!("deploy/cloudformation/{name}.yaml")))
        .into()
}

#[expect(clippy::disallowed_methods, reason = "how the test runner says where Python is")]
fn python() -> Option<String> {
    std::env::var("AMIFERRY_PYTHON").ok().filter(|path| !path.is_empty())
}

#[test]
fn every_configuration_in_the_documents_fits_the_schema() {
    use std::io::Write as _;
    let Some(python) = python() else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: the JSON Schema of the configuration needs AMIFERRY_PYTHON"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let check = |schema: &Path, files: &[PathBuf]| {
        let mut command = Command::new(&python);
        command.args(["-m", "check_jsonschema", "--schemafile"]).arg(schema).args(files);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let whole = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let clock = SimClock::starting_at(jiff::Timestamp::UNIX_EPOCH, 1);
    let world = World::new(clock, Settings { seed: 1, ..landscape::brisk() });
    let simulated =
        Landscape::build(&world).unwrap().config(Some("http://127.0.0.1:1"), Pace::Demo);
    let mut files = vec![whole("example.toml", EXAMPLE), whole("simulated.toml", &simulated)];
    files.extend(outputs(folder.path()));
    let (fits, said) = check(&root().join(SCHEMA), &files);
    assert!(fits, "{said}");

    let loose = folder.path().join("pieces.json");
    fs::write(&loose, of_pieces(&schema()).to_string()).unwrap();
    let (fits, said) = check(&loose, &pieces(folder.path()));
    assert!(fits, "{said}");

    let wrong = whole("wrong.toml", &EXAMPLE.replace("staging_bucket", "staging_buckte"));
    let (fits, said) = check(&root().join(SCHEMA), &[wrong]);
    assert!(!fits && said.contains("staging_buckte"), "the check sees nothing: {said}");
}

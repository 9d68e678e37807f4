//! The files of the vault bucket fit the JSON Schemas in `docs/schema`.

use std::path::Path;

use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::ImageId;
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use serde_json::{Value, json};

use super::{everything, remove_restored, restore_as};
use crate::stage::{Options, Stage, hours, run_test, spec, truth};

fn schema(name: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join("docs/schema").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What of a value does not fit a schema. It knows the words that the schemas of this repository use,
/// and refuses others.
fn misfits(value: &Value, schema: &Value, root: &Value, at: &str, found: &mut Vec<String>) {
    let schema_of = schema.as_object().unwrap();
    for (word, rule) in schema_of {
        let fits = match word.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                misfits(value, root.pointer(pointer).unwrap(), root, at, found);
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|one| {
                let mut wrong = Vec::new();
                misfits(value, one, root, at, &mut wrong);
                wrong.is_empty()
            }),
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                kind => is_a(value, kind),
            },
            "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| looks_like(text, rule.as_str().unwrap())),
            "required" => {
                let mut names = rule.as_array().unwrap().iter();
                names.all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        misfits(value, rule, root, &format!("{at}/{name}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema_of.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    match rule {
                        _ if known.is_some_and(|known| known.contains_key(name)) => {}
                        Value::Bool(allowed) if *allowed => {}
                        Value::Bool(_) => found.push(format!("{at}/{name} is not known")),
                        rule => misfits(value, rule, root, &format!("{at}/{name}"), found),
                    }
                }
                true
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    misfits(value, rule, root, &format!("{at}/{index}"), found);
                }
                true
            }
            "$schema" | "$defs" | "title" | "description" => true,
            other => panic!("this test does not know the word {other}"),
        };
        if !fits {
            found.push(format!("{at} is {value}, against {word} {rule}"));
        }
    }
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("this test does not know the type {other}"),
    }
}

/// The patterns of the schemas, each by hand.
fn looks_like(text: &str, pattern: &str) -> bool {
    let all = |text: &str, fits: fn(u8) -> bool| !text.is_empty() && text.bytes().all(fits);
    let hex = |text: &str| all(text, |b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match pattern {
        "^[0-9]{12}$" => text.len() == 12 && all(text, |b| b.is_ascii_digit()),
        "^ami-([0-9a-f]{8}|[0-9a-f]{17})$" => {
            text.strip_prefix("ami-").is_some_and(|rest| [8, 17].contains(&rest.len()) && hex(rest))
        }
        "^[a-z0-9-]+$" => all(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "^snap-" => text.starts_with("snap-"),
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$" => {
            text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z')
        }
        r"^(manifest|record-[0-9]{4,}-[a-z]+)\.json$" => {
            text == "manifest.json" || (text.starts_with("record-") && text.ends_with(".json"))
        }
        other => panic!("this test does not know the pattern {other}"),
    }
}

pub fn assert_fits(file: &Value, name: &str) {
    let schema = schema(name);
    let mut found = Vec::new();
    misfits(file, &schema, &schema, "", &mut found);
    assert!(found.is_empty(), "{name}: {found:#?}\n{file:#}");
}

fn read(stage: &Stage, bucket: &str, key: &str) -> Value {
    let state = stage.world.lock();
    let version = state.s3.bucket(bucket).unwrap().latest(key);
    let version = version.unwrap_or_else(|| panic!("{key} is not there"));
    serde_json::from_slice(&version.object().unwrap().content.to_bytes()).unwrap()
}

#[test]
fn every_file_that_amiferry_writes_fits_its_schema() {
    run_test(Options::default(), async |stage| {
        let archived = stage.image(spec("analytics", "analytics-1", &[8]));
        let ready = stage.image(spec("orders-db", "orders-db-1", &[8, 20]));
        stage.start_both();
        stage.complete_within(hours(2)).await;
        stage.kill_all();
        let file = |id: &ImageId, name: &str| {
            read(stage, VAULT_BUCKET, &truth::vault_key(stage, id, name))
        };
        for id in [&archived, &ready] {
            assert_fits(&file(id, "manifest.json"), "manifest-1.json");
            assert_fits(&file(id, "source.json"), "note-1.json");
            let staged = truth::staged_key(stage, id).replace(".bin", ".json");
            assert_fits(&read(stage, STAGING_BUCKET, &staged), "note-1.json");
        }
        remove_restored(stage, &truth::restored(stage, &ready)[0].id);
        let recovery = Recovery {
            share_with: ["999999999999".parse().unwrap()].into(),
            ..Recovery::default()
        };
        restore_as(stage, &everything(), &Recovery::default()).await;
        restore_as(stage, &everything(), &recovery).await;
        for id in [&archived, &ready] {
            for name in ["record-0001-restored.json", "record-0002-shared.json"] {
                assert_fits(&file(id, name), "record-1.json");
            }
        }
        assert_eq!(
            file(&ready, "record-0002-shared.json")["restored"]["shared_with"],
            json!(["999999999999"])
        );
        // And a schema says no.
        let mut wrong = file(&ready, "manifest.json");
        wrong["vault_object"]["size"] = json!("many");
        wrong["more"] = json!(1);
        let (schema, mut found) = (schema("manifest-1.json"), Vec::new());
        misfits(&wrong, &schema, &schema, "", &mut found);
        assert_eq!(found.len(), 2, "{found:#?}");
    });
}

//! `amiferry prune` from the command line, against the simulated AWS over HTTP.

use std::fs;

use serde_json::json;

use crate::support::{Account, Role, Simulator, image};

#[test]
fn a_prune_says_what_goes_in_every_format_and_deletes_nothing_that_is_locked_or_newest() {
    let Some(simulator) = Simulator::start() else { return };
    let workers =
        [Role::Source, Role::Target].map(|role| simulator.worker(role, &simulator.config()));
    for name in ["data-1", "data-2"] {
        let id = image::register(&simulator, name, "data");
        let event = image::available(Account::Source.id(), Account::Source.region(), &id);
        simulator.send(Account::Source, &event.to_string());
    }
    simulator.until_complete(2);
    workers.into_iter().for_each(|worker| assert_eq!(worker.terminate().status, 0));
    let text = fs::read_to_string(simulator.config()).unwrap();
    let config = simulator.folder().join("prune.toml");
    let ruled = text.replace("tier = \"archive\"", "tier = \"archive\"\nkeep = { last = 1 }");
    fs::write(&config, ruled).unwrap();
    let run = |arguments: &[&str]| simulator.run(arguments, &config);

    let json = run(&["prune", "--output", "json"]);
    assert_eq!(json.status, 0, "{json:#?}");
    let said = json.json();
    let rows = said["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &said["schema_version"]), (2, &1.into()), "{said:#}");
    // Both were complete a moment ago.
    assert!(rows.iter().all(|row| row["outcome"] == "kept"), "{said:#}");
    let table = run(&["prune", "--list", "all"]);
    assert!(table.stdout.contains("younger than the floor"), "{table:#?}");
    assert!(table.stdout.contains("Nothing was changed."), "{table:#?}");
    let csv = run(&["prune", "--output", "csv", "--apply"]);
    assert_eq!((csv.status, csv.stdout.lines().count()), (0, 3), "{csv:#?}");
    let future = run(&["prune", "--until", "2199-12-31", "--output", "json"]);
    assert_eq!(future.status, 0, "{future:#?}");
    assert_eq!(future.json()["rows"].as_array().unwrap().len(), 2, "{future:#?}");
    let csv = run(&["prune", "--until", "2199-12-31", "--output", "csv"]);
    assert_eq!((csv.status, csv.stdout.lines().count()), (0, 3), "{csv:#?}");
    assert!(csv.stdout.starts_with("\"goes_at\",\"source_account\","), "{csv:#?}");
    let table = run(&["prune", "--until", "2199-12-31"]);
    assert!(table.stdout.contains("no rule keeps it"), "{table:#?}");
    // What cannot be read is in no future, and no answer is green without it.
    let denied = json!({ "service": "s3", "operation": "GetObject", "effect": "access-denied" });
    simulator.steer("faults", &json!({ "fault": denied }));
    for format in ["table", "json", "csv"] {
        let future = run(&["prune", "--until", "2199-12-31", "--output", format]);
        assert_eq!(future.status, 3, "{future:#?}");
        assert!(future.stdout.contains("not assessed") || future.stdout.contains("not_assessed"));
    }
    simulator.heal();
    let both = run(&["prune", "--until", "2199-12-31", "--apply"]);
    assert_eq!((both.status, both.stdout.as_str()), (2, ""), "{both:#?}");
    assert_eq!(simulator.audit()["recovery_points"].as_array().unwrap().len(), 2);
}

//! `amiferry retry`: what it sends to which queue, and what it says where there is nothing to send.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Account, Outcome, Simulator, image, wait};

/// The configuration and the profiles of a person who may act for both workers.
struct Person {
    config: PathBuf,
    credentials: PathBuf,
}

impl Person {
    fn of(simulator: &Simulator) -> Self {
        let profiles = "[aws]\nsource_profile = \"protected\"\nvault_profile = \"copies\"\n";
        let config = simulator.changed_config("both.toml", &[("[aws]\n", profiles)]);
        let credentials = simulator.folder().join("credentials");
        let of = |profile, account: Account| {
            let id = account.id();
            format!("[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = any\n")
        };
        let keys = of("protected", Account::Source) + &of("copies", Account::Vault);
        fs::write(&credentials, keys).unwrap();
        Self { config, credentials }
    }

    fn retry(&self, simulator: &Simulator, arguments: &[&str]) -> Outcome {
        let mut command = crate::support::simulator::bare(simulator.folder());
        command.env("AWS_SHARED_CREDENTIALS_FILE", &self.credentials);
        command.arg("retry").args(arguments).arg("--config").arg(&self.config);
        simulator.spawn("retry", &mut command).finish()
    }

    fn json(&self, simulator: &Simulator, arguments: &[&str]) -> Value {
        let ended = self.retry(simulator, &[arguments, &["--output", "json"]].concat());
        assert_eq!(ended.status, 0, "{ended:#?}");
        let said = ended.json();
        assert_eq!(said["schema_version"], 1, "{said:#}");
        said
    }
}

#[test]
fn a_retry_says_what_it_sent_to_which_queue_and_what_to_look_at_next() {
    let Some(simulator) = Simulator::with_images() else { return };
    let person = Person::of(&simulator);
    let depth = || simulator.depth(Account::Source, Account::Source.queue()).0;
    // The events of its images come together.
    let before = wait::until("events", || Some(depth()).filter(|depth| *depth > 0));
    let said = person.json(&simulator, &["all", "--dry-run"]);
    let rows = said["messages"].as_array().unwrap();
    assert!(rows.len() > 5 && rows.iter().all(|row| row["outcome"] == "would_send"), "{said:#}");
    assert_eq!((said["dry_run"].clone(), depth()), (json!(true), before));

    let said = person.json(&simulator, &["payments"]);
    let row = &said["messages"][0];
    let expected = json!(["source", "payments", "in_progress", "not_staged", "sent"]);
    let told = ["worker", "family", "state", "code", "outcome"].map(|name| row[name].clone());
    assert_eq!(json!(told), expected, "{said:#}");
    let count = said["messages"].as_array().unwrap().len() as u64;
    assert_eq!(depth(), before + count);

    let id = image::text(&row["source_image_id"]);
    let table = person.retry(&simulator, &[&id]);
    assert_eq!(table.status, 0, "{table:#?}");
    let url = simulator.queue_url(Account::Source, Account::Source.queue());
    for words in [
        format!("1 message sent to {url}\n"),
        format!("amiferry show {id} --config {}", person.config.display()),
    ] {
        assert!(table.stdout.contains(&words), "{words} is not in {table:#?}");
    }

    // A message of this kind, as `explain` reads it.
    let body = json!({ "image_id": id, "account": "111111111111", "region": "us-east-1" });
    let file = simulator.folder().join("message");
    fs::write(&file, body.to_string()).unwrap();
    let file = file.display().to_string();
    let meaning = simulator
        .run(&["explain", "--output", "json", "--event", &file], &simulator.config())
        .json();
    assert_eq!((&meaning["kind"], &meaning["decision"]), (&json!("operator"), &json!("look")));
}

#[test]
fn a_retry_of_nothing_is_said_and_one_of_something_unknown_or_unreachable_is_no_success() {
    let Some(simulator) = Simulator::with_images() else { return };
    let person = Person::of(&simulator);
    let nothing = person.retry(&simulator, &["all", "--state", "parked"]);
    let said = (nothing.status, nothing.stdout.as_str());
    assert_eq!(said, (0, "Nothing to retry: no recovery point is open.\n"), "{nothing:#?}");
    let unknown = person.retry(&simulator, &["web\u{202e}"]);
    assert_eq!((unknown.status, unknown.stdout.as_str()), (1, ""), "{unknown:#?}");
    let words =
        "no image and no family is called web\\u{202e}; name the id or the name of an image";
    assert!(unknown.stderr.contains(words), "{unknown:#?}");
    let unknown = person.retry(&simulator, &["all", "--family", "nothing-like-it"]);
    assert_eq!(unknown.status, 1, "{unknown:#?}");
    assert!(unknown.stderr.contains("no family matches nothing-like-it; choose from: "));

    // The vault's credentials alone do not open the source's queue.
    let refused = simulator.run(&["retry", "payments", "--output", "json"], &simulator.config());
    assert_eq!(refused.status, 3, "{refused:#?}");
    let row = &refused.json()["messages"][0];
    assert_eq!((&row["outcome"], &row["message_id"]), (&json!("failed"), &Value::Null));
    assert!(image::text(&row["reason"]).contains("sqs:SendMessage"), "{row:#}");
}

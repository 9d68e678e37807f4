//! `amiferry dlq`: it shows the messages that a worker gave up with their meaning, and sends them
//! back.

use serde_json::{Value, json};

use crate::support::image;
use crate::support::{Account, Outcome, Role, Simulator, scrape, wait};

const IMAGE: &str = "ami-0123456789abcdef0";
const DEAD: &str = "amiferry-source-dead";

/// A refused body with what would move a terminal's cursor, and a second line.
const BAD: &str = "Hello!\r\n\u{202e}second line";

fn dlq(simulator: &Simulator, arguments: &[&str]) -> Outcome {
    let mut command = simulator.command(Account::Source);
    command.arg("dlq").args(arguments).arg("--config").arg(simulator.config());
    simulator.spawn("dlq", &mut command).finish()
}

/// What is said of the source's dead letters, as JSON, with this exit status.
fn ask(simulator: &Simulator, arguments: &[&str], status: i32) -> Value {
    let role = ["--role", "source", "--output", "json"];
    let ended = dlq(simulator, &[arguments, &role].concat());
    assert_eq!(ended.status, status, "{ended:#?}");
    let said = ended.json();
    assert_eq!(said["schema_version"], 1);
    said
}

/// Receives all messages as often as the redrive policy allows and once more, as a worker does
/// that dies over them each time.
fn bury(simulator: &Simulator) {
    let url = simulator.queue_url(Account::Source, Account::Source.queue());
    for _ in 0..=5 {
        simulator.aws(
            Account::Source,
            &[
                "sqs",
                "receive-message",
                "--queue-url",
                &url,
                "--max-number-of-messages=10",
                "--visibility-timeout=0",
            ],
        );
    }
}

#[test]
fn dead_letters_are_listed_shown_and_sent_back_and_none_is_lost() {
    let Some(simulator) = Simulator::start() else { return };
    let good = image::available("111111111111", "us-east-1", IMAGE).to_string();
    simulator.send(Account::Source, &good);
    simulator.send(Account::Source, BAD);
    bury(&simulator);
    let depth = |queue| simulator.depth(Account::Source, queue);
    assert_eq!((depth(Account::Source.queue()), depth(DEAD)), ((0, 0), (2, 0)));

    let list = ask(&simulator, &["list"], 0);
    let queue = &list["queues"][0];
    assert_eq!((&queue["worker"], &queue["messages"]), (&json!("source"), &json!(2)), "{list:#}");
    let letters = queue["letters"].as_array().unwrap();
    let by_decision = |decision: &str| {
        let found = letters.iter().find(|letter| letter["decision"] == decision);
        found.unwrap_or_else(|| panic!("nothing to {decision} in {list:#}"))
    };
    let (ours, refused) = (by_decision("look"), by_decision("quarantine"));
    assert_eq!((&ours["kind"], &ours["image_ids"]), (&json!("ami_state_change"), &json!([IMAGE])));
    assert!(ours["receive_count"].as_u64() > Some(5) && ours["first_sent_at"].is_string());
    assert_eq!((&refused["kind"], &refused["code"]), (&Value::Null, &json!("not_json")));
    let (ours, refused) = (image::text(&ours["message_id"]), image::text(&refused["message_id"]));
    assert_eq!(
        ask(&simulator, &["list", "--limit", "1"], 0)["queues"][0]["letters"][1],
        Value::Null
    );

    assert_eq!(ask(&simulator, &["show", &ours], 0)["body"], good);
    let page = dlq(&simulator, &["show", &refused, "--role", "source"]);
    assert!(page.stdout.ends_with("\nHello!\n\\u{202e}second line\n"), "{page:#?}");
    let absent = dlq(&simulator, &["show", "no-such-id", "--role", "source"]);
    assert_eq!(absent.status, 1, "{absent:#?}");
    assert!(absent.stderr.contains("no-such-id"), "{absent:#?}");

    let outcomes = |said: &Value| {
        let rows = said["messages"].as_array().unwrap().iter();
        let mut outcomes: Vec<String> = rows.map(|row| image::text(&row["outcome"])).collect();
        outcomes.sort();
        outcomes
    };
    let said = ask(&simulator, &["redrive", "--all", "--dry-run"], 3);
    assert_eq!(outcomes(&said), ["skipped", "would_send_back"], "{said:#}");
    assert_eq!((depth(Account::Source.queue()), depth(DEAD)), ((0, 0), (2, 0)));

    let said = ask(&simulator, &["redrive", "--message", &ours, "--message", "no-such-id"], 3);
    assert_eq!(outcomes(&said), ["not_found", "sent_back"], "{said:#}");
    assert_eq!((depth(Account::Source.queue()), depth(DEAD)), ((1, 0), (1, 0)));

    let worker = simulator.worker(Role::Source, &simulator.config());
    let address = scrape::address(&worker);
    wait::until("the message's end and the gauge", || {
        let page = scrape::get(&address, "/metrics");
        let gauge = "amiferry_dead_letters{worker=\"source\"} 1";
        let counted = page.lines().any(|line| line == gauge);
        (counted && depth(Account::Source.queue()) == (0, 0)).then_some(())
    });
    assert_eq!(worker.terminate().status, 0);

    let said = ask(&simulator, &["redrive", "--all"], 3);
    assert_eq!(outcomes(&said), ["skipped"], "{said:#}");
    assert!(said["messages"][0]["reason"].as_str().unwrap().contains("not_json"), "{said:#}");
    let said = ask(&simulator, &["redrive", "--all", "--force"], 0);
    assert_eq!(outcomes(&said), ["sent_back"], "{said:#}");
    assert_eq!((depth(Account::Source.queue()), depth(DEAD)), ((1, 0), (0, 0)));
}

#[test]
fn a_queue_that_may_not_be_asked_is_said_and_the_other_one_is_shown() {
    let Some(simulator) = Simulator::start() else { return };
    // The source's credentials, which the vault's queue is not open to.
    let both = dlq(&simulator, &["list", "--output", "json"]);
    assert_eq!(both.status, 3, "{both:#?}");
    let said = both.json();
    assert_eq!(said["queues"][0]["worker"], "source", "{said:#}");
    assert_eq!(said["not_asked"][0]["worker"], "target", "{said:#}");
    let table = dlq(&simulator, &["list"]);
    assert!(table.stdout.contains("NOT ASKED target 222222222222/us-west-2"), "{table:#?}");
    let none = dlq(&simulator, &["list", "--role", "target"]);
    assert_eq!((none.status, none.stdout.as_str()), (12, ""), "{none:#?}");
    assert!(none.stderr.contains("amiferry-target"), "{none:#?}");
}

//! Signals to a worker under load: it ends as documented, returns its messages, and loses nothing.

use serde_json::{Value, json};

use crate::kill::{READY, assert_everything_exactly_once, uploads};
use crate::support::image::text;
use crate::support::simulator::{GRACE, VAULT_BUCKET};
use crate::support::{Account, Process, Role, Simulator, wait};

/// Waits until this very worker copies an object.
fn until_copying(target: &Process) {
    target.until("a copy in progress", |target| {
        target.log().iter().any(|line| line["message"] == "copy started").then_some(())
    });
}

/// Waits until AWS has some parts of a copy, and another part hangs.
fn until_half_done(simulator: &Simulator) {
    wait::until("a copy that hangs half way", || {
        let met = simulator.read("faults")["met"].as_array().cloned()?;
        met.iter().find(|fault| fault["what"] == "UploadPartCopy")?;
        uploads(simulator).iter().find(|upload| has_parts(simulator, upload)).map(drop)
    });
}

fn has_parts(simulator: &Simulator, upload: &Value) -> bool {
    let [key, id] = ["Key", "UploadId"].map(|name| text(&upload[name]));
    let list = ["s3api", "list-parts", "--bucket", VAULT_BUCKET, "--key", &key, "--upload-id", &id];
    simulator.aws(Account::Vault, &list)["Parts"].as_array().is_some_and(|parts| !parts.is_empty())
}

/// Whether a worker went on with a copy of which parts were there.
fn has_taken_up(target: &Process) -> bool {
    target
        .log()
        .iter()
        .any(|line| line["amiferry.copy.parts_held"].as_u64().is_some_and(|held| held > 0))
}

fn assert_no_message_in_flight(simulator: &Simulator, account: Account) {
    let (_, in_flight) = simulator.depth(account, account.queue());
    assert_eq!(in_flight, 0, "{account:?}");
}

#[test]
fn a_sigterm_under_load_drains_both_workers_and_loses_nothing() {
    let Some(simulator) = Simulator::with_images() else { return };
    let config = simulator.config();
    let source = simulator.worker(Role::Source, &config);
    let target = simulator.worker(Role::Target, &config);
    until_copying(&target);
    for (worker, account) in [(target, Account::Vault), (source, Account::Source)] {
        // As `timeout(1)` sends it: to the process, and at once to its group.
        worker.signals_at_once(&["TERM", "INT"]);
        let ended = worker.finish();
        assert_eq!(ended.status, 0, "{ended:#?}");
        assert_no_message_in_flight(&simulator, account);
    }
    let workers = [Role::Source, Role::Target].map(|role| simulator.worker(role, &config));
    let report = simulator.until_complete(12);
    assert_everything_exactly_once(&simulator, &report, READY);
    drop(workers);
}

#[test]
fn a_copy_that_outlasts_its_grace_or_a_second_signal_is_taken_up_again() {
    let Some(simulator) = Simulator::with_images() else { return };
    let config = simulator.config();
    let hasty = simulator.changed_config("hasty.toml", &[(GRACE, "grace = \"1s\"")]);
    // The first parts are copied, and no more: no copy ends before it is meant to.
    let fault = json!({
        "service": "s3", "operation": "UploadPartCopy", "when": { "from": 5 }, "effect": "timeout",
    });
    simulator.steer("faults", &json!({ "fault": fault }));

    let source = simulator.worker(Role::Source, &config);
    let target = simulator.worker(Role::Target, &hasty);
    until_copying(&target);
    until_half_done(&simulator);
    let ended = target.terminate();
    assert_eq!(ended.status, 3, "the grace period is too short for it: {ended:#?}");
    assert_no_message_in_flight(&simulator, Account::Vault);

    let target = simulator.worker(Role::Target, &config);
    until_copying(&target);
    let mut taken_up = has_taken_up(&target);
    target.signal("TERM");
    let ended = target.interrupt();
    assert_eq!(ended.status, 130, "{ended:#?}");

    simulator.heal();
    let target = simulator.worker(Role::Target, &config);
    let report = simulator.until_complete(12);
    assert_everything_exactly_once(&simulator, &report, READY);
    taken_up |= has_taken_up(&target);
    assert!(taken_up, "every copy started over, and none resumed where it was cut off");
    drop((source, target));
}

//! Signals to a worker under load: it ends as it says, gives its messages back, loses nothing.

use crate::kill::assert_everything_exactly_once;
use crate::support::{Account, Process, Role, Simulator, wait};

/// Waits until this very worker copies an object.
fn until_copying(target: &Process) {
    wait::until("a copy in progress", || {
        target.log().iter().any(|line| line["message"] == "copy started").then_some(())
    });
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
        worker.signal("TERM INT");
        let ended = worker.finish();
        assert_eq!(ended.status, 0, "{ended:#?}");
        assert_no_message_in_flight(&simulator, account);
    }
    let workers = [Role::Source, Role::Target].map(|role| simulator.worker(role, &config));
    let report = simulator.until_complete(12);
    assert_everything_exactly_once(&simulator, &report);
    drop(workers);
}

#[test]
fn a_copy_that_outlasts_its_grace_or_a_second_signal_is_taken_up_again() {
    let Some(simulator) = Simulator::with_images() else { return };
    let config = simulator.config();
    // Part after part: the larger copies take most of a minute.
    let one_by_one = ("part_size_mib = 1024", "part_size_mib = 1024\nparts_in_flight = 1");
    let slow = simulator.changed_config("slow.toml", &[one_by_one]);
    let hasty = format!("{}\ngrace = \"1s\"", one_by_one.1);
    let hasty = simulator.changed_config("hasty.toml", &[(one_by_one.0, &hasty)]);

    let source = simulator.worker(Role::Source, &config);
    let target = simulator.worker(Role::Target, &hasty);
    until_copying(&target);
    let ended = target.terminate();
    assert_eq!(ended.status, 3, "the grace period is too short for it: {ended:#?}");
    assert_no_message_in_flight(&simulator, Account::Vault);

    let target = simulator.worker(Role::Target, &slow);
    until_copying(&target);
    let mut taken_up = has_taken_up(&target);
    target.signal("TERM");
    let ended = target.interrupt();
    assert_eq!(ended.status, 130, "{ended:#?}");

    let target = simulator.worker(Role::Target, &config);
    let report = simulator.until_complete(12);
    assert_everything_exactly_once(&simulator, &report);
    taken_up |= has_taken_up(&target);
    assert!(taken_up, "every copy was begun anew, none where it was cut off");
    drop((source, target));
}

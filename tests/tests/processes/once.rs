//! Workers that a schedule runs: each run does what can be done now and ends.

use serde_json::json;

use crate::support::{Account, Outcome, Role, Simulator, image, wait};

/// Runs a worker until it ends by itself.
fn once(simulator: &Simulator, role: Role) -> Outcome {
    let mut command = simulator.command(role.account());
    command.args([role.as_str(), "run", "--once", "--config"]).arg(simulator.config());
    simulator.spawn("once", &mut command).finish()
}

#[test]
fn runs_of_both_workers_that_end_by_themselves_complete_an_image_bit_by_bit() {
    let Some(simulator) = Simulator::start() else { return };
    let image = image::register(&simulator, "app-1", "app");
    let complete = wait::until("a complete recovery point", || {
        for role in [Role::Source, Role::Target] {
            let ended = once(&simulator, role);
            assert_eq!(ended.status, 0, "{ended:#?}");
            assert!(ended.stderr.contains("nothing is left to do now"), "{ended:#?}");
        }
        let report = simulator.audit();
        let point = &report["recovery_points"][0];
        (point["state"] == "complete").then(|| point.clone())
    });
    assert_eq!(complete["source_image_id"], json!(image));
    for account in [Account::Source, Account::Vault] {
        let (_, in_flight) = simulator.depth(account, account.queue());
        assert_eq!(in_flight, 0, "no run keeps a message of {account:?} hidden");
    }
}

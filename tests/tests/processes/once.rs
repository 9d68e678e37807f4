//! Workers that a schedule runs: each run does what can be done now and ends.

use std::fs;

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

/// The second source of the simulated vault.
const SECOND: &str = "account = \"300000000000\"";

#[test]
fn one_process_serves_every_source_and_one_that_cannot_be_served_delays_no_other() {
    let Some(simulator) = Simulator::with(&["--more-sources", "1"]) else { return };
    // The simulated AWS gives further sources no queue.
    let made = simulator.shell(
        Account::Source,
        "AWS_ACCESS_KEY_ID=300000000000 aws --endpoint-url \"$AWS_ENDPOINT_URL\" sqs create-queue \
         --queue-name amiferry-source",
    );
    assert_eq!(made.status, 0, "{made:#?}");
    let profiles = simulator.folder().join("profiles");
    let profile = |name: &str, account: &str| {
        format!("[{name}]\naws_access_key_id = {account}\naws_secret_access_key = any\n")
    };
    let both = profile("default", "111111111111") + &profile("profile second", "300000000000");
    fs::write(&profiles, both).unwrap();
    let serve = |name: &str, profile: &str| {
        let second = format!("{SECOND}\nprofile = \"{profile}\"");
        let config = simulator.changed_config(name, &[(SECOND, &second)]);
        let mut command = simulator.command(Account::Source);
        // Keys of the environment would go before those of every profile.
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("AWS_CONFIG_FILE", &profiles);
        command.args(["source", "run", "--once", "--all", "--log-format", "json", "--config"]);
        simulator.spawn("all", command.arg(config)).finish()
    };
    let said_of = |ended: &Outcome, account: &str, words: &str| {
        let account = format!("\"amiferry.source.account.id\":\"{account}\"");
        let mut lines = ended.stderr.lines();
        lines.any(|line| line.contains(&account) && line.contains(words))
    };
    let done = "nothing is left to do now";
    let both = serve("both.toml", "second");
    assert_eq!(both.status, 0, "{both:#?}");
    assert!(
        said_of(&both, "111111111111", done) && said_of(&both, "300000000000", done),
        "{both:#?}"
    );

    let image = image::register(&simulator, "app-1", "app");
    let one = serve("one.toml", "none-of-this-name");
    assert_eq!(one.status, 3, "{one:#?}");
    assert!(said_of(&one, "300000000000", "none-of-this-name"), "{one:#?}");
    assert!(
        said_of(&one, "111111111111", &image) && said_of(&one, "111111111111", done),
        "{one:#?}"
    );
}

#[test]
fn all_is_refused_where_it_means_nothing() {
    let Some(simulator) = Simulator::start() else { return };
    let refused = |arguments: &[&str]| {
        let mut command = simulator.command(Account::Source);
        let ended = simulator.spawn("refused", command.args(arguments).arg(simulator.config()));
        ended.finish()
    };
    let always = refused(&["source", "run", "--all", "--config"]);
    assert_eq!(always.status, 2, "{always:#?}");
    assert!(always.stderr.contains("--once"), "{always:#?}");
    let target = refused(&["target", "run", "--once", "--all", "--config"]);
    assert_eq!(target.status, 2, "{target:#?}");
}

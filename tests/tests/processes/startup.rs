//! What a worker says and how it ends when it cannot start.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::support::scrape;
use crate::support::silence::Silence;
use crate::support::simulator::{STAGING_BUCKET, VAULT_BUCKET, bare};
use crate::support::{Account, Outcome, Process, Role, Simulator};

/// Runs a worker that cannot start, with the credentials of an account.
fn refused(simulator: &Simulator, role: Role, account: Account, config: &Path) -> Outcome {
    let mut command = simulator.command(account);
    command.args([role.as_str(), "run", "--config"]).arg(config);
    simulator.spawn(role.as_str(), &mut command).finish()
}

/// One error, this status, and all of these words in it.
fn assert_says(ended: &Outcome, status: i32, words: &[&str]) {
    assert_eq!(ended.status, status, "{ended:#?}");
    assert_eq!(ended.stdout, "", "errors are talk");
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "one error: {ended:#?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in {ended:#?}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_shown_where_it_is_wrong() {
    let Some(simulator) = Simulator::start() else { return };
    let missing = simulator.folder().join("absent.toml");
    let ended = refused(&simulator, Role::Source, Account::Source, &missing);
    assert_says(&ended, 10, &["absent.toml", "--config"]);

    for (old, new, words) in [
        ("staging_bucket", "staging_buckte", vec!["did you mean `staging_bucket`?", "^^^^"]),
        ("rpo = \"7d\"", "rpo = \"7 parsecs\"", vec!["7 parsecs", "^^^^"]),
        (
            "target_regions = [\"us-west-2\"]",
            "target_regions = [\"eu-west-1\"]",
            vec!["there is no [[vault]]", "us-west-2"],
        ),
        ("[[source]]", "[[source", vec![".toml:2:"]),
    ] {
        let config = simulator.changed_config("wrong.toml", &[(old, new)]);
        for role in [Role::Source, Role::Target] {
            let ended = refused(&simulator, role, role.account(), &config);
            assert_says(&ended, 10, &["wrong.toml:", " | "]);
            assert_says(&ended, 10, &words);
        }
        let mut command = bare(simulator.folder());
        command.args(["config", "validate", "--config"]).arg(&config);
        let ended = simulator.spawn("validate", &mut command).finish();
        assert_says(&ended, 10, &words);
    }
}

#[test]
fn credentials_of_another_account_are_refused_by_both_workers() {
    let Some(simulator) = Simulator::start() else { return };
    for (role, wrong) in [(Role::Source, Account::Vault), (Role::Target, Account::Source)] {
        let ended = refused(&simulator, role, wrong, &simulator.config());
        let right = format!("credentials of account {}", role.account().id());
        assert_says(&ended, 11, &[&right, wrong.id(), "principal: arn:aws:", "fix: "]);
    }
    let mut command = bare(simulator.folder());
    command.args(["source", "run", "--config"]).arg(simulator.config());
    let ended = simulator.spawn("anonymous", &mut command).finish();
    let words =
        ["credentials of account 111111111111", "fix: name a profile", "source_profile in [aws]"];
    assert_says(&ended, 11, &words);
    let listed = ["no credentials found in chain. Attempted: Environment: ", "; Profile: "];
    assert_says(&ended, 11, &listed);
    for left_out in [r"\n", "dispatch failure"] {
        assert!(!ended.stderr.contains(left_out), "{left_out}: {ended:#?}");
    }
}

#[test]
fn an_address_in_use_is_a_mistake_of_the_configuration_for_the_simulated_aws_too() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = bare(folder.path());
    command.args(["sim", "serve", "--listen", &address]);
    let ended = Process::start("taken", folder.path(), &mut command).finish();
    assert_says(&ended, 10, &["the simulated AWS cannot listen on", &address, "--listen"]);
}

/// Something in the place of the instance metadata service, which refuses every request.
fn metadata_that_refuses() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // What goes wrong here, the client sees as no answer.
            let _ = stream.read(&mut [0; 4_096]);
            let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_machine_whose_metadata_service_refuses_is_told_so_in_words() {
    let Some(simulator) = Simulator::start() else { return };
    let metadata = metadata_that_refuses();
    for role in [Role::Source, Role::Target] {
        let mut command = bare(simulator.folder());
        command.env("AWS_EC2_METADATA_DISABLED", "false");
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata);
        command.args([role.as_str(), "run", "--config"]).arg(simulator.config());
        let ended = simulator.spawn("refused-metadata", &mut command).finish();
        assert_says(&ended, 11, &["failed to load IMDS session token", "fix: name a profile"]);
        for line in ended.stderr.lines() {
            for value in ["{ source:", "Some(", "SdkBody", "dispatch failure"] {
                assert!(!line.contains(value), "{value}: {line}");
            }
        }
    }
}

#[test]
fn a_profile_that_is_not_there_is_named_with_the_one_that_names_it() {
    let Some(simulator) = Simulator::start() else { return };
    let file = simulator.folder().join("aws-config.ini");
    let chained = "[profile chained]\nrole_arn = arn:aws:iam::222222222222:role/x\n\
                   source_profile = missing\n";
    fs::write(&file, chained).unwrap();
    for (profile, words) in [
        (
            "chained",
            [
                "the profile `chained` names the source profile `missing`",
                "correct the profile `chained`, which AWS_PROFILE names",
            ],
        ),
        (
            "absent",
            [
                "the profile `absent` is not in the AWS configuration files",
                "correct the profile `absent`, which AWS_PROFILE names",
            ],
        ),
    ] {
        let mut command = bare(simulator.folder());
        command.args(["source", "run", "--config"]).arg(simulator.config());
        command.env("AWS_CONFIG_FILE", &file).env("AWS_PROFILE", profile);
        let ended = simulator.spawn("profile", &mut command).finish();
        assert_says(&ended, 11, &words);
    }
}

#[test]
fn an_endpoint_that_does_not_answer_is_told_apart_from_a_refusal() {
    let Some(simulator) = Simulator::start() else { return };
    let silence = Silence::keep();
    let silent = format!("http://{}", silence.address());
    let config = simulator.changed_config("silent.toml", &[(simulator.endpoint(), &silent)]);
    for role in [Role::Source, Role::Target] {
        let ended = refused(&simulator, role, role.account(), &config);
        assert_says(&ended, 13, &["the endpoint", "the credentials are not the cause"]);
    }
    let audit = simulator.run(&["audit"], &config);
    // A report is there all the same.
    assert_eq!(audit.status, 3, "{audit:#?}");
    assert!(audit.stdout.contains("NOT ASSESSED"), "{audit:#?}");
}

#[test]
fn a_missing_resource_or_permission_is_named_with_the_principal_that_needs_it() {
    let Some(simulator) = Simulator::start() else { return };
    let root = |account: Account| format!("principal: arn:aws:iam::{}:root", account.id());
    for (role, old, new) in [
        (Role::Source, "/amiferry-source\"", "/absent-queue\""),
        (Role::Source, STAGING_BUCKET, "absent-bucket"),
        (Role::Target, "/amiferry-target\"", "/absent-queue\""),
        (Role::Target, VAULT_BUCKET, "absent-bucket"),
    ] {
        let config = simulator.changed_config("absent.toml", &[(old, new)]);
        let ended = refused(&simulator, role, role.account(), &config);
        let name = new.trim_matches(['/', '"']);
        assert_says(&ended, 12, &["cannot start without", name, &root(role.account()), "fix: "]);
    }
}

#[test]
fn a_source_that_refuses_keeps_the_target_worker_from_nothing_and_is_named_with_the_remedy() {
    let Some(simulator) = Simulator::start() else { return };
    let root = format!("arn:aws:iam::{}:root", Account::Vault.id());
    let starts_and_says = |config: &Path, words: &[&str]| {
        let worker = simulator.worker(Role::Target, config);
        worker.until("a warning about the source, and a worker that is ready", |worker| {
            let log = worker.log();
            let warns = |line: &Value| {
                line["message"] == "a source cannot be reached"
                    && words.iter().all(|word| line.to_string().contains(word))
            };
            let page = scrape::get(&scrape::address(worker), "/readyz");
            (log.iter().any(warns) && page.starts_with("HTTP/1.1 200 ")).then_some(())
        });
        worker.terminate()
    };
    let config = simulator.changed_config("stranger.toml", &[("demo-3f9c1f6e", "guess-3f9c1f6e")]);
    let role = ["the images of 111111111111 in us-east-1", "sts:AssumeRole", "trust policy"];
    let ended = starts_and_says(&config, &role);
    assert!(!ended.stderr.contains("guess-3f9c1f6e"), "a secret is shown: {ended:#?}");

    simulator.aws(Account::Source, &["s3api", "delete-bucket-policy", "--bucket", STAGING_BUCKET]);
    let ended =
        starts_and_says(&simulator.config(), &[STAGING_BUCKET, "s3:ListBucket", root.as_str()]);
    assert_eq!(ended.status, 0, "{ended:#?}");
}

#[test]
fn an_admin_address_that_is_taken_is_named() {
    let Some(simulator) = Simulator::start() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for role in [Role::Source, Role::Target] {
        let key = format!("{}_listen = \"", role.as_str());
        let (old, new) = (format!("{key}127.0.0.1:0"), format!("{key}{address}"));
        let config = simulator.changed_config("taken.toml", &[(&old, &new)]);
        let ended = refused(&simulator, role, role.account(), &config);
        assert_says(&ended, 10, &["admin server cannot listen", &address, "[workers]"]);
    }
}

#[test]
fn a_port_that_others_reach_needs_a_token_and_then_answers_only_who_sends_it() {
    const TOKEN: &str = "canary-token-4f1d7a90c2b35e68";
    let Some(simulator) = Simulator::start() else { return };
    let workers = "[workers]\n";
    let open = |role: Role| {
        let listen = format!("{}_listen = \"", role.as_str());
        (format!("{listen}127.0.0.1:0"), format!("{listen}0.0.0.0:0"))
    };
    for role in [Role::Source, Role::Target] {
        let (own, others) = open(role);
        let config = simulator.changed_config("open.toml", &[(&own, &others)]);
        let ended = refused(&simulator, role, role.account(), &config);
        let key = format!("{}_listen", role.as_str());
        assert_says(&ended, 10, &[&key, "0.0.0.0:0 is not loopback", "listen_token_env"]);

        let named = format!("{workers}listen_token_env = \"LISTEN_TOKEN\"\n");
        let config =
            simulator.changed_config("guarded.toml", &[(&own, &others), (workers, &named)]);
        let ended = refused(&simulator, role, role.account(), &config);
        assert_says(&ended, 10, &["LISTEN_TOKEN is not set", "listen_token_env"]);

        let mut command = simulator.command(role.account());
        command.args([role.as_str(), "run", "--config"]).arg(&config).env("LISTEN_TOKEN", TOKEN);
        let worker = simulator.spawn(role.as_str(), &mut command);
        let address = scrape::address(&worker).replace("0.0.0.0", "127.0.0.1");
        for (path, token, status) in [
            ("/livez", None, "200"),
            ("/metrics", None, "401"),
            ("/", None, "401"),
            ("/worker.json", None, "401"),
            ("/metrics", Some("canary-token-4f1d7a90c2b35e69"), "401"),
            ("/metrics", Some(TOKEN), "200"),
        ] {
            let answer = scrape::get_with(&address, path, token);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
            let asks = answer.to_lowercase().contains("www-authenticate: bearer");
            assert_eq!(asks, status == "401", "{path}: {answer}");
        }
        if role == Role::Target {
            assert_reports_ask(&simulator, &config, &address, TOKEN);
        }
        let ended = worker.terminate();
        assert_eq!(ended.status, 0, "{ended:#?}");
        assert!(!ended.stderr.contains(TOKEN), "{ended:#?}");
    }
}

/// Reports ask the worker at this address with the token, and without it say why it told nothing.
fn assert_reports_ask(simulator: &Simulator, config: &Path, address: &str, token: &str) {
    let report = |token: Option<&str>, arguments: &[&str]| {
        let mut command = simulator.command(Account::Vault);
        command.args(arguments).arg("--config").arg(config);
        if let Some(token) = token {
            command.env("LISTEN_TOKEN", token);
        }
        simulator.spawn("report", &mut command).finish()
    };
    let url = format!("http://{address}");
    for command in ["status", "audit"] {
        let asked = ["--output", "json", "--worker", &url];
        let arguments = [&[command][..], &asked].concat();
        let heard = report(Some(token), &arguments).json();
        assert!(heard["workers"][0]["answered_at"].is_string(), "{heard:#}");
        for (sent, why) in [
            (Some("another-token-4f1d7a90"), "it refuses the token"),
            (None, "LISTEN_TOKEN is not set"),
        ] {
            let ended = report(sent, &arguments);
            let unheard = ended.json();
            let said = unheard["workers"][0]["why"].as_str().unwrap();
            assert!(said.contains(why), "{said}");
            assert!(!format!("{ended:?}").contains("another-token"), "{ended:#?}");
        }
    }
    let ended = report(None, &["status", "--serve", "0.0.0.0:0"]);
    assert_says(&ended, 10, &["LISTEN_TOKEN is not set"]);
    let mut command = simulator.command(Account::Vault);
    command.args(["status", "--serve", "0.0.0.0:0", "--config"]).arg(simulator.config());
    let ended = simulator.spawn("serve", &mut command).finish();
    assert_says(&ended, 10, &["0.0.0.0:0 is not loopback", "listen_token_env"]);
}

#[test]
fn the_simulated_aws_says_when_its_address_is_taken_or_open_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_address = taken.local_addr().unwrap().to_string();
    for (address, word) in [(taken_address.as_str(), "in use"), ("0.0.0.0:0", "loopback")] {
        let mut command = bare(folder.path());
        command.args(["sim", "serve", "--listen", address]);
        let ended = Process::start("serve", folder.path(), &mut command).finish();
        assert_says(&ended, 1, &[address, word]);
    }
}

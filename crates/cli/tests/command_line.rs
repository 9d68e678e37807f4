//! What the built program answers before it does anything: help, version, wrong arguments.

use std::process::{Command, Output};

/// Every command, as it is typed.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["demo"],
    &["source"],
    &["source", "run"],
    &["target"],
    &["target", "run"],
    &["check"],
    &["status"],
    &["audit"],
    &["show"],
    &["plan"],
    &["retry"],
    &["restore"],
    &["lookup"],
    &["rebuild"],
    &["prune"],
    &["explain"],
    &["dlq"],
    &["dlq", "list"],
    &["dlq", "show"],
    &["dlq", "redrive"],
    &["config"],
    &["config", "example"],
    &["config", "validate"],
    &["sim"],
    &["sim", "serve"],
    &["completions"],
    &["man"],
];

fn amiferry(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amiferry"));
    command.args(arguments).env_clear().output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_command_has_help_that_ends_with_the_exit_statuses() {
    for command in COMMANDS {
        let output = amiferry(&[command, &["--help"][..]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let help = text(&output.stdout);
        let (_, statuses) = help.split_once("Exit status:").unwrap_or_default();
        for status in ["0", "1", "2", "3", "10", "11", "12", "13", "20", "130"] {
            let listed =
                statuses.lines().any(|line| line.trim().starts_with(&format!("{status} ")));
            assert!(listed, "{status} is not in the help of {command:?}:\n{help}");
        }
    }
}

#[test]
fn no_command_is_missing_from_these_tests() {
    for command in COMMANDS {
        let help = text(&amiferry(&[command, &["-h"][..]].concat()).stdout);
        let Some((_, rest)) = help.split_once("\nCommands:\n") else { continue };
        let listed = rest.lines().take_while(|line| !line.is_empty());
        // Continued descriptions are indented further than names.
        for line in listed.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap_or_default();
            let full = [command, &[name][..]].concat();
            assert!(name == "help" || COMMANDS.contains(&full.as_slice()), "{full:?}");
        }
    }
}

#[test]
fn wrong_arguments_are_status_2_and_say_what_is_wrong() {
    for (arguments, word) in [
        (&["ferry"][..], "ferry"),
        (&["audit"], "--config"),
        (&["audit", "--config", "x", "--output", "xml"], "xml"),
        (&["sim", "serve", "--listen", "everywhere"], "everywhere"),
        (&["explain"], "CODE"),
        (&["explain", "complete", "--ask-aws"], "--config"),
        (&["audit", "--config", "x", "--rows", "left-out"], "--output csv"),
        (&["audit", "--config", "x", "--state", "green"], "within_rpo"),
        (&["status", "--config", "x", "--serve", "127.0.0.1:0", "--family", "y"], "--family"),
        (&["show", "--config", "x"], "IMAGE|FAMILY"),
        (&["restore", "--config", "x", "web"], "web"),
        (&["restore", "--config", "x", "--as-of", "yesterday"], "2026-01-15T06:00:00Z"),
        (&["restore", "--config", "x", "--tag", "app"], "KEY=VALUE"),
        (&["restore", "--config", "x", "--all", "--share-with", "1"], "--share-with"),
        (&["lookup", "--config", "x"], "IMAGE|FAMILY"),
        (&["explain", "--event", "-", "--ask-aws"], "--config"),
        (&["source", "run", "--config", "x", "--log-format", "loud"], "loud"),
        (&["dlq", "list", "--config", "x", "--role", "both"], "both"),
        (&["dlq", "show", "--config", "x"], "MESSAGE_ID"),
        (&["dlq", "redrive", "--config", "x"], "--all"),
        (&["dlq", "redrive", "--config", "x", "--all", "--message", "y"], "--message"),
    ] {
        let output = amiferry(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.contains(word) && said.contains("Usage:") || said.contains("--help"),
            "{said}"
        );
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let expected = concat!("amiferry ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(text(&amiferry(&["--version"]).stdout), expected);
}

#[test]
fn the_example_configuration_is_valid() {
    let example = amiferry(&["config", "example"]);
    assert_eq!(example.status.code(), Some(0));
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("example.toml");
    std::fs::write(&path, &example.stdout).expect("a file in the target folder");
    let path = path.to_str().expect("a path of text");
    let mut command = Command::new(env!("CARGO_BIN_EXE_amiferry"));
    command.args(["config", "validate", "--config", path]).env_clear();
    let output = command
        .env("AMIFERRY_EXTERNAL_ID", "hush-0123456789a")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("is valid"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_configuration_with_a_doubtful_policy_is_valid_with_a_warning_on_stderr() {
    let example = text(&amiferry(&["config", "example"]).stdout);
    let doubtful = example.replace("tags = { environment = \"production\" }, ", "");
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("doubtful.toml");
    std::fs::write(&path, doubtful).expect("a file in the target folder");
    let path = path.to_str().expect("a path of text");
    let output = amiferry(&["config", "validate", "--config", path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("is valid"));
    let said = text(&output.stderr);
    let expected = ": warning: the policy everything-else selects the same images as production\n";
    assert!(said.contains(expected) && said.contains("^^^^"), "{said}");
}

/// A file in the target folder with this content.
fn file(name: &str, content: &[u8]) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("a file in the target folder");
    path.to_str().expect("a path of text").to_owned()
}

/// An event about an image, as EventBridge sends it.
fn event() -> String {
    r#"{"version": "0", "id": "x", "detail-type": "EC2 AMI State Change", "source": "aws.ec2",
        "account": "111111111111", "region": "us-east-1", "time": "2026-03-01T12:00:00Z",
        "resources": ["arn:aws:ec2:us-east-1::image/ami-0123456789abcdef0"],
        "detail": {"RequestId": "x", "ImageId": "ami-0123456789abcdef0", "State": "available",
        "ErrorMessage": ""}}"#
        .to_owned()
}

fn json(output: &Output) -> serde_json::Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn explain_gives_json_for_codes_of_images_and_of_messages_and_for_ids() {
    for (code, about) in [("paravirtual", "image"), ("not_json", "message"), ("ours", "message")] {
        let said = json(&amiferry(&["explain", code, "--output", "json"]));
        assert_eq!((&said["code"], &said["about"]), (&code.into(), &about.into()), "{said:#}");
        assert_eq!(said["schema_version"], 1);
        for field in ["meaning", "remedy"] {
            assert!(said[field].as_str().is_some_and(|text| !text.is_empty()), "{said:#}");
        }
        let lines = text(&amiferry(&["explain", code]).stdout);
        assert!(lines.contains("means: ") && lines.contains("to do: "), "{lines}");
    }
    let said = json(&amiferry(&["explain", "ami-0123456789abcdef0", "--output", "json"]));
    assert_eq!(said["image_ids"], serde_json::json!(["ami-0123456789abcdef0"]), "{said:#}");
    assert_eq!(said["code"], "not_compared", "{said:#}");
}

#[test]
fn explain_reads_a_byte_order_mark_and_names_utf16() {
    let marked = file("marked.json", format!("\u{feff}{}", event()).as_bytes());
    let said = json(&amiferry(&["explain", "--event", &marked, "--output", "json"]));
    assert_eq!(said["kind"], "ami_state_change", "{said:#}");
    let wide: Vec<u8> =
        format!("\u{feff}{}", event()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let output = amiferry(&["explain", "--event", &file("wide.json", &wide)]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("wide.json") && said.contains("UTF-16, expected UTF-8"), "{said}");
    let output = amiferry(&["config", "validate", "--config", &file("wide.toml", &wide)]);
    assert_eq!(output.status.code(), Some(10));
    assert!(text(&output.stderr).contains("UTF-16, expected UTF-8"));
}

/// An event about a restored image of the example's vault.
fn vault_event() -> String {
    event().replace("111111111111", "222222222222").replace("us-east-1", "us-west-2")
}

#[test]
fn explain_says_of_an_image_of_the_vault_what_a_running_worker_would_do() {
    let example = amiferry(&["config", "example"]).stdout;
    let text = text(&example).replace("external_id_env", "# external_id_env");
    let config = file("vault-image.toml", text.as_bytes());
    let event = file("vault-image.json", vault_event().as_bytes());
    let said = json(&amiferry(&["explain", "-o", "json", "--config", &config, "--event", &event]));
    assert_eq!((&said["decision"], &said["code"]), (&"look".into(), &"vault_image".into()));
    let reason = said["reason"].as_str().expect("a reason");
    assert!(reason.contains("if it is restoring ami-0123456789abcdef0"), "{reason}");
}

/// The answer of `ReceiveMessage` with a notification of S3 in an SNS envelope.
const RECEIVED: &str = include_str!("cases/receive-message-output.json");
/// A notification with two records, the first of which has its size as text.
const TWO_RECORDS: &str = include_str!("cases/two-records-one-bad.json");

#[test]
fn explain_finds_the_notification_in_an_envelope_in_an_answer() {
    let path = file("received.json", RECEIVED.as_bytes());
    let said = json(&amiferry(&["explain", "-o", "json", "--event", &path]));
    assert_eq!((&said["kind"], &said["decision"]), (&"s3_notification".into(), &"look".into()));
    assert_eq!(said["objects"][0]["key"], "amiferry/us-east-1/ami-0a3716ae54ca4bd20.bin");
}

#[test]
fn explain_uses_the_good_records_and_names_the_bad_ones() {
    let path = file("two-records.json", TWO_RECORDS.as_bytes());
    let said = json(&amiferry(&["explain", "-o", "json", "--event", &path]));
    assert_eq!((&said["kind"], &said["decision"]), (&"s3_notification".into(), &"look".into()));
    assert_eq!(said["objects"].as_array().map(Vec::len), Some(1), "{said:#}");
    let reason = said["reason"].as_str().expect("a reason");
    assert!(reason.contains("1 of its records would be quarantined: bad_field"), "{reason}");
}

#[test]
fn explain_reads_what_receive_message_prints() {
    let message = |id: &str, body: &str| serde_json::json!({ "MessageId": id, "ReceiptHandle": "x", "Body": body });
    let one = serde_json::json!({ "Messages": [message("1", &event())] }).to_string();
    let said =
        json(&amiferry(&["explain", "-o", "json", "--event", &file("one.json", one.as_bytes())]));
    assert_eq!((&said["message_id"], &said["kind"]), (&"1".into(), &"ami_state_change".into()));
    let two = [message("1", &event()), message("2", "Hello!")];
    let two = serde_json::json!({ "Messages": two }).to_string();
    let path = file("two.json", two.as_bytes());
    let said = json(&amiferry(&["explain", "-o", "json", "--event", &path]));
    assert_eq!(said["messages"][0]["decision"], "look", "{said:#}");
    assert_eq!(said["messages"][1]["code"], "not_json", "{said:#}");
    let lines = text(&amiferry(&["explain", "--event", &path]).stdout);
    assert!(lines.contains("message   1\n") && lines.contains("message   2\n"), "{lines}");
}

#[test]
fn config_validate_lists_every_mistake_at_once() {
    let example = text(&amiferry(&["config", "example"]).stdout);
    let wrong = example
        .replacen("account = \"111111111111\"", "account = 012345671234", 1)
        .replacen("lock_mode = \"governance\"", "lock_mode = \"firm\"", 1)
        .replacen("grace = \"25s\"", "grace = 25", 1);
    let output =
        amiferry(&["config", "validate", "--config", &file("wrong.toml", wrong.as_bytes())]);
    assert_eq!(output.status.code(), Some(10));
    let said = text(&output.stderr);
    for part in ["account ids are text: write \"012345671234\"", "`firm`", "integer `25`"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn no_reader_of_errors_is_needed() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_amiferry"));
    command.args(["explain", "gremlins"]).env_clear().stderr(writer);
    let status = command.status().expect("the program starts");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_signal_while_aws_is_asked_is_status_130() {
    for signal in ["INT", "TERM"] {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = silent.local_addr().expect("an address");
        let config = text(&amiferry(&["config", "example"]).stdout).replace(
            "# endpoint_url = \"http://127.0.0.1:4566\"",
            &format!("endpoint_url = \"http://{address}\""),
        );
        let config = file(&format!("silent-{signal}.toml"), config.as_bytes());
        let mut command = Command::new(env!("CARGO_BIN_EXE_amiferry"));
        command.args(["audit", "--config", &config]).env_clear();
        command.env("AWS_ACCESS_KEY_ID", "222222222222").env("AWS_SECRET_ACCESS_KEY", "any");
        command
            .env("AMIFERRY_EXTERNAL_ID", "hush-0123456789a")
            .stderr(std::process::Stdio::piped());
        let audit = command.spawn().expect("the program starts");
        let (_connection, _) = silent.accept().expect("a call");
        let sent =
            Command::new("kill").args([format!("-{signal}"), audit.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        let ended = audit.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(130), "{signal}: {ended:?}");
        assert_eq!(text(&ended.stderr), "error: interrupted by a signal\n");
    }
}

#[test]
fn an_endpoint_that_a_profile_sets_elsewhere_is_refused_before_any_call() {
    let config = file("profiles.toml", &amiferry(&["config", "example"]).stdout);
    let gateway = "https://x1.execute-api.us-east-1.amazonaws.com";
    let all = format!("[profile vault]\nendpoint_url = {gateway}\n");
    let one = "[profile vault]\nservices = here\n[services here]\nsts =\n  \
               endpoint_url = http://203.0.113.9\n";
    for (name, profiles, words) in [
        ("all.ini", all.as_str(), ["EC2", gateway]),
        ("one.ini", one, ["STS", "http://203.0.113.9"]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amiferry"));
        command.args(["status", "--config", &config]).env_clear();
        command.env("AWS_CONFIG_FILE", file(name, profiles.as_bytes()));
        command.env("AWS_PROFILE", "vault");
        let output = command.output().expect("the program starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(10), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
        assert!(said.contains("allow_insecure_endpoint"), "{said}");
    }
}

/// Configurations whose account is a number.
const UNQUOTED: &str = include_str!("cases/account-unquoted.toml");
const LEADING_ZERO: &str = include_str!("cases/account-leading-zero.toml");

#[test]
fn config_validate_says_how_an_account_id_is_written() {
    for (name, text, account) in [
        ("unquoted.toml", UNQUOTED, "111111111111"),
        ("leading-zero.toml", LEADING_ZERO, "012345671234"),
    ] {
        let path = file(name, text.as_bytes());
        let output = amiferry(&["config", "validate", "--config", &path]);
        assert_eq!(output.status.code(), Some(10), "{name}");
        let said = self::text(&output.stderr);
        let wanted = format!("account ids are text: write \"{account}\"");
        assert!(said.contains(&wanted) && said.contains(name), "{said}");
    }
}

/// An event with a byte order mark, as Windows writes it, and one in UTF-16, as `PowerShell` does.
const MARKED: &[u8] = include_bytes!("cases/ami-utf8-bom.json");
const WIDE: &[u8] = include_bytes!("cases/ami-utf16.json");

#[test]
fn explain_reads_the_event_with_a_byte_order_mark_and_says_of_the_wide_one_what_it_is() {
    let path = file("case-marked.json", MARKED);
    let said = json(&amiferry(&["explain", "--event", &path, "--output", "json"]));
    assert_eq!(said["kind"], "ami_state_change", "{said:#}");
    let output = amiferry(&["explain", "--event", &file("case-wide.json", WIDE)]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("case-wide.json") && said.contains("UTF-16, expected UTF-8"), "{said}");
}

/// Profiles of which one names a source profile that is not there.
const PROFILES: &str = include_str!("cases/aws-config.ini");

#[test]
fn a_profile_that_is_missing_or_names_a_missing_one_is_named() {
    let example = text(&amiferry(&["config", "example"]).stdout);
    let example = example.replace("external_id_env", "# external_id_env");
    let config = file("profiles.toml", example.as_bytes());
    let profiles = file("aws-config.ini", PROFILES.as_bytes());
    let run = |command: &[&str], profile: &str| {
        Command::new(env!("CARGO_BIN_EXE_amiferry"))
            .args(command)
            .args(["--config", &config])
            .env_clear()
            .env("AWS_CONFIG_FILE", &profiles)
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_PROFILE", profile)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // Nothing may be sent; if it were, it would reach nothing.
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .output()
            .expect("the program starts")
    };
    for command in [&["status"][..], &["audit"], &["target", "run"]] {
        for (profile, words) in [
            ("chained", "the profile `chained` names the source profile `missing`, which is not"),
            ("nowhere", "`nowhere`"),
        ] {
            let output = run(command, profile);
            assert_eq!(output.status.code(), Some(11), "{command:?} {profile}: {output:?}");
            let said = text(&output.stderr);
            assert!(said.contains(words), "{command:?} {profile}: {said}");
            assert!(!said.contains("already taken"), "{said}");
        }
    }
}

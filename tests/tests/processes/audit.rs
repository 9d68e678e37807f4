//! `amiferry audit` and `amiferry status` when not all is well.

use std::process::Stdio;

use serde_json::json;

use crate::journey::protect;
use crate::support::{Account, Role, Simulator, image, scrape, wait};

#[test]
fn families_without_any_recovery_point_are_listed_and_a_broken_rpo_is_status_20() {
    let Some(simulator) = Simulator::with_images() else { return };
    for command in ["audit", "status"] {
        let ended = simulator.run(&[command, "--output", "json"], &simulator.config());
        let report = ended.json();
        let families = report["families"].as_array().unwrap();
        let names: Vec<&str> =
            families.iter().map(|family| family["family"].as_str().unwrap()).collect();
        assert_eq!(names, ["analytics", "orders-db", "payments", "render-batch", "web"]);
        for family in families {
            assert_eq!(family["source_image_id"], serde_json::Value::Null, "{family:#}");
            assert_eq!(family["restored_image_id"], serde_json::Value::Null, "{family:#}");
        }
        // Only the legacy image of `web` is older than its RPO, and it cannot be protected.
        assert_eq!(families[4]["state"], "unprotected", "{report:#}");
        assert_eq!(families[1]["state"], "pending", "{report:#}");
        assert_eq!(ended.status, 20, "{ended:#?}");
    }
}

#[test]
fn a_copy_older_than_its_rpo_is_a_breach_although_it_is_complete() {
    let Some(simulator) = Simulator::start() else { return };
    let workers =
        [Role::Source, Role::Target].map(|role| simulator.worker(role, &simulator.config()));
    protect(&simulator);
    simulator.until_complete(1);
    let short = simulator.changed_config("short.toml", &[("rpo = \"24h\"", "rpo = \"1s\"")]);
    let ended = simulator.run(&["audit", "--output", "json"], &short);
    assert_eq!(ended.status, 20, "{ended:#?}");
    let report = ended.json();
    assert_eq!(report["families"][0]["state"], "breached", "{report:#}");
    assert!(report["families"][0]["margin_seconds"].as_i64().unwrap() < 0, "{report:#}");
    assert_eq!(report["recovery_points"][0]["state"], "complete", "{report:#}");
    drop(workers);
}

#[test]
fn without_the_source_the_copies_in_the_vault_are_still_judged() {
    let Some(simulator) = Simulator::start() else { return };
    let workers =
        [Role::Source, Role::Target].map(|role| simulator.worker(role, &simulator.config()));
    let image = protect(&simulator);
    simulator.until_complete(1);
    drop(workers);
    let config = simulator.changed_config("stranger.toml", &[("demo-3f9c1f6e", "guess-3f9c1f6e")]);
    let ended = simulator.run(&["audit", "--output", "json"], &config);
    assert_eq!(ended.status, 3, "{ended:#?}");
    let report = ended.json();
    assert_eq!(report["not_assessed"][0]["source_account"], "111111111111", "{report:#}");
    assert!(report["not_assessed"][0]["reason"].as_str().unwrap().contains("sts:AssumeRole"));
    assert_eq!(report["recovery_points"][0]["source_image_id"], image, "{report:#}");
    assert_eq!(report["recovery_points"][0]["state"], "complete", "{report:#}");
    let table = simulator.run(&["audit"], &config);
    assert_eq!(table.status, 3, "{table:#?}");
    assert!(table.stdout.contains("NOT ASSESSED 111111111111 us-east-1"), "{table:#?}");
}

#[test]
fn a_recovery_point_that_was_complete_and_is_shared_is_status_21_and_named_first() {
    let Some(simulator) = Simulator::start() else { return };
    let workers =
        [Role::Source, Role::Target].map(|role| simulator.worker(role, &simulator.config()));
    let image = protect(&simulator);
    simulator.until_complete(1);
    drop(workers);
    let config = simulator.config();
    let report = simulator.run(&["audit", "--output", "json"], &config).json();
    let copy = report["recovery_points"][0]["restored_image_id"].as_str().unwrap().to_owned();
    let share = [
        "ec2",
        "modify-image-attribute",
        "--image-id",
        &copy,
        "--launch-permission",
        "Add=[{UserId=333333333333}]",
    ];
    simulator.aws(Account::Vault, &share);
    for command in ["audit", "status"] {
        let ended = simulator.run(&[command], &config);
        assert_eq!(ended.status, 21, "{ended:#?}");
        for part in ["RECOVERY POINTS: TAMPERED", "no longer matches its record", &image] {
            assert!(ended.stdout.contains(part), "{part} is not in {ended:#?}");
        }
    }
    let shown = simulator.run(&["show", &image], &config);
    assert_eq!(shown.status, 21, "{shown:#?}");
}

#[test]
fn a_vault_bucket_that_refuses_is_not_assessed_and_another_account_is_status_11_first() {
    let Some(simulator) = Simulator::with_images() else { return };
    let config = simulator.config();
    let address = simulator.endpoint().trim_start_matches("http://").to_owned();
    let fault = json!({ "fault": {
        "service": "s3", "operation": "ListObjectVersions", "account": Account::Vault.id(),
        "effect": "access-denied",
    } });
    let answer = scrape::post(&address, "/_amiferry/faults", &fault.to_string());
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    for command in ["audit", "status"] {
        let ended = simulator.run(&[command, "--output", "json"], &config);
        let report = ended.json();
        let why = report["not_assessed"][0]["reason"].as_str().unwrap();
        assert!(why.contains("s3:ListObjectVersions"), "{report:#}");
        let mut wrong = simulator.command(Account::Source);
        wrong.args([command, "--config"]).arg(&config);
        let wrong = simulator.spawn("wrong", &mut wrong).finish();
        assert_eq!(wrong.status, 11, "{wrong:#?}");
    }
}

#[test]
fn an_sts_that_is_silent_or_refuses_leaves_a_report_in_which_nothing_is_assessed() {
    let Some(simulator) = Simulator::with_images() else { return };
    for (effect, words) in [
        (json!("connection-refused"), "proxy (HTTPS_PROXY, NO_PROXY)"),
        (json!("empty-body"), "let the proxy or firewall in between pass"),
        (
            json!({ "refuse": { "status": 403, "code": "InvalidClientTokenId" } }),
            "enable the Region for that account, or STS in that Region",
        ),
    ] {
        let fault = json!({ "fault": {
            "service": "sts", "operation": "GetCallerIdentity", "account": Account::Vault.id(),
            "effect": effect,
        } });
        simulator.steer("faults", &fault);
        for command in [&["audit"][..], &["status"], &["status", "--family", "orders-db"]] {
            let json = [command, &["--output", "json"]].concat();
            let ended = simulator.run(&json, &simulator.config());
            assert_eq!(ended.status, 3, "{effect}: {ended:#?}");
            let report = ended.json();
            let unknown = &report["not_assessed"][0];
            assert_eq!(unknown["source_account"], "111111111111", "{report:#}");
            let why = unknown["reason"].as_str().unwrap();
            assert!(why.contains("sts:GetCallerIdentity") && why.contains(words), "{why}");
            let table = simulator.run(command, &simulator.config());
            assert_eq!(table.status, 3, "{effect}: {table:#?}");
            assert!(table.stdout.contains("Not everything could be assessed."), "{table:#?}");
        }
        simulator.heal();
    }
}

#[test]
fn the_served_page_ends_with_status_11_for_another_account_or_without_credentials() {
    let Some(simulator) = Simulator::start() else { return };
    let serve = ["status", "--serve", "127.0.0.1:0", "--config"];
    let mut wrong = simulator.command(Account::Source);
    wrong.args(serve).arg(simulator.config());
    let wrong = simulator.spawn("wrong", &mut wrong).finish();
    assert_eq!(wrong.status, 11, "{wrong:#?}");
    assert!(wrong.stderr.contains("credentials of account 111111111111"), "{wrong:#?}");
    for command in [&serve[..], &["status", "--config"]] {
        let mut none = simulator.command(Account::Vault);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            none.env_remove(name);
        }
        none.args(command).arg(simulator.config());
        let none = simulator.spawn("none", &mut none).finish();
        assert_eq!(none.status, 11, "{none:#?}");
    }
}

#[test]
fn what_only_a_running_worker_was_refused_is_in_a_report_that_asks_it_and_else_said_to_be_missing()
{
    let Some(simulator) = Simulator::start() else { return };
    simulator.steer(
        "faults",
        &json!({ "fault": {
            "service": "ec2", "operation": "CreateRestoreImageTask",
            "account": Account::Vault.id(), "effect": "access-denied",
        } }),
    );
    let config = simulator.config();
    let source = simulator.worker(Role::Source, &config);
    let target = simulator.worker(Role::Target, &config);
    let image = image::register(&simulator, "app-1", "app");
    let worker = format!("http://{}", scrape::address(&target));
    let report = wait::until("the refused restore", || {
        let asked = ["audit", "--output", "json", "--worker", &worker];
        let report = simulator.run(&asked, &config).json();
        (report["recovery_points"][0]["state"] == "parked").then_some(report)
    });
    let point = &report["recovery_points"][0];
    assert_eq!((&point["source_image_id"], &point["code"]), (&json!(image), &json!("denied")));
    assert!(point["failed_attempts"].as_u64() >= Some(1), "{report:#}");
    assert!(point["next_try"].is_string(), "{report:#}");
    assert!(report["workers"][0]["answered_at"].is_string(), "{report:#}");
    let heard = simulator.run(&["status", "--worker", &worker], &config);
    assert!(heard.stdout.contains("The target worker answered"), "{heard:#?}");
    assert!(heard.stdout.contains("1 recovery point is parked"), "{heard:#?}");
    drop((source, target));
    let alone = simulator.run(&["status", "--worker", &worker], &config);
    assert!(alone.stdout.contains("No target worker answered"), "{alone:#?}");
    assert_eq!(alone.status, heard.status, "{alone:#?}");
    let wrong = simulator.run(&["status", "--worker", "https://worker/"], &config);
    assert_eq!(wrong.status, 2, "{wrong:#?}");
    assert!(wrong.stderr.contains("write http://HOST:PORT"), "{wrong:#?}");
}

#[test]
fn a_refused_store_is_in_a_report_that_asks_the_source_worker_and_else_said_to_be_unknown() {
    let Some(simulator) = Simulator::start() else { return };
    simulator.steer(
        "faults",
        &json!({ "fault": {
            "service": "ec2", "operation": "CreateStoreImageTask",
            "account": Account::Source.id(), "effect": "access-denied",
        } }),
    );
    let config = simulator.config();
    let source = simulator.worker(Role::Source, &config);
    let image = image::register(&simulator, "app-1", "app");
    let worker = format!("http://{}", scrape::address(&source));
    let asked = |workers: &[&str]| {
        let arguments = [&["audit", "--output", "json"][..], workers].concat();
        simulator.run(&arguments, &config).json()
    };
    let report = wait::until("the refused store", || {
        let report = asked(&["--worker", &worker]);
        (report["recovery_points"][0]["state"] == "parked").then_some(report)
    });
    let point = &report["recovery_points"][0];
    assert_eq!((&point["source_image_id"], &point["code"]), (&json!(image), &json!("denied")));
    assert_eq!(report["source_workers"][0]["source_account"], Account::Source.id(), "{report:#}");
    drop(source);
    let report = asked(&["--worker", &worker]);
    assert_eq!(report["recovery_points"][0]["code"], "not_staged", "{report:#}");
    let alone = simulator.run(&["status", "--worker", &worker], &config);
    assert!(alone.stdout.contains("1 image is not staged yet"), "{alone:#?}");
}

#[test]
fn an_image_that_cannot_be_read_is_not_assessed_under_its_id() {
    let Some(simulator) = Simulator::start() else { return };
    let address = simulator.endpoint().trim_start_matches("http://").to_owned();
    let image = "ami-0123456789abcdef0";
    let fault = json!({ "fault": {
        "service": "ec2", "operation": "DescribeImages", "region": "us-east-1",
        "effect": { "edit": { "add": format!("<item><imageId>{image}</imageId></item>") } },
    } });
    let answer = scrape::post(&address, "/_amiferry/faults", &fault.to_string());
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    for command in ["audit", "status"] {
        let ended = simulator.run(&[command, "--output", "json"], &simulator.config());
        assert_eq!(ended.status, 3, "{ended:#?}");
        let not_assessed = &ended.json()["not_assessed"];
        assert_eq!(not_assessed.as_array().unwrap().len(), 1, "{not_assessed:#}");
        assert_eq!(not_assessed[0]["source_image_id"], image, "{not_assessed:#}");
        let table = simulator.run(&[command], &simulator.config());
        let line = format!("NOT ASSESSED 111111111111 us-east-1 {image}:\n");
        assert!(table.stdout.contains(&line), "{table:#?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let Some(simulator) = Simulator::start() else { return };
    for arguments in [&["audit"][..], &["audit", "-o", "json"], &["status", "-o", "csv"]] {
        let mut command = simulator.command(Account::Vault);
        command.args(arguments).arg("--config").arg(simulator.config());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        // Nothing is promised in an empty world, so nothing is kept.
        assert_eq!(ended.status.code(), Some(3), "{arguments:?}: {ended:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{arguments:?}");
    }
}

#[test]
fn tables_have_no_row_wider_than_80_columns_and_end_with_what_to_do() {
    let Some(simulator) = Simulator::with_images() else { return };
    for command in ["status", "audit"] {
        let ended = simulator.run(&[command], &simulator.config());
        assert_eq!(ended.status, 20, "{ended:#?}");
        assert!(!ended.stdout.contains('\u{1b}'), "no terminal, no colours: {ended:#?}");
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(ended.stdout.contains("\n1 of 5 families breaks its RPO.\n"), "{ended:#?}");
        assert!(ended.stdout.contains("\nNext:\n- web in us-west-2 is "), "{ended:#?}");
        assert!(ended.stdout.contains(" orders-db-17 "), "names beside ids: {ended:#?}");
    }
    // Nothing else is wider either, but for a word that is, which has a line of its own at the left.
    let is_long_word = |line: &str| {
        let word = line.trim_start();
        !word.contains(' ') && line.len() - word.len() <= 4
    };
    for arguments in [
        &["show", "web"][..],
        &["show", "orders-db-*"],
        &["explain", "too_large"],
        &["explain", "manifest_unreadable"],
        &["retry", "all", "--dry-run"],
        &["check"],
        &["plan"],
    ] {
        let ended = simulator.run(arguments, &simulator.config());
        assert!(!ended.stdout.is_empty(), "{ended:#?}");
        // A statement is pasted as it is.
        for line in ended.stdout.lines().filter(|line| !line.contains('"')) {
            assert!(line.chars().count() <= 80 || is_long_word(line), "{arguments:?}: {line}");
        }
    }
}

#[test]
fn filters_narrow_rows_and_status_and_a_wrong_name_lists_the_choices() {
    let Some(simulator) = Simulator::with_images() else { return };
    let config = simulator.config();
    let run = |arguments: &[&str]| simulator.run(arguments, &config);
    let others = run(&["audit", "--family", "orders*", "--family", "analytics", "-o", "json"]);
    assert_eq!(others.status, 0, "the broken family is not asked for: {others:#?}");
    let report = others.json();
    let families = report["families"].as_array().unwrap();
    assert_eq!(families.len(), 2, "{report:#}");
    let state = run(&["status", "--state", "unprotected", "-o", "csv"]);
    assert_eq!(state.status, 20, "{state:#?}");
    assert_eq!(state.stdout.lines().count(), 2, "{state:#?}");
    let wrong = run(&["status", "--policy", "glod"]);
    assert_eq!((wrong.status, wrong.stdout.as_str()), (1, ""), "{wrong:#?}");
    for word in ["no policy matches glod", "gold", "silver", "archive"] {
        assert!(wrong.stderr.contains(word), "{word} is not in {wrong:#?}");
    }
    let rows = run(&["audit", "-o", "csv", "--rows", "left-out", "--source", "us-east-1"]);
    assert!(rows.stdout.contains("\"paravirtual\""), "{rows:#?}");
    assert!(rows.stdout.contains("\"'111111111111\""), "{rows:#?}");
}

#[test]
fn show_prints_everything_about_one_image_or_family() {
    let Some(simulator) = Simulator::with_images() else { return };
    let config = simulator.config();
    let family = simulator.run(&["show", "web", "-o", "json"], &config);
    assert_eq!(family.status, 20, "{family:#?}");
    let about = family.json();
    assert_eq!(about["families"].as_array().unwrap().len(), 1, "{about:#}");
    let image = about["rejected"][0]["source_image_id"].as_str().unwrap().to_owned();
    for name in [image.as_str(), "web-legacy-pv"] {
        let shown = simulator.run(&["show", name], &config);
        for part in [&format!("LEFT OUT {image}"), "FAMILY web", "to do        rebuild the image"] {
            assert!(shown.stdout.contains(part), "{part} is not in {shown:#?}");
        }
    }
    let unknown = simulator.run(&["show", "wbe"], &config);
    assert_eq!((unknown.status, unknown.stdout.as_str()), (1, ""), "{unknown:#?}");
    assert!(unknown.stderr.contains("no image and no family is called wbe"), "{unknown:#?}");
}

//! The workers' logs tell one story for each recovery point, and every line can be searched.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::iam::{self, RoleSpec};
use amiferry_simulator::kms::{self, KeyState};
use amiferry_simulator::landscape::READ_ROLE;
use jiff::Timestamp;

use crate::stage::images::But;
use crate::stage::story::{self, Line, is_shown, lines, number, text, with_message};
use crate::stage::{Fault, Mishap, Options, Role, Stage, hours, minutes, run_test, spec, truth};

fn kept() -> Options {
    Options { kept: true, ..Options::default() }
}

/// The story of an image as `info` tells it: who said what, and why.
fn told_of(lines: &[Line], image: &ImageId) -> Vec<String> {
    let about = |line: &&Line| text(line, "amiferry.image.id") == image.as_str() && is_shown(line);
    let told = lines.iter().filter(about).map(|line| {
        let parts = ["amiferry.worker", "message", "amiferry.reason"].map(|name| text(line, name));
        parts.join(" ").trim_end().to_owned()
    });
    told.collect()
}

/// Holds every line to what the page about logs promises, and the times to each other.
fn assert_sound(stage: &Stage) {
    assert_eq!(story::wrongs(stage), [""; 0]);
    for line in with_message(&lines(stage), "attempt failed") {
        let at = |name| text(line, name).parse::<Timestamp>().unwrap();
        assert!(at("amiferry.retry.at") > at("timestamp"), "{line:#?}");
    }
}

#[test]
fn an_undisturbed_image_is_told_of_step_by_step_each_once() {
    run_test(kept(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.pass(hours(3)).await;
        let lines = lines(stage);
        assert_sound(stage);
        let story = told_of(&lines, &id);
        let of = |worker: &str| -> Vec<&str> {
            story.iter().filter_map(|told| told.strip_prefix(worker)).collect()
        };
        assert_eq!(
            of("source "),
            [
                "recovery point seen",
                "store started",
                "waiting store_running",
                "no longer waiting store_running",
                "recovery point done staged",
            ]
        );
        assert_eq!(
            of("target "),
            [
                "recovery point seen",
                "waiting not_staged",
                "no longer waiting not_staged",
                "copy started",
                "copy completed",
                "restore started",
                "waiting restore_running",
                "no longer waiting restore_running",
                "protection set",
                "manifest in place",
                "recovery point done complete",
            ]
        );
        let restored = &truth::restored(stage, &id)[0];
        for message in ["restore started", "protection set"] {
            let line = with_message(&lines, message)[0];
            assert_eq!(text(line, "amiferry.restored.image.id"), restored.id.as_str(), "{line:#?}");
        }
        let copied = with_message(&lines, "copy completed")[0];
        assert!(number(copied, "amiferry.copy.bytes") > 0, "{copied:#?}");
        assert!(copied["amiferry.duration_s"].as_f64().unwrap() > 0.0, "{copied:#?}");
        for line in lines.iter().filter(|line| line.contains_key("amiferry.policy")) {
            assert_eq!(text(line, "amiferry.family"), "web", "{line:#?}");
        }
    });
}

#[test]
fn recovery_points_that_interleave_keep_their_own_ids() {
    run_test(kept(), async |stage| {
        let mut families = BTreeMap::new();
        for family in ["web", "orders-db"] {
            for n in 0..3 {
                let id = stage.image(spec(family, &format!("{family}-{n}"), &[8]));
                families.insert(id.to_string(), family);
            }
        }
        stage.start_both();
        stage.complete_within(hours(2)).await;
        let lines = lines(stage);
        assert_sound(stage);
        let mut told = BTreeMap::new();
        for line in lines.iter().filter(|line| line.contains_key("amiferry.image.id")) {
            let id = text(line, "amiferry.image.id");
            if let Some(family) = line.get("amiferry.family") {
                assert_eq!(family, families[id], "{line:#?}");
            }
            let key = text(line, "aws.s3.key");
            assert!(key.is_empty() || key.contains(id), "{line:#?}");
            if text(line, "message") == "restore started" {
                let restored = text(line, "amiferry.restored.image.id").to_owned();
                assert!(told.insert(restored, id.to_owned()).is_none(), "{line:#?}");
            }
        }
        assert_eq!(told.len(), families.len());
        for (restored, id) in told {
            let id: ImageId = id.parse().unwrap();
            assert_eq!(truth::restored(stage, &id)[0].id.as_str(), restored);
        }
        let copies = lines.iter().filter(|line| text(line, "amiferry.stage") == "copy");
        let copies: Vec<&str> = copies.map(|line| text(line, "amiferry.image.id")).collect();
        let mut turns = copies.clone();
        turns.dedup();
        assert!(turns.len() > families.len(), "no two copies overlap: {copies:?}");
    });
}

#[test]
fn a_failed_attempt_is_one_line_with_its_reason_its_call_and_when_it_is_tried_again() {
    run_test(kept(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.wire.upset("source", Fault::first("CreateStoreImageTask", Mishap::RequestLost));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let lines = lines(stage);
        assert_sound(stage);
        let failures: Vec<&Line> =
            lines.iter().filter(|line| line.contains_key("error.type")).collect();
        assert_eq!(failures.len(), 1, "{failures:#?}");
        let line = failures[0];
        for (name, value) in [
            ("level", "INFO"),
            ("message", "attempt failed"),
            ("amiferry.image.id", id.as_str()),
            ("amiferry.stage", "store"),
            ("amiferry.reason", "settling"),
            ("error.type", "outcome_unknown"),
            ("amiferry.error.code", "NoAnswer"),
            ("rpc.service", "ec2"),
            ("rpc.method", "CreateStoreImageTask"),
        ] {
            assert_eq!(text(line, name), value, "{name}: {line:#?}");
        }
        assert_eq!(number(line, "amiferry.attempt"), 1);
        let started = with_message(&lines, "store started");
        assert_eq!(started.len(), 1);
        assert_eq!(number(started[0], "amiferry.attempt"), 2, "{:#?}", started[0]);
    });
}

#[test]
fn as_many_failures_are_logged_as_the_metrics_count_and_the_fifth_in_a_row_is_a_warning() {
    run_test(kept(), async |stage| {
        stage.image(spec("web", "web-1", &[8]));
        let lost =
            |operation, times| Fault { times, ..Fault::first(operation, Mishap::RequestLost) };
        stage.wire.upset("target", lost("CreateMultipartUpload", 24));
        stage.wire.upset("target", lost("PutObject", 2));
        stage.start_both();
        stage.complete_within(hours(6)).await;
        let lines = lines(stage);
        assert_sound(stage);
        // As many as the metrics count, by `assert_sound`.
        let failed = with_message(&lines, "attempt failed");
        let of_copies: Vec<(u64, &str)> = failed
            .iter()
            .filter(|line| text(line, "amiferry.stage") == "copy")
            .map(|line| (number(line, "amiferry.attempt"), text(line, "level")))
            .collect();
        for (at, (attempt, level)) in of_copies.iter().enumerate() {
            assert_eq!(*attempt, at as u64 + 1, "{of_copies:?}");
            let expected = match attempt {
                5 => "WARN",
                1..5 => "INFO",
                _ => "DEBUG",
            };
            assert_eq!(*level, expected, "{of_copies:?}");
        }
        assert!(of_copies.len() > 6, "{of_copies:?}");
    });
}

#[test]
fn parked_work_is_told_once_however_often_it_is_looked_at_and_once_more_when_it_goes_on() {
    run_test(kept(), async |stage| {
        let key = stage.landscape.vault_key.clone();
        kms::set_key_state(&mut stage.world.lock(), &key, KeyState::Disabled).unwrap();
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.until_parked(Role::Target, Code::KeyUnusable, minutes(30)).await;
        stage.pass(hours(6)).await;
        let shown = |stage: &Stage| -> Vec<String> {
            told_of(&lines(stage), &id).into_iter().filter(|told| told.contains("parked")).collect()
        };
        assert_eq!(shown(stage), ["target parked key_unusable"]);
        let warned = lines(stage);
        let line = with_message(&warned, "parked")[0];
        assert_eq!(text(line, "level"), "WARN");
        assert!(!text(line, "amiferry.remedy").is_empty(), "{line:#?}");
        kms::set_key_state(&mut stage.world.lock(), &key, KeyState::Enabled).unwrap();
        stage.complete_within(hours(2)).await;
        assert_eq!(
            shown(stage),
            ["target parked key_unusable", "target no longer parked key_unusable"]
        );
        assert_sound(stage);
    });
}

#[test]
fn a_source_that_refuses_every_look_is_told_in_few_lines_and_so_is_the_end_of_it() {
    run_test(kept(), async |stage| {
        for n in 0..20 {
            stage.image(spec("web", &format!("web-{n}"), &[8]));
        }
        let role = |permissions_json| RoleSpec {
            name: READ_ROLE,
            trust_json: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#,
            permissions_json,
            max_session: 3600,
        };
        let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        let enough = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}"#;
        let account = stage.landscape.source.0.clone();
        let set = |stage: &Stage, policy| {
            iam::create_role(&mut stage.world.lock(), &account, &role(policy)).unwrap();
        };
        set(stage, nothing);
        stage.start_both();
        stage.pass(hours(3)).await;
        let during = lines(stage);
        assert_sound(stage);
        let loud = during.iter().filter(|line| {
            text(line, "amiferry.worker") == "target" && text(line, "level") == "WARN"
        });
        let loud: Vec<String> = loud
            .map(|line| format!("{} {}", text(line, "message"), text(line, "amiferry.image.id")))
            .collect();
        let different: BTreeSet<&String> = loud.iter().collect();
        assert!(!loud.is_empty(), "the log says nothing of it");
        assert_eq!(different.len(), loud.len(), "told again without any news: {loud:#?}");
        set(stage, enough);
        stage.complete_within(hours(3)).await;
        let after = lines(stage);
        assert_eq!(with_message(&after, "source assessed again").len(), 1);
    });
}

#[test]
fn a_refused_message_is_one_line_with_a_bounded_body_and_no_second_try() {
    run_test(kept(), async |stage| {
        stage.start_both();
        stage.send(Role::Target, format!("{{{}\n\u{1b}[31m", "x".repeat(50_000)));
        stage.pass(hours(2)).await;
        let lines = lines(stage);
        assert_sound(stage);
        let refused = with_message(&lines, "message quarantined");
        assert_eq!(refused.len(), 1);
        let line = refused[0];
        assert_eq!((text(line, "level"), text(line, "amiferry.worker")), ("WARN", "target"));
        assert_eq!(text(line, "amiferry.reason"), "not_json");
        assert!(text(line, "amiferry.message.body").chars().count() <= 1_024);
        assert!(!line.contains_key("amiferry.retry.at"));
    });
}

#[test]
fn in_an_outage_the_log_says_that_looking_fails_and_that_it_works_again_and_little_else() {
    run_test(kept(), async |stage| {
        for n in 0..30 {
            stage.image(spec("web", &format!("web-{n}"), &[8]));
        }
        stage.start_both();
        stage.pass(minutes(2)).await;
        let all = Fault::every(Mishap::RequestLost);
        for who in ["source", "target"] {
            stage.wire.upset(who, all.clone());
        }
        let before = lines(stage).len();
        stage.pass(hours(2)).await;
        let during = lines(stage)[before..].to_vec();
        assert_sound(stage);
        let shown: Vec<&Line> = during.iter().filter(|line| is_shown(line)).collect();
        let warned = shown.iter().filter(|line| text(line, "level") == "WARN");
        let warned: Vec<&str> = warned.map(|line| text(line, "message")).collect();
        for what in ["looking fails", "receiving from the queue fails"] {
            assert!(warned.contains(&what), "{warned:?}");
        }
        // Five failures of each recovery point are told, by each worker, and a few of the loops.
        assert!(shown.len() <= 2 * (30 * 5 + 20), "{} lines in two hours", shown.len());
        stage.wire.mend();
        stage.complete_within(hours(6)).await;
        let after = lines(stage);
        assert_eq!(with_message(&after, "receiving from the queue works again").len(), 2);
    });
}

#[test]
fn a_backlog_that_waits_for_quota_and_calls_is_told_in_few_lines_of_each_image() {
    let mut options = Options { kept: true, ..Options::default() };
    options.configure = |config| config.workers.part_size_mib = 4_096.try_into().ok();
    run_test(options, async |stage| {
        for n in 0..150 {
            stage.image(spec("web", &format!("web-{n}"), &[20]).unannounced());
        }
        stage.start_both();
        stage.complete_within(hours(24)).await;
        let mut told = BTreeMap::<String, u64>::new();
        let mut waits = BTreeMap::<(String, String), u64>::new();
        for line in lines(stage).iter().filter(|line| is_shown(line)) {
            let name = |name| text(line, name).to_owned();
            *told.entry(name("amiferry.image.id")).or_default() += 1;
            let what = format!("{} {}", name("message"), name("amiferry.reason"));
            *waits.entry((name("amiferry.worker"), what)).or_default() += 1;
        }
        told.remove("");
        assert_eq!(told.len(), 150);
        let most = told.values().max().unwrap();
        assert!(*most <= 24, "{most} lines of one image; in all {waits:#?}");
    });
}

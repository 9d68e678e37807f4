//! What a line looks like in both forms, what the filter lets through, and what spans add.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use amiferry_core::ports::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::*;
use crate::metrics::{Stage, Worker};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        "2026-01-02T03:04:05.0678Z".parse().unwrap()
    }
}

/// What is written while something is logged, write by write.
fn written(format: LogFormat, filter: &str, colour: bool, log: impl FnOnce()) -> Vec<String> {
    let writes = Written::default();
    let writer = writes.clone();
    let writer = BoxMakeWriter::new(move || writer.clone());
    let dispatch = scoped(format, filter, colour, writer, Arc::new(Stopped)).unwrap();
    tracing::dispatcher::with_default(&dispatch, log);
    let writes = writes.0.lock().unwrap().clone();
    writes.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn subject() -> Subject {
    Subject {
        source_account: "111111111111".parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        image: "ami-0123456789abcdef0".parse().unwrap(),
        target_region: Some("us-west-2".parse().unwrap()),
        governed: Some(("gold".to_owned(), "orders db".to_owned())),
    }
}

#[test]
fn a_thread_without_a_log_does_not_speak_for_one_that_has_one() {
    let say = || tracing::info!("said");
    let lines = written(LogFormat::Human, "info", false, || {
        std::thread::spawn(say).join().unwrap();
        say();
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// One line of a step, in all its spans.
fn step() {
    let _worker = of_worker(Worker::Target).entered();
    let span = stage(&recovery_point(3, subject), Stage::Copy);
    let _stage = span.entered();
    tracing::Span::current().record("amiferry.copy.bytes", 1_024_u64);
    tracing::info!(amiferry.duration_s = 1.5, "copy completed");
}

#[test]
fn a_json_line_is_one_object_with_the_fields_of_its_spans_and_of_the_event() {
    let lines = written(LogFormat::Json, "info", false, step);
    assert_eq!(lines.len(), 1, "one write for a line");
    assert!(lines[0].ends_with("}\n") && lines[0].starts_with("{\"timestamp\""), "{lines:?}");
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    let expected = json!({
        "timestamp": "2026-01-02T03:04:05.067Z",
        "level": "INFO",
        "message": "copy completed",
        "target": "amiferry_service::telemetry::tests",
        "amiferry.worker": "target",
        "amiferry.source.account.id": "111111111111",
        "amiferry.source.region": "us-east-1",
        "amiferry.image.id": "ami-0123456789abcdef0",
        "amiferry.target.region": "us-west-2",
        "amiferry.policy": "gold",
        "amiferry.family": "orders db",
        "amiferry.attempt": 3,
        "amiferry.stage": "copy",
        "amiferry.copy.bytes": 1_024,
        "amiferry.duration_s": 1.5,
    });
    assert_eq!(line, expected);
}

#[test]
fn a_line_for_people_says_what_happened_first_and_names_no_amiferry() {
    let lines = written(LogFormat::Human, "info", false, step);
    let expected = "2026-01-02T03:04:05.067Z  INFO copy completed duration_s=1.5 worker=target \
                    source.account.id=111111111111 source.region=us-east-1 \
                    image.id=ami-0123456789abcdef0 target.region=us-west-2 policy=gold \
                    family=\"orders db\" attempt=3 stage=copy copy.bytes=1024\n";
    assert_eq!(lines, [expected]);
}

#[test]
fn a_field_of_the_event_and_of_inner_spans_replaces_that_of_outer_ones() {
    let lines = written(LogFormat::Json, "info", false, || {
        let _outer = recovery_point(1, subject).entered();
        let _inner = recovery_point(2, subject).entered();
        tracing::info!("from the span");
        tracing::info!(amiferry.attempt = 7, "from the event");
    });
    for (line, attempt) in lines.iter().zip(["\"amiferry.attempt\":2", "\"amiferry.attempt\":7"]) {
        assert!(line.contains(attempt), "{line}");
        assert_eq!(line.matches("amiferry.attempt").count(), 1, "{line}");
    }
}

#[test]
fn nothing_in_a_value_begins_a_line_or_steers_a_terminal() {
    let hostile = "a\nERROR forged \u{1b}[31m \u{202e}\"x=1";
    for format in [LogFormat::Human, LogFormat::Json] {
        let lines = written(format, "info", false, || {
            tracing::info!(amiferry.detail = hostile, "{hostile}");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].matches('\n').count(), 1, "{lines:?}");
        assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
    }
    let lines = written(LogFormat::Human, "info", false, || {
        tracing::info!(amiferry.detail = hostile, "text");
    });
    assert!(lines[0].contains(r#"detail="a\nERROR forged \u{1b}[31m \u{202e}\"x=1""#), "{lines:?}");
    assert!(!lines[0].contains('\u{202e}'), "{lines:?}");
}

#[test]
fn a_json_line_escapes_what_no_reader_would_see_and_keeps_it() {
    let hidden = "a\u{9b}\u{202e}\u{200b}\u{a0}\u{890}\u{110bd}\u{13430}\u{1bca0}z";
    let lines = written(LogFormat::Json, "info", false, || {
        tracing::info!(amiferry.detail = hidden, "text");
    });
    let escaped = r"a\u009b\u202e\u200b\u00a0\u0890\ud804\udcbd\ud80d\udc30\ud82f\udca0z";
    assert!(lines[0].is_ascii() && lines[0].contains(escaped), "{lines:?}");
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["amiferry.detail"], hidden);
}

#[test]
fn a_family_which_anybody_may_name_is_shown_as_it_is_and_cut() {
    let lines = written(LogFormat::Json, "info", false, || {
        let family = format!("a\u{202e}{}", "x".repeat(1_000));
        let governed = Some(("gold".to_owned(), family));
        let _span = recovery_point(1, || Subject { governed, ..subject() }).entered();
        tracing::info!("seen");
    });
    assert!(lines[0].contains(r"a\\u{202e}xx") && lines[0].len() < 1_000, "{lines:?}");
}

#[test]
fn colours_are_there_when_asked_for_and_only_for_people() {
    assert!(written(LogFormat::Human, "info", true, step)[0].contains("\u{1b}[32m INFO"));
    assert!(!written(LogFormat::Human, "info", false, step)[0].contains('\u{1b}'));
    assert!(!written(LogFormat::Json, "info", true, step)[0].contains('\u{1b}'));
}

#[test]
fn a_terminal_has_colours_unless_they_are_declined_and_nothing_else_has_any() {
    let env = |value: &str| BTreeMap::from([("NO_COLOR".to_owned(), value.to_owned())]);
    assert!(in_colour(true, &BTreeMap::new()) && in_colour(true, &env("")));
    assert!(!in_colour(true, &env("1")) && !in_colour(false, &BTreeMap::new()));
    let dumb = BTreeMap::from([("TERM".to_owned(), "dumb".to_owned())]);
    assert!(!in_colour(true, &dumb));
}

#[test]
fn the_filter_decides_and_libraries_are_quiet_unless_it_names_them() {
    let talk = || {
        tracing::debug!("detail");
        tracing::info!(target: "hyper::client", "connected");
    };
    let shown = |filter| written(LogFormat::Human, filter, false, talk).concat();
    assert_eq!(shown("info"), "");
    assert!(shown("debug").contains("detail") && !shown("debug").contains("connected"));
    assert!(shown("info,hyper=info").contains("connected"));
    assert_eq!(shown("error"), "");
    assert_eq!(shown("off"), "");
}

#[test]
fn an_error_carries_its_ids_whatever_else_the_filter_leaves_out() {
    for filter in ["error", "warn", "amiferry_service=error", "amiferry=error"] {
        let lines = written(LogFormat::Json, filter, false, || {
            let _span = recovery_point(1, subject).entered();
            tracing::error!("broken");
        });
        assert!(lines[0].contains("ami-0123456789abcdef0"), "{filter}: {lines:?}");
    }
}

#[test]
fn where_nothing_is_logged_no_role_is_asked_for_ids() {
    for filter in ["off", " off, OFF "] {
        let lines = written(LogFormat::Json, filter, false, || {
            recovery_point(1, || panic!("asked for ids")).in_scope(|| tracing::error!("broken"));
        });
        assert_eq!(lines, [""; 0]);
    }
}

#[test]
fn a_bad_filter_is_refused_with_its_text_and_what_would_do() {
    for bad in ["amiferry=loud", "inof", "info,wran", "=", "amiferry_service=debug=info", "12"] {
        let refused = filter::read(bad).unwrap_err().to_string();
        assert!(refused.contains(&format!("{bad:?}")), "{refused}");
        assert!(refused.contains("AMIFERRY_LOG"), "{refused}");
    }
    for good in
        ["info", "WARN", "off", "info,amiferry_service=debug", "amiferry_aws", "h2=info", ""]
    {
        assert!(filter::read(good).is_ok(), "{good}");
    }
}

#[test]
fn names_are_dotted_lower_case_and_each_is_there_once() {
    let mut names = BTreeMap::new();
    for field in FIELDS {
        let fits = |c: char| c.is_ascii_lowercase() || "._".contains(c) || c.is_ascii_digit();
        assert!(field.name.chars().all(fits), "{}", field.name);
        assert!(field.given == Given::Always || field.name.contains('.'), "{}", field.name);
        assert!(!field.meaning.ends_with('.'), "{}", field.name);
        assert!(names.insert(field.name, field).is_none(), "{} twice", field.name);
    }
}

/// What a log at `trace`, of every library too, has of some lines.
fn traced(log: impl FnOnce()) -> String {
    let every = "trace,aws_smithy_runtime=trace,aws_sdk_s3=trace,hyper=trace";
    written(LogFormat::Json, every, false, log).concat()
}

#[test]
fn requests_and_answers_of_the_sdk_are_in_no_log() {
    let log = traced(|| {
        tracing::trace!(target: "aws_smithy_runtime::client", request = "canary", "transmitting");
        tracing::trace!(target: "aws_sigv4::http_request::sign", request = "canary", "signing");
        tracing::debug!(target: "aws_smithy_runtime::client", "attempt begins");
        tracing::trace!(target: "hyper::client", "connection opened");
        tracing::trace!("our own");
    });
    assert!(!log.contains("canary"), "{log}");
    for line in ["attempt begins", "connection opened", "our own"] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn a_librarys_text_with_a_secret_in_it_is_left_out() {
    for text in [
        "<SecretAccessKey>canary",
        "{\\\"SecretAccessKey\\\": \\\"canary",
        "Credentials { secret_access_key: canary",
        "<SessionToken>canary",
        "session_token: Some(canary)",
        "x-amz-security-token: canary",
        "X-Amz-Security-Token=canary",
        "Action=AssumeRole&ExternalId=canary",
        "external_id: Some(canary)",
        "Authorization: Bearer canary",
        "headers: {\"authorization\": \"Basic canary\"}",
    ] {
        let log = traced(|| {
            let around = tracing::error_span!(target: "aws_config", "around", held = text);
            let _around = around.entered();
            tracing::warn!(target: "aws_config::meta", error = %text, number = 7, "fails");
            tracing::warn!(target: "hyper", "fails too: {text}");
        });
        assert!(!log.contains("canary"), "{text}: {log}");
        for part in ["\"fails\"", "\"number\":7", withheld::LEFT_OUT] {
            assert!(log.contains(part), "{part}: {log}");
        }
    }
    let plain = "sts:AssumeRole is not authorized: UnauthorizedOperation (status 403)";
    let log = traced(|| tracing::warn!(target: "aws_config", error = plain, "refused"));
    assert!(log.contains(plain), "{log}");
}

#[test]
fn a_librarys_warning_is_in_words_and_shows_no_value_of_its_program() {
    let token = "an error occurred while loading credentials: failed to load IMDS session token";
    let debug =
        "(ProviderError(ProviderError { source: FailedToLoadToken(Some(SdkBody { inner: 1 })) }))";
    for (written, shown) in [
        (format!("{token} {debug}"), token),
        (format!("the body: Some({token:?})"), "the body"),
        ("Some(\"x\")".to_owned(), withheld::FOR_PROGRAMMERS),
        ("IMDS answers (403)".to_owned(), "IMDS answers (403)"),
        ("{ \"a\": [1] }".to_owned(), "{ \\\"a\\\": [1] }"),
        ("ÄUnknown(ß)".to_owned(), "Ä"),
    ] {
        let log = traced(|| {
            tracing::warn!(target: "aws_config::meta", error = %written, "fails");
            tracing::warn!(target: "hyper", "{written}");
        });
        assert!(!log.contains("{ source:") && !log.contains("Some("), "{log}");
        assert_eq!(log.matches(&format!(":\"{shown}\"")).count(), 2, "{shown}: {log}");
        // At the levels of programmers all of it is there.
        let log = traced(|| tracing::debug!(target: "hyper", "{}", written.replace('"', "")));
        assert!(log.contains(&written.replace('"', "")), "{log}");
    }
}

//! What is found for what AWS lists.

use super::*;
use crate::check::Level;
use crate::span::Span;

const STORE: &str = "CreateStoreImageTask request bucket";

fn region() -> Region {
    "us-west-2".parse().unwrap()
}

fn quota(name: &str, value: impl Into<Option<f64>>) -> ListedQuota {
    ListedQuota { name: name.to_owned(), value: value.into() }
}

/// The two quotas on stores as the guide names them.
fn pair(capacity: f64, rate: f64) -> Vec<ListedQuota> {
    let (capacity, rate) = (Some(capacity), Some(rate));
    vec![
        quota(&format!("{STORE} maximum capacity"), capacity),
        quota(&format!("{STORE} refill rate"), rate),
    ]
}

fn rate(burst: u32, milliseconds: u64) -> CallRate {
    CallRate { burst, refill: Span::from_millis(milliseconds) }
}

fn found(calls: CallRate, quotas: &[ListedQuota]) -> Finding {
    call_rate(Task::Store, &region(), calls, quotas)
}

/// The rate of the line of the configuration in a text.
fn written(text: &str) -> CallRate {
    let (_, line) = text.split_once("store_calls = ").unwrap();
    let (line, _) = line.split_once(" in [[source]]").unwrap();
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name} = ")).unwrap();
        rest.split([',', '}']).next().unwrap().trim().trim_matches('"').to_owned()
    };
    CallRate { burst: field("burst").parse().unwrap(), refill: field("refill").parse().unwrap() }
}

#[test]
fn gigabytes_are_told_as_configured_and_never_as_confirmed() {
    for (task, hop, key) in [
        (Task::Store, Hop::Store, "store_quota_gb"),
        (Task::Restore, Hop::Restore, "restore_quota_gb"),
    ] {
        let found = gigabytes(task, &region(), 700);
        assert_eq!((found.level, found.hop), (Level::Ok, hop));
        for told in ["us-west-2", "700 GB", "not confirmed by AWS"] {
            assert!(found.need.contains(told), "{told}: {found:#?}");
        }
        assert!(found.cause.contains(key), "{found:#?}");
    }
}

#[test]
fn a_rate_within_what_aws_allows_is_well_and_one_beyond_it_comes_with_the_line_that_mends_it() {
    let half = rate(50, 2_000);
    for (calls, listed, level, line) in [
        // The defaults, as configured and as AWS publishes them.
        (rate(50, 10_000), pair(50.0, 0.1), Level::Ok, None),
        // Raised by AWS, whole or in part: what could be had is told.
        (rate(50, 10_000), pair(100.0, 0.5), Level::Ok, Some(rate(100, 2_000))),
        (rate(50, 10_000), pair(50.0, 0.5), Level::Ok, Some(half)),
        (rate(20, 10_000), pair(50.0, 0.1), Level::Ok, Some(rate(50, 10_000))),
        // Beyond AWS: the line changes nothing else.
        (rate(80, 10_000), pair(50.0, 0.1), Level::Warn, Some(rate(50, 10_000))),
        (rate(50, 5_000), pair(50.0, 0.1), Level::Warn, Some(rate(50, 10_000))),
        (rate(80, 20_000), pair(50.0, 0.1), Level::Warn, Some(rate(50, 20_000))),
        (rate(20, 5_000), pair(50.0, 0.1), Level::Warn, Some(rate(20, 10_000))),
        // Rates that are no whole milliseconds are rounded to AWS's side.
        (rate(50, 1_428), pair(50.0, 0.7), Level::Warn, Some(rate(50, 1_429))),
        (rate(50, 1_429), pair(50.0, 0.7), Level::Ok, None),
        (rate(50, 3_334), pair(50.9, 0.3), Level::Ok, None),
        // AWS lists a half of it.
        (rate(80, 5_000), pair(50.0, 0.1)[..1].to_vec(), Level::Warn, Some(rate(50, 5_000))),
        (rate(50, 5_000), pair(50.0, 0.1)[..1].to_vec(), Level::Ok, None),
        (rate(80, 5_000), pair(50.0, 0.1)[1..].to_vec(), Level::Warn, Some(rate(80, 10_000))),
    ] {
        let finding = found(calls, &listed);
        assert_eq!(finding.level, level, "{calls:?}: {finding:#?}");
        let remedy = finding.remedy.as_deref().filter(|text| text.contains("store_calls"));
        assert_eq!(remedy.map(written), line, "{calls:?}: {finding:#?}");
        if let Some(line) = line {
            let mended = found(line, &listed);
            assert_eq!(mended.level, Level::Ok, "{mended:#?}");
            // A finding is followed by its words.
            assert_eq!(finding.need, call_rate_need(Task::Store, &region(), calls));
        }
    }
}

#[test]
fn names_are_recognised_whatever_their_case_and_the_words_around() {
    let calls = rate(80, 10_000);
    for (name, is_known) in [
        ("CreateStoreImageTask request bucket maximum capacity", true),
        ("createstoreimagetask REQUEST BUCKET Maximum Capacity", true),
        ("  CreateStoreImageTask\u{a0}API: maximum  capacity (tokens)", true),
        ("CreateStoreImageTasks request bucket maximum capacity", false),
        ("CreateRestoreImageTask request bucket maximum capacity", false),
        ("DescribeStoreImageTasks request bucket maximum capacity", false),
        ("CreateStoreImageTask", false),
        ("maximum capacity of CreateStoreImageTask", false),
        ("", false),
    ] {
        let level = found(calls, &[quota(name, 50.0)]).level;
        assert_eq!(level == Level::Warn, is_known, "{name}");
    }
}

#[test]
fn what_aws_does_not_list_is_told_as_not_confirmed_with_the_command_that_may_show_it() {
    let others = [quota("Running On-Demand Standard instances", 5.0)];
    for listed in [&[][..], &others] {
        let finding = found(rate(80, 2_500), listed);
        assert_eq!(finding.level, Level::Ok);
        for told in ["us-west-2", "80 calls", "every 2s 500ms"] {
            assert!(finding.need.contains(told), "{told}: {finding:#?}");
        }
        let note = finding.remedy.unwrap();
        for told in ["not confirmed by AWS", "aws service-quotas", "'CreateStoreImageTask '"] {
            assert!(note.contains(told), "{told}: {note}");
        }
        assert!(finding.cause.contains("lists no maximum capacity of"), "{}", finding.cause);
        assert!(finding.cause.contains("lists no refill rate of"), "{}", finding.cause);
    }
}

#[test]
fn a_value_without_a_meaning_confirms_nothing_and_warns_of_nothing() {
    let strange = [
        None,
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(f64::NEG_INFINITY),
        Some(-50.0),
        Some(-0.0),
        Some(0.0),
        Some(f64::MIN_POSITIVE),
        Some(1e300),
        Some(f64::MAX),
    ];
    for value in strange {
        for words in ["maximum capacity", "refill rate"] {
            let finding = found(rate(80, 2_500), &[quota(&format!("{STORE} {words}"), value)]);
            assert_eq!(finding.level, Level::Ok, "{value:?}: {finding:#?}");
            let note = finding.remedy.unwrap();
            assert!(note.contains("not confirmed by AWS"), "{value:?}: {note}");
            assert!(finding.cause.len() < 300, "{}", finding.cause);
        }
        // Beside it, what has a meaning counts.
        let mut listed = pair(50.0, 0.1);
        listed.insert(0, quota(&format!("{STORE} maximum capacity"), value));
        assert_eq!(found(rate(80, 10_000), &listed).level, Level::Warn, "{value:?}");
    }
}

#[test]
fn of_several_quotas_on_one_call_the_lowest_counts() {
    let mut listed = pair(100.0, 1.0);
    listed.extend(pair(60.0, 0.2));
    let finding = found(rate(50, 10_000), &listed);
    assert_eq!(written(&finding.remedy.unwrap()), rate(60, 5_000));
}

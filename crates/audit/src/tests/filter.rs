//! Filters and `show`: what a part of a report is.

use amiferry_core::names::SourceId;
use jiff::SignedDuration;

use super::fixture::*;
use crate::family::RpoState;
use crate::filter::{Filter, RowState};
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, State};
use crate::report::{Report, Verdict};

fn sources() -> Vec<SourceId> {
    ["111111111111", "333333333333"]
        .map(|account| SourceId {
            account: account.parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        })
        .to_vec()
}

/// `shop` is breached, `mail` pending with a parked image, `web ` of another account kept; one
/// image of `shop` and all of another source are not what they should be.
fn report() -> Report {
    let hours = SignedDuration::from_hours;
    let of =
        |family: &str, point: RecoveryPoint| RecoveryPoint { family: family.to_owned(), ..point };
    let elsewhere = RecoveryPoint {
        source_account: "333333333333".parse().unwrap(),
        restored_image_id: Some("ami-0000000c".parse().unwrap()),
        ..point(3, hours(1), State::Complete)
    };
    let inventory = Inventory {
        recovery_points: vec![
            of("shop", point(1, hours(25), State::Complete)),
            of("mail", point(2, hours(1), State::Parked)),
            of("web ", elsewhere),
        ],
        rejected: vec![left_out(4, hours(1))],
        not_assessed: vec![NotAssessed {
            source_account: "333333333333".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: Some("ami-0000000d".to_owned()),
            reason: "denied".to_owned(),
        }],
        ..Inventory::default()
    };
    Report::new(inventory, &policies(), now())
}

fn names(report: &Report) -> Vec<&str> {
    report.families.iter().map(|family| family.family.as_str()).collect()
}

fn scoped(filter: &Filter) -> Result<Report, String> {
    filter.scope(report(), &sources(), &policies()).map_err(|error| error.to_string())
}

#[test]
fn a_filter_narrows_every_list_and_the_verdict() {
    let all = scoped(&Filter::default()).unwrap();
    assert_eq!(names(&all), ["mail", "shop", "web "]);
    let named = |family: &str| Filter { families: vec![family.to_owned()], ..Filter::default() };
    for (filter, families, points, left_out, verdict) in [
        (named("shop"), vec!["shop"], 1, 1, Verdict::Breached),
        (named("ma*"), vec!["mail"], 1, 0, Verdict::Partial),
        (named("web "), vec!["web "], 1, 0, Verdict::Partial),
        (named(r"web\u{20}"), vec!["web "], 1, 0, Verdict::Partial),
        (
            Filter { policies: vec!["daily".to_owned()], ..Filter::default() },
            vec!["mail", "shop", "web "],
            3,
            1,
            Verdict::Breached,
        ),
        (
            Filter { policies: vec!["weekly".to_owned()], ..Filter::default() },
            vec![],
            0,
            0,
            Verdict::Partial,
        ),
        (
            Filter { sources: vec!["333333333333".to_owned()], ..Filter::default() },
            vec!["web "],
            1,
            0,
            Verdict::Partial,
        ),
        (
            Filter {
                sources: vec!["111111111111/us-east-1".to_owned()],
                families: vec!["mail".to_owned()],
                ..Filter::default()
            },
            vec!["mail"],
            1,
            0,
            Verdict::Kept,
        ),
    ] {
        let report = scoped(&filter).unwrap();
        assert_eq!(names(&report), families, "{filter:?}");
        assert_eq!(report.recovery_points.len(), points, "{filter:?}");
        assert_eq!(report.rejected.len(), left_out, "{filter:?}");
        assert_eq!(report.verdict(), verdict, "{filter:?}");
    }
}

#[test]
fn a_name_that_matches_nothing_is_an_error_with_the_choices() {
    let wanted = |text: &str| vec![text.to_owned()];
    for (filter, message) in [
        (
            Filter { families: wanted("web"), ..Filter::default() },
            r"no family matches web; choose from: mail, shop, web\u{20}",
        ),
        (
            Filter { policies: wanted("hourly"), ..Filter::default() },
            "no policy matches hourly; choose from: daily, weekly",
        ),
        (
            Filter { sources: wanted("eu-west-1\u{202e}"), ..Filter::default() },
            r"no source matches eu-west-1\u{202e}; choose from: 111111111111/us-east-1, 333333333333/us-east-1",
        ),
    ] {
        assert_eq!(scoped(&filter).unwrap_err(), message);
    }
}

#[test]
fn a_state_selects_rows_and_hides_nothing_that_is_not_assessed() {
    let rows = |states: &[RowState]| {
        Filter { states: states.to_vec(), ..Filter::default() }.rows(report())
    };
    let breached = rows(&[RowState::Family(RpoState::Breached)]);
    assert_eq!(names(&breached), ["shop"]);
    assert!(breached.recovery_points.is_empty() && breached.rejected.is_empty());
    assert_eq!(breached.not_assessed.len(), 1);
    let open = rows(&[RowState::Point(State::Parked), RowState::LeftOut]);
    assert!(open.families.is_empty());
    assert_eq!((open.recovery_points.len(), open.rejected.len()), (1, 1));
}

#[test]
fn everything_about_one_thing_is_found_by_any_of_its_names() {
    let report = report();
    for (what, families, points, left_out) in [
        ("ami-00000001", vec!["shop"], 1, 0),
        ("ami-0000000c", vec!["web "], 1, 0),
        ("web 2", vec!["mail"], 1, 0),
        ("shop", vec!["shop"], 1, 1),
        (r"web\u{20}", vec!["web "], 1, 0),
        ("ami-00000004", vec!["shop"], 0, 1),
        ("ami-0000000d", vec![], 0, 0),
        ("*", vec!["mail", "shop", "web "], 3, 1),
    ] {
        let about = report.about(what).unwrap();
        assert_eq!(names(&about), families, "{what}");
        assert_eq!(about.recovery_points.len(), points, "{what}");
        assert_eq!(about.rejected.len(), left_out, "{what}");
    }
    assert!(report.about("web").is_none() && report.about("").is_none());
}

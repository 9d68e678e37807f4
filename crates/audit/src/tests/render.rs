//! Tables, CSV and spans: one line per row, whatever the source wrote into its tags.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::fixture::*;
use crate::inventory::{Inventory, RecoveryPoint, Rejected, State};
use crate::render::{csv, families, recovery_points, rejected, span};
use crate::report::Report;

fn named(family: &str) -> RecoveryPoint {
    let family = family.to_owned();
    RecoveryPoint { family, ..point(1, SignedDuration::from_hours(25), State::Complete) }
}

fn report(points: Vec<RecoveryPoint>) -> Report {
    let inventory = Inventory { recovery_points: points, ..Inventory::default() };
    Report::new(inventory, &policies(), now())
}

#[test]
fn spans_show_their_two_largest_units() {
    for (seconds, expected) in [
        (0, "0s"),
        (59, "59s"),
        (61, "1m 1s"),
        (3_599, "59m 59s"),
        (3_600, "1h 0m"),
        (7_260, "2h 1m"),
        (86_399, "23h 59m"),
        (86_400, "1d 0h"),
        (90_000, "1d 1h"),
        (-61, "-1m 1s"),
        (i64::MAX, "106751991167300d 15h"),
        (i64::MIN, "-106751991167300d 15h"),
    ] {
        assert_eq!(span(seconds), expected);
    }
}

#[test]
fn the_families_are_a_table_with_dashes_for_what_is_not_there() {
    let pending = point(2, SignedDuration::from_hours(1), State::Parked);
    let rows = vec![named("shop"), RecoveryPoint { family: "mail".to_owned(), ..pending }];
    assert_eq!(
        families(&report(rows)),
        "\
FAMILY  POLICY  TARGET     NEWEST COMPLETE    AGE    RPO  MARGIN  STATE
mail    daily   us-west-2  -                    -  1d 0h  23h 0m  pending
shop    daily   us-west-2  ami-00000001     1d 1h  1d 0h  -1h 0m  breached
"
    );
}

#[test]
fn the_recovery_points_are_a_table_with_the_code_of_what_is_not_complete() {
    let pending = point(2, SignedDuration::from_hours(1), State::Parked);
    assert_eq!(
        recovery_points(&[named("shop"), pending], now()),
        "\
SOURCE IMAGE  FAMILY  POLICY  TIER   TARGET     STATE                RESTORED AS    AGE
ami-00000001  shop    daily   ready  us-west-2  complete             -            1d 1h
ami-00000002  shop    daily   ready  us-west-2  parked (not_staged)  -            1h 0m
"
    );
}

#[test]
fn the_images_left_out_are_a_table_with_their_reasons() {
    assert_eq!(
        rejected(&[left_out(1, SignedDuration::from_hours(1))]),
        "\
SOURCE IMAGE  CODE         REASON
ami-00000001  paravirtual  the image is not HVM, and a store task takes no other
"
    );
}

#[test]
fn the_csv_has_one_line_per_family_under_a_fixed_header() {
    let unknown = RecoveryPoint { policy: "retired".to_owned(), ..named("shop") };
    assert_eq!(
        csv(&report(vec![named("a \"b\", c"), unknown])).unwrap(),
        "\
as_of,source_account,source_region,family,policy,target_region,state,source_image_id,\
restored_image_id,source_created_at,age_seconds,rpo_seconds,margin_seconds
2026-01-15T12:00:00Z,111111111111,us-east-1,\"a \"\"b\"\", c\",daily,us-west-2,breached,\
ami-00000001,,2026-01-14T11:00:00Z,90000,86400,-3600
2026-01-15T12:00:00Z,111111111111,us-east-1,shop,retired,us-west-2,not_assessed,\
ami-00000001,,2026-01-14T11:00:00Z,90000,,
"
    );
    assert_eq!(csv(&report(vec![])).unwrap().lines().count(), 1, "the header, and nothing else");
}

#[test]
fn no_cell_of_the_csv_is_a_formula() {
    for (family, cell) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1+1", "'＝1+1"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        ("a=1", "a=1"),
        ("web", "web"),
    ] {
        // A manifest names its policy in free text, too.
        let row = RecoveryPoint { policy: family.to_owned(), ..named(family) };
        let text = csv(&report(vec![row])).unwrap();
        assert!(text.contains(&format!(",us-east-1,{cell},{cell},us-west-2,")), "{text}");
    }
}

#[test]
fn a_family_named_with_spaces_or_not_at_all_stays_in_its_column() {
    for (name, line) in [("", "-       daily   us-west-2"), ("  a", "  a     daily   us-west-2")] {
        let text = families(&report(vec![named(name)]));
        assert!(text.lines().nth(1).unwrap().starts_with(line), "{text}");
    }
}

/// Names that would break lines, drive a terminal or reorder what is read.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\r\n",
        "\t",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{2066}",
        "\u{2028}",
        "\u{85}",
        "\u{b}",
        "\0",
        "\u{200b}",
        "\"",
        ",",
        "=",
        "漢",
        "a",
        " ",
    ]);
    prop_oneof![
        prop::collection::vec(piece.clone(), 0..40).prop_map(|pieces| pieces.concat()),
        piece.prop_map(|piece| piece.repeat(10_000)),
        ".{0,40}",
    ]
}

fn is_tame(text: &str) -> bool {
    let reorders = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.lines().all(|line| !line.chars().any(|c| c.is_control() || reorders(c)))
}

proptest! {
    #[test]
    fn hostile_text_takes_one_line_of_bounded_length(name in hostile()) {
        let row = RecoveryPoint { policy: name.clone(), ..named(&name) };
        let image = Rejected { reason: name, ..left_out(1, SignedDuration::from_hours(1)) };
        let text = [
            families(&report(vec![row.clone()])),
            recovery_points(std::slice::from_ref(&row), now()),
            rejected(&[image]),
            csv(&report(vec![row])).unwrap(),
        ];
        for text in text {
            prop_assert_eq!(text.lines().count(), 2, "{}", text);
            prop_assert!(text.lines().all(|line| line.chars().count() < 1_300), "{}", text);
            prop_assert!(is_tame(&text), "{:?}", text);
        }
    }
}

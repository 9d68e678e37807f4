//! Tables, outcomes and spans: one line per row, in any width, whatever the source wrote into its
//! tags.

use amiferry_core::code::Code;
use jiff::SignedDuration;
use proptest::prelude::*;

use super::fixture::*;
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, Rejected, State};
use crate::render::details::details;
use crate::render::outcome::outcome;
use crate::render::tables::{complete, families, not_assessed, open, plain, rejected};
use crate::render::{Look, behind, csv, json, span, wrapped};
use crate::report::Report;

const WIDE: Look = Look { width: 200, colour: false };

pub fn named(family: &str) -> RecoveryPoint {
    let family = family.to_owned();
    RecoveryPoint { family, ..point(1, SignedDuration::from_hours(25), State::Complete) }
}

pub fn report(points: Vec<RecoveryPoint>) -> Report {
    let inventory = Inventory { recovery_points: points, ..Inventory::default() };
    Report::new(inventory, &policies(), now())
}

fn pending() -> RecoveryPoint {
    point(2, SignedDuration::from_hours(1), State::Parked)
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
    let rows = vec![named("shop"), RecoveryPoint { family: "mail".to_owned(), ..pending() }];
    assert_eq!(
        families(&report(rows), WIDE),
        "\
FAMILY  POLICY  STATE       AGE    RPO  MARGIN  NEWEST COMPLETE  IMAGE NAME
111111111111/us-east-1 to 222222222222/us-west-2
mail    daily   pending       -  1d 0h  23h 0m  -                -
shop    daily   breached  1d 1h  1d 0h  -1h 0m  ami-00000001     web 1
"
    );
}

#[test]
fn two_sources_with_the_same_family_have_two_headings() {
    let other = RecoveryPoint {
        source_account: "012345671234".parse().unwrap(),
        ..point(2, SignedDuration::from_hours(2), State::Complete)
    };
    let text = families(&report(vec![named("shop"), other]), Look::PLAIN);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "012345671234/us-east-1 to 222222222222/us-west-2");
    assert_eq!(lines[3], "111111111111/us-east-1 to 222222222222/us-west-2");
}

#[test]
fn complete_recovery_points_are_a_table_with_the_names_of_their_images() {
    assert_eq!(
        complete(&[named("shop")], now(), WIDE),
        "\
SOURCE IMAGE  IMAGE NAME  FAMILY  POLICY  TIER   RESTORED AS    AGE
111111111111/us-east-1 to 222222222222/us-west-2
ami-00000001  web 1       shop    daily   ready  -            1d 1h
"
    );
}

#[test]
fn recovery_points_that_are_not_complete_show_the_code_of_the_reason() {
    let planned_finish = Some(now() + SignedDuration::from_mins(125));
    let point = RecoveryPoint { detail: "no object yet".to_owned(), planned_finish, ..pending() };
    assert_eq!(
        open([&point], now(), WIDE),
        "\
SOURCE IMAGE  IMAGE NAME  FAMILY  POLICY  CODE          AGE   PLANNED  PARTICULARS
111111111111/us-east-1 to 222222222222/us-west-2
ami-00000002  web 2       shop    daily   not_staged  1h 0m  in 2h 5m  no object yet
"
    );
}

#[test]
fn the_images_left_out_are_a_table_with_their_reasons() {
    assert_eq!(
        rejected(&[left_out(1, SignedDuration::from_hours(1))], WIDE),
        "\
SOURCE IMAGE  IMAGE NAME  CODE         REASON
111111111111/us-east-1 to 222222222222/us-west-2
ami-00000001  web 1       paravirtual  the image is not HVM, and a store task takes no other
"
    );
}

#[test]
fn a_family_named_with_spaces_or_not_at_all_stays_in_its_column() {
    for (name, line) in [("", "-       daily   breached"), (" a", r"\u{20}a  daily   breached")] {
        let text = families(&report(vec![named(name)]), WIDE);
        assert!(text.lines().nth(2).unwrap().starts_with(line), "{text}");
    }
}

#[test]
fn a_narrow_terminal_gets_every_id_and_code_and_fewer_or_shorter_names() {
    let long = "a name that is much longer than the room there is for it";
    let image = |point: RecoveryPoint| RecoveryPoint {
        source_image_id: "ami-0123456789abcdef0".parse().unwrap(),
        restored_image_id: Some("ami-0fedcba9876543210".parse().unwrap()),
        source_image_name: long.to_owned(),
        code: Code::EncryptionByDefaultOff,
        ..point
    };
    let rows = [image(named(long)), image(RecoveryPoint { family: long.to_owned(), ..pending() })];
    for (text, whole) in [
        (families(&report(rows[..1].to_vec()), Look::PLAIN), "ami-0123456789abcdef0"),
        (complete(&rows[..1], now(), Look::PLAIN), "ami-0fedcba9876543210"),
        (open(&rows[1..], now(), Look::PLAIN), "encryption_by_default_off"),
    ] {
        let row = text.lines().last().unwrap();
        assert!(row.contains(whole) && row.contains("ami-0123456789abcdef0"), "{text}");
        assert!(row.contains("a name ") && row.contains('…') && !row.contains(long), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}

#[test]
fn wide_characters_take_two_columns() {
    let text = complete(&[named("漢字")], now(), WIDE);
    assert!(text.ends_with("web 1       漢字    daily   ready  -            1d 1h\n"), "{text}");
    let long = complete(&[named(&"漢".repeat(200))], now(), Look::PLAIN);
    let row = long.lines().last().unwrap();
    assert!(unicode_width::UnicodeWidthStr::width(row) <= 80, "{long}");
}

#[test]
fn colours_are_there_only_when_asked_for_and_change_no_text() {
    let colour = Look { colour: true, ..WIDE };
    let report = report(vec![named("shop"), pending()]);
    for write in [
        |report: &Report, look| families(report, look),
        |report: &Report, look| complete(&report.recovery_points, report.as_of, look),
        |report: &Report, look| open(&report.recovery_points, report.as_of, look),
        |report: &Report, look| outcome(report, look),
        |report: &Report, look| details(report, look),
    ] {
        let (plain, painted) = (write(&report, WIDE), write(&report, colour));
        assert!(painted.contains("\u{1b}[") && !plain.contains('\u{1b}'), "{painted:?}");
        let pieces: Vec<&str> = painted.split("\u{1b}[").collect();
        let without = |piece: &&str| piece.split_once('m').unwrap().1.to_owned();
        let text = pieces[0].to_owned() + &pieces[1..].iter().map(without).collect::<String>();
        assert_eq!(text, plain);
    }
}

#[test]
fn a_table_of_another_command_is_as_wide_as_its_cells() {
    let rows = [["a".repeat(90), String::new()]];
    let expected = format!("ONE{}  TWO\n{}  -\n", " ".repeat(87), "a".repeat(90));
    assert_eq!(plain(["ONE", "TWO"], rows), expected);
}

#[test]
fn sentences_wrap_between_words() {
    assert_eq!(wrapped("one two three", "  ", 9), "  one two\n  three\n");
    assert_eq!(wrapped("abcdefghijkl  m", "", 5), "abcdefghijkl\nm\n");
    assert_eq!(wrapped("", "  ", 9), "");
    assert_eq!(wrapped("a abcdefghijkl m", "      ", 9), "      a\n    abcdefghijkl\n      m\n");
    assert_eq!(behind("head: ", "one two", 9), "head: one\n      two\n");
    assert_eq!(behind("head: ", "abcdefghijkl m", 9), "head:\n    abcdefghijkl\n      m\n");
    assert_eq!(behind("head: ", "", 9), "head:\n");
}

#[test]
fn the_outcome_says_that_all_is_well_and_that_nothing_is_to_be_done() {
    let fresh = point(1, SignedDuration::from_hours(1), State::Complete);
    let said = outcome(&report(vec![fresh]), Look::PLAIN);
    let expected = "Every RPO is kept.\n1 of 1 family within the RPO.\nNext: nothing to do.\n";
    assert_eq!(said, expected);
}

#[test]
fn the_outcome_names_what_is_wrong_why_and_what_to_do() {
    let newer = RecoveryPoint { code: Code::KeyUnusable, ..pending() };
    let said = outcome(&report(vec![named("shop"), newer]), Look::PLAIN);
    assert_eq!(
        said,
        "\
1 of 1 family breaks its RPO.
0 of 1 family within the RPO.
Next:
- shop in us-west-2 is 1h 0m over its RPO
    why: ami-00000002: a KMS key that the work needs cannot be used
    to do: enable the key or cancel its deletion, and check its policy (amiferry
    explain key_unusable)
- 1 recovery point is parked
    why: a KMS key that the work needs cannot be used: ami-00000002 “web 2” of
    shop
    to do: enable the key or cancel its deletion, and check its policy (amiferry
    explain key_unusable)
"
    );
}

#[test]
fn the_outcome_of_many_needs_is_short() {
    let family = |number: u32| RecoveryPoint {
        family: format!("family-{number}"),
        ..point(number, SignedDuration::from_hours(30), State::Complete)
    };
    let said = outcome(&report((1..=50).map(family).collect()), Look::PLAIN);
    assert!(said.contains("- 45 more families are over their RPO\n"), "{said}");
    assert!(said.contains(" and 37 more\n"), "the first of them are named: {said}");
    assert_eq!(said.matches("to do: ").count(), 6, "{said}");
}

#[test]
fn everything_about_one_image_is_a_line_for_each_fact() {
    let whole = RecoveryPoint {
        restored_image_id: Some("ami-0000000a".parse().unwrap()),
        vault_object: Some(vault_object()),
        completed_at: Some(at("2026-01-14T13:00:00.5Z")),
        ..named("shop ")
    };
    let said = details(&report(vec![whole]), Look::PLAIN);
    for line in [
        r"FAMILY shop\u{20}",
        "  state        breached",
        "  margin       -1h 0m",
        "RECOVERY POINT ami-00000001",
        "  name         web 1",
        r"  family       shop\u{20}",
        "  source       111111111111/us-east-1",
        "  code         complete",
        "  created      2026-01-14T11:00:00Z (1d 1h ago)",
        "  completed    2026-01-14T13:00:00Z",
        "  restored as  ami-0000000a",
        "  object       s3://vault-us-west-2/amiferry/ami-00000001/image.bin",
        "  size         4000 bytes",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is not in\n{said}");
    }
    let left = Inventory {
        rejected: vec![left_out(3, SignedDuration::from_hours(1))],
        ..Inventory::default()
    };
    let said = details(&Report::new(left, &policies(), now()), Look::PLAIN);
    assert!(said.contains("LEFT OUT ami-00000003\n"), "{said}");
    assert!(said.contains("  to do        rebuild the image for HVM\n"), "{said}");
}

/// Names that would break lines, drive a terminal or reorder what is read.
pub fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\r\n",
        "\t",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{2066}",
        "\u{2028}",
        "\u{85}",
        "\u{9b}",
        "\u{b}",
        "\0",
        "\u{200b}",
        "\u{a0}",
        "\u{890}",
        "\u{110bd}",
        "\u{13430}",
        "\u{1bca0}",
        "\u{e0041}",
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

pub fn is_tame(text: &str) -> bool {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{a0}' | '\u{890}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{110bd}' | '\u{13430}' | '\u{1bca0}' | '\u{e0041}')
    };
    text.lines().all(|line| !line.chars().any(hides))
}

fn about(name: &str) -> Report {
    let image = Rejected {
        reason: name.to_owned(),
        source_image_name: name.to_owned(),
        ..left_out(1, SignedDuration::from_hours(1))
    };
    let unknown = NotAssessed {
        source_account: SOURCE.parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: Some(name.to_owned()),
        reason: name.to_owned(),
    };
    let row = RecoveryPoint {
        policy: name.to_owned(),
        source_image_name: name.to_owned(),
        detail: name.to_owned(),
        ..named(name)
    };
    let parked = RecoveryPoint { state: State::Parked, code: Code::NotStaged, ..row.clone() };
    let inventory = Inventory {
        recovery_points: vec![row, parked],
        rejected: vec![image],
        not_assessed: vec![unknown],
        ..Inventory::default()
    };
    Report::new(inventory, &policies(), now())
}

proptest! {
    #[test]
    fn hostile_text_takes_one_row_that_fits_the_width(name in hostile(), width in 80_usize..200) {
        let look = Look { width, colour: false };
        let report = about(&name);
        for (text, rows) in [
            (families(&report, look), 2),
            (complete(&report.recovery_points[..1], now(), look), 1),
            (open(&report.recovery_points[1..], now(), look), 1),
            (rejected(&report.rejected, look), 1),
        ] {
            prop_assert_eq!(text.lines().count(), rows + 2, "{}", text);
            for line in text.lines() {
                let columns = unicode_width::UnicodeWidthStr::width(line);
                prop_assert!(columns <= width, "{} of {}: {}", columns, width, line);
            }
            prop_assert!(is_tame(&text), "{:?}", text);
        }
    }

    #[test]
    fn hostile_text_is_visible_in_everything_that_is_written(name in hostile()) {
        let report = about(&name);
        for text in [
            outcome(&report, Look::PLAIN),
            details(&report, Look::PLAIN),
            not_assessed(&report.not_assessed, Look::PLAIN),
            json(&report).unwrap(),
            csv::families(&report).unwrap(),
            csv::recovery_points(&report).unwrap(),
            csv::left_out(&report).unwrap(),
            csv::not_assessed(&report).unwrap(),
        ] {
            prop_assert!(is_tame(&text), "{:?}", text);
        }
    }

    #[test]
    fn json_keeps_every_name_as_it_is(name in hostile()) {
        let text = json(&about(&name)).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read["recovery_points"][0]["family"].as_str(), Some(&*name));
        prop_assert_eq!(read["recovery_points"][0]["source_image_name"].as_str(), Some(&*name));
    }
}

#[test]
fn look_alike_families_are_told_apart_in_tables_csv_json_and_page() {
    let alike = ["web", "web ", "web\u{a0}", "web\u{200b}", "we\u{ad}b", "web\u{3000}"];
    let report = report(alike.map(named).to_vec());
    let page = crate::page::html(
        &crate::page::view::view(crate::page::view::Facts::asked_once(&report)),
        crate::page::Updates::Never,
    );
    for text in [
        families(&report, Look::PLAIN),
        complete(&report.recovery_points, now(), Look::PLAIN),
        csv::families(&report).unwrap(),
        csv::recovery_points(&report).unwrap(),
        json(&report).unwrap(),
    ] {
        let lines: std::collections::BTreeSet<&str> = text
            .lines()
            .filter(|line| line.contains("web") || line.contains("we\\u"))
            .map(|line| line.trim_end_matches(','))
            .collect();
        let alike = lines.iter().filter(|line| !line.contains("source_image_name"));
        assert!(alike.count() >= 6, "{text}");
    }
    for shown in [r"web\u{20}", r"web\u{a0}", r"web\u{200b}", r"we\u{ad}b", r"web\u{3000}"] {
        assert!(page.contains(shown), "{shown} is not on the page");
    }
}

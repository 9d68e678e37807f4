//! CSV: every cell in quotes, none that a spreadsheet changes.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::fixture::*;
use super::render::{hostile, named, report};
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint};
use crate::render::csv;
use crate::report::Report;

/// The cells of a CSV, line by line.
fn cells(text: &str) -> Vec<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_csv_has_one_line_per_family_under_a_fixed_header() {
    let unknown = RecoveryPoint { policy: "retired".to_owned(), ..named("shop") };
    assert_eq!(
        csv::families(&report(vec![named("a \"b\", c"), unknown])).unwrap(),
        r#""as_of","source_account","source_region","family","policy","target_region","state","source_image_id","restored_image_id","source_created_at","age_seconds","rpo_seconds","margin_seconds","target_account","breaks_at","kept_again_at"
"2026-01-15T12:00:00Z","'111111111111","us-east-1","a ""b"", c","daily","us-west-2","breached","ami-00000001","","2026-01-14T11:00:00Z","90000","86400","-3600","'222222222222","",""
"2026-01-15T12:00:00Z","'111111111111","us-east-1","shop","retired","us-west-2","not_assessed","ami-00000001","","2026-01-14T11:00:00Z","90000","","","'222222222222","",""
"#
    );
    let nothing = csv::families(&report(vec![])).unwrap();
    assert_eq!(nothing.lines().count(), 1, "the header, and nothing else");
}

#[test]
fn recovery_points_left_out_images_and_what_is_not_assessed_have_a_csv_each() {
    let complete = RecoveryPoint {
        restored_image_id: Some("ami-0000000a".parse().unwrap()),
        vault_object: Some(vault_object()),
        completed_at: Some(at("2026-01-14T13:00:00.987654321Z")),
        ..named("shop")
    };
    let inventory = Inventory {
        recovery_points: vec![complete],
        rejected: vec![left_out(2, SignedDuration::from_hours(1))],
        not_assessed: vec![NotAssessed {
            source_account: "012345671234".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: None,
            reason: "ec2:DescribeImages: denied".to_owned(),
        }],
        ..Inventory::default()
    };
    let report = Report::new(inventory, &policies(), at("2026-01-15T12:00:00.123Z"));
    let points = cells(&csv::recovery_points(&report).unwrap());
    let row: Vec<&str> = points[1].iter().map(String::as_str).collect();
    let expected = [
        "2026-01-15T12:00:00Z",
        "'111111111111",
        "us-east-1",
        "ami-00000001",
        "web 1",
        "shop",
        "daily",
        "ready",
        "'222222222222",
        "us-west-2",
        "complete",
        "complete",
        "",
        "ami-0000000a",
        "vault-us-west-2",
        "amiferry/ami-00000001/image.bin",
        "",
        "4000",
        "",
        "2026-01-14T11:00:00Z",
        "2026-01-14T13:00:00Z",
        "90000",
        "",
        "",
        "",
        "",
    ];
    assert_eq!(row, expected);
    assert_eq!(points[0].len(), expected.len());
    let left_out = cells(&csv::left_out(&report).unwrap());
    assert_eq!(left_out[1][3..5], ["ami-00000002", "web 2"]);
    assert_eq!(left_out[1][7], "paravirtual");
    let unknown = cells(&csv::not_assessed(&report).unwrap());
    assert_eq!(unknown[1][1..], ["'012345671234", "us-east-1", "", "ec2:DescribeImages: denied"]);
}

#[test]
fn no_text_of_a_csv_is_a_formula_or_a_number() {
    for (family, cell) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1+1", "'＝1+1"),
        ("\t=1", r"\u{9}=1"),
        ("\r=1", r"\u{d}=1"),
        ("a=1", "a=1"),
        ("web", "web"),
        ("0123", "'0123"),
        ("1e5", "'1e5"),
        ("2024-01-15", "'2024-01-15"),
        ("10:30", "'10:30"),
        ("1/2", "'1/2"),
        ("50%", "'50%"),
        ("3d-render", "3d-render"),
        ("v2", "v2"),
        ("web ", r"web\u{20}"),
        ("web\u{a0}", r"web\u{a0}"),
    ] {
        // A manifest names its policy in free text, too.
        let row = RecoveryPoint { policy: family.to_owned(), ..named(family) };
        let rows = cells(&csv::families(&report(vec![row])).unwrap());
        assert_eq!(rows[1][3..5], [cell, cell]);
    }
}

#[test]
fn a_name_of_256_escapes_is_not_cut() {
    let name = "\u{e0041}".repeat(256);
    let rows = cells(&csv::families(&report(vec![named(&name)])).unwrap());
    assert_eq!(rows[1][3], r"\u{e0041}".repeat(256));
}

proptest! {
    #[test]
    fn every_cell_is_in_quotes_and_every_row_on_one_line(name in hostile()) {
        let row = RecoveryPoint { policy: name.clone(), detail: name.clone(), ..named(&name) };
        let report = report(vec![row]);
        for text in [csv::families(&report).unwrap(), csv::recovery_points(&report).unwrap()] {
            prop_assert_eq!(text.lines().count(), 2, "{}", text);
            for line in text.lines() {
                prop_assert!(line.starts_with('"') && line.ends_with('"'), "{}", line);
                prop_assert!(line.chars().count() < 5 * 2 * 2_560, "{}", line);
            }
            let rows = cells(&text);
            prop_assert_eq!(rows[0].len(), rows[1].len());
        }
    }

    #[test]
    fn two_names_that_differ_have_two_cells(one in ".{0,6}", other in ".{0,6}") {
        let cell = |name: &str| {
            let rows = cells(&csv::families(&report(vec![named(name)])).unwrap());
            rows[1][3].clone()
        };
        let (left, right) = (cell(&one), cell(&other));
        // Only a name that begins with an apostrophe itself could look like a guarded one.
        prop_assert!(one == other || left != right || one.starts_with('\'') || other.starts_with('\''));
    }
}

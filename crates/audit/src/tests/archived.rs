//! What is archived by the owner's will is complete, and said to be archived.

use jiff::SignedDuration;

use super::fixture::*;
use super::page::view_of;
use super::render::report;
use crate::archived::groups;
use crate::inventory::{ArchivedIn, Inventory, RecoveryPoint, State, VaultObject};
use crate::page::{Updates, html};
use crate::render::details::details;
use crate::render::tables;
use crate::render::{Look, csv, json};

const WIDE: Look = Look { width: 200, colour: false };

fn archived(number: u32, state: State, ami: bool) -> RecoveryPoint {
    let kept = ArchivedIn { place: "DEEP_ARCHIVE".to_owned(), retrieval_seconds: 43_200 };
    RecoveryPoint {
        vault_object: Some(VaultObject {
            storage_class: Some("DEEP_ARCHIVE".to_owned()),
            archived: Some(kept),
            ..vault_object()
        }),
        restored_image_id: ami.then(|| image_id(0xa)),
        ..point(number, SignedDuration::from_hours(1), state)
    }
}

/// Two archived and complete, one with an AMI; one that is not complete, and one that is not archived.
fn points() -> Vec<RecoveryPoint> {
    vec![
        archived(1, State::Complete, true),
        archived(2, State::Complete, false),
        archived(3, State::Unusable, false),
        RecoveryPoint {
            vault_object: Some(vault_object()),
            ..point(4, SignedDuration::from_hours(1), State::Complete)
        },
    ]
}

#[test]
fn tables_say_how_many_complete_recovery_points_are_archived_and_how_long_a_restore_waits() {
    let points = points();
    let groups = groups(&points);
    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].points, groups[0].with_image, groups[0].wait()), (2, 1, "12h 0m".into()));
    let text = tables::archived(&groups, WIDE);
    for word in ["daily", "DEEP_ARCHIVE", "12h 0m", "222222222222/us-west-2"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn the_page_json_csv_and_the_details_of_an_image_say_it_too() {
    let inventory = Inventory { recovery_points: points(), ..Inventory::default() };
    let page = html(&view_of(inventory), Updates::Never);
    let sentence = "2 complete of policy daily in us-west-2 in DEEP_ARCHIVE (1 with an AMI, which waits \
                    for nothing): a restore waits up to 12h 0m";
    assert!(page.contains(sentence), "{page}");

    let report = report(points());
    let json = json(&report).unwrap();
    assert_eq!(json.matches(r#""retrieval_seconds": 43200"#).count(), 3, "{json}");
    let lines = csv::recovery_points(&report).unwrap();
    assert_eq!(lines.matches(r#","DEEP_ARCHIVE","43200""#).count(), 3, "{lines}");
    let text = details(&report, WIDE);
    let said = "archived     in DEEP_ARCHIVE: a restore waits up to 12h 0m for its retrieval";
    assert!(text.contains(said), "{text}");
    assert!(text.contains("class        STANDARD"), "{text}");
}

//! The target worker's next step when restores fail, when a restore would have too many tags, and when an
//! image only looks like one.

use super::fixture::*;
use super::scene::{Scene, scene};
use super::vault::{Row, copied, restored};
use crate::model::ImageState;

/// A copied image whose source carries this many tags of its owner.
fn source_with_tags(count: usize) -> Scene {
    copied().seen(|seen| {
        let tags = &mut seen.source.as_mut().unwrap().tags;
        let more = (tags.len()..count).map(|number| (format!("tag-{number}"), String::new()));
        tags.extend(more.collect::<Vec<_>>());
    })
}

/// A copied image whose restores failed so often, the last of them begun these minutes ago.
fn failed(times: u32, minutes: i64) -> Scene {
    scene(observed().staged().copied().failed(times)).seen(|seen| {
        let newest = seen.restored.last_mut().unwrap();
        newest.created = now() - jiff::SignedDuration::from_mins(minutes);
    })
}

/// Restores before they begin and after they failed.
pub(super) fn about_restores() -> Vec<Row> {
    let image = |change: fn(&mut crate::model::Image)| {
        restored().seen(|seen| change(seen.restored.last_mut().unwrap()))
    };
    vec![
        (
            image(|i| drop(i.tags.insert("amiferry:source-account".into(), VAULT.into()))),
            "park name_taken",
            "of another source account",
        ),
        (
            image(|i| drop(i.tags.insert("amiferry:source-region".into(), "eu-west-1".into()))),
            "park name_taken",
            "of another source Region",
        ),
        (
            image(|i| drop(i.tags.remove("amiferry:object-version"))),
            "park name_taken",
            "of no object: its maker did not know the version",
        ),
        (
            image(|i| {
                drop(i.tags.insert("amiferry:object-version".into(), "vault-0".into()));
            }),
            "park name_taken",
            "of another version of the object",
        ),
        (source_with_tags(40), "act restore 1", "with our ten, as many tags as EC2 allows"),
        (source_with_tags(41), "park too_many_tags", "a tag more"),
        (
            source_with_tags(39).seen(|seen| {
                let reserved = tags([("aws:backup:source", "x"), ("amiferry:family", "x")]);
                seen.source.as_mut().unwrap().tags.extend(reserved);
            }),
            "act restore 1",
            "reserved tags are not passed on, and ours are not counted twice",
        ),
        (
            source_with_tags(40).seen(|seen| {
                let reserved = tags([("aws:backup:source", "x")]);
                seen.source.as_mut().unwrap().tags.extend(reserved);
            }),
            "park too_many_tags",
            "one of AWS's own is in the stored image, too",
        ),
        (
            image(|i| i.state = ImageState::Failed),
            "park restore_failed",
            "it failed, and began just now",
        ),
        (failed(1, 15), "act restore 2", "it failed, and began 15 minutes ago"),
        (failed(1, 14), "park restore_failed", "a minute too soon"),
        (failed(2, 30), "act restore 3", "the second waits twice as long"),
        (failed(2, 29), "park restore_failed", "a minute too soon again"),
        (failed(3, 60), "act restore 4", "and the third twice as long as that"),
        (failed(7, 359), "park restore_failed", "but none waits"),
        (failed(7, 360), "act restore 8", "longer than six hours"),
        (
            failed(7, 0).seen(|seen| {
                seen.restored.drain(..6);
                seen.restored[0].created = now() - jiff::SignedDuration::from_mins(15);
            }),
            "act restore 8",
            "the older ones were deregistered, so there is less to wait for",
        ),
        (
            failed(2, 60).seen(|seen| seen.restored[1].state = ImageState::Deregistered),
            "act restore 3",
            "deregistered after it had failed",
        ),
        (
            failed(1, 0).vault(|v| v.default_encryption = ebs(unusable())),
            "park key_unusable",
            "the key explains it",
        ),
    ]
}

//! A restore into a destination that ends at any moment and is run again, and two people at once.

use std::time::Duration;

use super::{
    PLACES, destination, everything, once_each, recoverer_into, restore_by, restore_into, two,
};
use crate::stage::{Fault, Mishap, Options, hours, run_test};

#[test]
fn dropped_at_any_moment_and_run_again_each_image_is_there_once() {
    for (number, millis) in (0..).zip([50, 1_050, 2_050, 3_050, 4_050, 8_050, 60_050, 150_050]) {
        run_test(Options::default(), async |stage| {
            let ids = two(stage).await;
            let there = destination(stage, PLACES[number % 2]);
            let all = everything();
            let first = restore_by(recoverer_into(stage, &there, 0), &all);
            let dropped = tokio::time::timeout(Duration::from_millis(millis), first).await;
            assert!(dropped.is_err() || millis > 100_000, "{millis}");
            let recovered = restore_into(stage, &there).await;
            once_each(stage, &there, &recovered, &ids).await;
        });
    }
}

#[test]
fn killed_around_every_effect_and_run_again_each_image_is_there_once() {
    let effects = [
        "CreateMultipartUpload",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "CreateRestoreImageTask",
        "EnableImageDeregistrationProtection",
    ];
    let mishaps = [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::AnswerLost];
    let moments = effects.into_iter().flat_map(|effect| mishaps.map(|mishap| (effect, mishap)));
    for (number, (effect, mishap)) in (0..).zip(moments) {
        for after in [0, 1] {
            run_test(Options::default(), async |stage| {
                let ids = two(stage).await;
                let there = destination(stage, PLACES[number % 2]);
                stage.wire.upset("restore", Fault { after, ..Fault::first(effect, mishap) });
                let all = everything();
                let first = restore_by(recoverer_into(stage, &there, 0), &all);
                let first = tokio::time::timeout(hours(1), first).await;
                let whole = first.is_ok_and(|(recovered, _)| recovered.is_whole());
                assert_eq!(whole, mishap == Mishap::AnswerLost, "{effect} {mishap:?} {after}");
                stage.wire.mend();
                stage.wire.revive("restore");
                let recovered = restore_into(stage, &there).await;
                once_each(stage, &there, &recovered, &ids).await;
            });
        }
    }
}

#[test]
fn a_copy_that_was_broken_off_goes_on_with_the_parts_that_are_there() {
    run_test(Options::default(), async |stage| {
        let ids = two(stage).await;
        let there = destination(stage, PLACES[0]);
        let fault = Fault { after: 5, ..Fault::first("UploadPartCopy", Mishap::DiesBefore) };
        stage.wire.upset("restore", fault);
        let all = everything();
        let first = restore_by(recoverer_into(stage, &there, 0), &all);
        assert!(!tokio::time::timeout(hours(1), first).await.is_ok_and(|(all, _)| all.is_whole()));
        stage.wire.mend();
        stage.wire.revive("restore");
        let before = stage.wire.calls("UploadPartCopy").len();
        let recovered = restore_into(stage, &there).await;
        once_each(stage, &there, &recovered, &ids).await;
        let parts = stage.wire.calls("UploadPartCopy");
        let all = parts.iter().filter(|call| call.who != "restore" && call.succeeded()).count();
        let again = parts.len() - before;
        assert!((1..all).contains(&again), "{again} of {all} parts");
    });
}

#[test]
fn two_people_at_once_make_one_copy_and_one_image_of_each() {
    for place in PLACES {
        run_test(Options::default(), async |stage| {
            let ids = two(stage).await;
            let there = destination(stage, place);
            let all = everything();
            let (one, other) = tokio::join!(
                restore_by(recoverer_into(stage, &there, 3), &all),
                restore_by(recoverer_into(stage, &there, 8), &all)
            );
            once_each(stage, &there, &one.0, &ids).await;
            once_each(stage, &there, &other.0, &ids).await;
        });
    }
}

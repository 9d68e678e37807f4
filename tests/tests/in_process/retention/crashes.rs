//! A prune that ends at any call and is run again, and two at once.

use super::*;
use crate::stage::{Fault, Mishap};

/// What a run changes, in its order.
const EFFECTS: [&str; 5] = [
    "PutObject",
    "DisableImageDeregistrationProtection",
    "DeregisterImage",
    "DeleteSnapshot",
    "DeleteObject",
];

/// Two go, each once, with one record, and the rest is as it was.
async fn as_expected(stage: &Stage, ids: &[ImageId], snapshots_left: usize) {
    assert!(ids[..2].iter().all(|id| is_gone(stage, id)));
    assert!(ids[2..].iter().all(|id| is_whole(stage, id)));
    assert_eq!(snapshots(stage), snapshots_left);
    for id in &ids[..2] {
        let files = files_of(stage, id);
        let records = files.iter().filter(|file| file.starts_with("record-")).count();
        assert_eq!(records, 1, "{files:?}");
    }
    audit_knows(stage, &ids[..2], &ids[2..]).await;
}

#[test]
fn killed_around_every_effect_a_second_run_finishes() {
    for effect in EFFECTS {
        for mishap in [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::AnswerLost] {
            for after in 0..2 {
                run_test(options(), async |stage| {
                    let ids = family(stage, "orders-db", 4).await;
                    days(stage, LOCKS).await;
                    stage.wire.upset("prune", Fault { after, ..Fault::first(effect, mishap) });
                    let first = tokio::time::timeout(hours(1), prune(stage, APPLY)).await;
                    // A lost answer is no reason to run it again; after a death, another run is needed.
                    let whole = first.as_ref().is_ok_and(Pruned::is_whole);
                    let expected = mishap == Mishap::AnswerLost;
                    assert_eq!(whole, expected, "{effect} {mishap:?}: {first:#?}");
                    stage.wire.mend();
                    stage.wire.revive("prune");
                    // Between the two, the workers see it half done, and touch nothing.
                    let calls = stage.wire.count();
                    stage.start_both();
                    stage.pass(hours(1)).await;
                    stage.kill_all();
                    let all = stage.wire.all();
                    let touched = all[calls..].iter().any(|call| {
                        matches!(
                            call.operation.as_str(),
                            "CreateStoreImageTask"
                                | "CreateRestoreImageTask"
                                | "CreateMultipartUpload"
                                | "EnableImageDeregistrationProtection"
                        )
                    });
                    assert!(!touched, "{effect} {mishap:?} {after}");
                    let second = prune(stage, APPLY).await;
                    assert!(second.is_whole(), "{effect} {mishap:?}: {second:#?}");
                    as_expected(stage, &ids, 2).await;
                });
            }
        }
    }
}

#[test]
fn no_deletion_comes_before_its_record() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        days(stage, LOCKS).await;
        let before = stage.wire.count();
        prune(stage, APPLY).await;
        let all = stage.wire.all();
        let effects: Vec<&str> = all[before..]
            .iter()
            .filter(|call| call.mutates())
            .map(|call| call.operation.as_str())
            .collect();
        assert_eq!(effects, [EFFECTS, EFFECTS].concat(), "{ids:?}");
    });
}

#[test]
fn two_runs_at_once_do_what_one_does() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        days(stage, LOCKS).await;
        let (one, other) = (pruner_as(stage, "prune"), pruner_as(stage, "other"));
        let (one, other) = tokio::join!(prune_by(&one, APPLY), prune_by(&other, APPLY));
        for pruned in [&one, &other] {
            assert_eq!(pruned.with(Outcome::Failed).count(), 0, "{pruned:#?}");
        }
        let third = prune(stage, APPLY).await;
        assert!(third.is_whole(), "{third:#?}");
        as_expected(stage, &ids, 2).await;
    });
}

//! `--until` draws the future, and says what it does not know.

use amiferry_core::policy::Retired;
use amiferry_prune::report::Future;
use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use amiferry_simulator::wire::scope::Service;

use super::*;
use crate::stage::{Fault, Mishap};

/// The next so many days.
async fn future(stage: &Stage, days: i64) -> Future {
    let pruner = pruner(stage);
    let contents = pruner.contents().await.unwrap();
    pruner.future(&contents, stage.clock().now() + SignedDuration::from_hours(24 * days))
}

/// Which images go, and after how many days.
fn goes(future: &Future) -> Vec<(ImageId, i64)> {
    let rows = future.rows.iter().filter_map(|one| {
        let at = one.goes_at?.duration_since(future.at);
        Some((one.row.source_image_id.clone(), at.as_hours() / 24))
    });
    rows.collect()
}

#[test]
fn the_future_is_drawn_and_comes_true() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        days(stage, LOCKS).await;
        prune(stage, APPLY).await;
        let drawn = future(stage, 10).await;
        let order = goes(&drawn);
        let order: Vec<(&ImageId, bool)> = order.iter().map(|(id, at)| (id, *at <= 3)).collect();
        assert_eq!(order, [(&ids[2], true), (&ids[3], true)], "{drawn:#?}");
        assert!(drawn.is_whole() && future(stage, 0).await.rows.is_empty());
    });
}

#[test]
fn what_cannot_be_assessed_is_in_the_future_too_and_makes_it_partial() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        days(stage, LOCKS).await;
        let denied = Rule::new(Effect::AccessDenied).on(Service::S3, "GetObject");
        stage.world.faults().install(FaultPlan::new().fault(denied)).unwrap();
        let drawn = future(stage, 10).await;
        let unknown = drawn
            .rows
            .iter()
            .filter(|one| one.goes_at.is_none() && one.row.outcome == Outcome::NotAssessed);
        assert_eq!(unknown.count(), ids.len(), "{drawn:#?}");
        assert!(!drawn.is_whole(), "{drawn:#?}");
    });
}

#[test]
fn nothing_new_is_drawn_for_a_retired_family_and_its_last_ones_stay() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 2).await;
        days(stage, LOCKS).await;
        assert_eq!(future(stage, 10).await.rows.len(), 2);
        let today = stage.clock().now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let retired = |since| Retired {
            family: "orders-db".to_owned(),
            policy: None,
            source: None,
            since,
            reason: "it was shut down".to_owned(),
        };
        stage.config.policies.1 = vec![retired(today)];
        let drawn = future(stage, 100).await;
        assert!(drawn.rows.is_empty() && drawn.is_whole(), "{drawn:#?}");
        // Until its day comes, new ones take the place of the old.
        let soon = today.checked_add(jiff::Span::new().days(2)).unwrap();
        stage.config.policies.1 = vec![retired(soon)];
        let first: Vec<ImageId> =
            goes(&future(stage, 100).await).into_iter().map(|one| one.0).collect();
        assert_eq!(first[..1], ids[..1]);
    });
}

#[test]
fn what_an_interrupted_run_has_given_up_goes_with_the_next_one() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 3).await;
        days(stage, LOCKS).await;
        stage.wire.upset("prune", Fault::first("DeregisterImage", Mishap::DiesBefore));
        let ended = tokio::time::timeout(hours(1), prune(stage, APPLY)).await;
        assert!(!ended.as_ref().is_ok_and(Pruned::is_whole), "{ended:#?}");
        stage.wire.mend();
        stage.wire.revive("prune");
        let drawn = future(stage, 0).await;
        assert_eq!(goes(&drawn), [(ids[0].clone(), 0)], "{drawn:#?}");
    });
}

//! While something is in doubt, nothing goes: the clock, the listing, a record.

use std::sync::Arc;

use amiferry_core::ports::Clock;

use super::*;
use crate::stage::{Fault, Mishap};

/// The clock of a machine that is off by so many hours.
#[derive(Debug)]
struct Off(Arc<dyn Clock>, i64);

impl Clock for Off {
    fn now(&self) -> Timestamp {
        self.0.now() + SignedDuration::from_hours(self.1)
    }
}

#[test]
fn a_clock_that_is_wrong_deletes_nothing() {
    for off in [24 * 400, 1, -1] {
        run_test(options(), async |stage| {
            let ids = family(stage, "orders-db", 4).await;
            days(stage, LOCKS).await;
            let clock = Arc::new(Off(stage.clock(), off));
            let pruned = prune_by(&pruner_by(stage, "prune", clock), APPLY).await;
            assert!(ids.iter().all(|id| is_whole(stage, id)), "{off}: {pruned:#?}");
            assert!(!pruned.is_whole() && pruned.refused[0].contains("clock"), "{pruned:#?}");
        });
    }
}

#[test]
fn a_wrong_clock_is_named_also_where_nothing_goes_by_it() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        days(stage, LOCKS).await;
        prune(stage, APPLY).await;
        for off in [-72, 72] {
            let pruner = pruner_by(stage, "prune", Arc::new(Off(stage.clock(), off)));
            let contents = pruner.contents().await.unwrap();
            let pruned = pruner.run(&contents, APPLY, &|_| {}).await;
            assert_eq!(outcomes(&pruned, &ids[2..]), [Outcome::Kept; 2], "{pruned:#?}");
            assert!(!pruned.is_whole() && pruned.refused[0].contains("clock"), "{pruned:#?}");
            let left = pruner.leftovers(&contents, APPLY, &|_| {}).await.unwrap();
            assert!(!left.is_whole() && left.refused[0].contains("clock"), "{left:#?}");
            let future = pruner.future(&contents, stage.clock().now());
            assert!(!future.is_whole() && future.doubts[0].contains("clock"), "{future:#?}");
        }
    });
}

#[test]
fn a_listing_that_breaks_off_ends_the_run_and_a_key_that_cannot_be_read_stops_it() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        days(stage, LOCKS).await;
        let fault = Fault { times: 9, ..Fault::first("ListObjectVersions", Mishap::RequestLost) };
        stage.wire.upset("prune", fault);
        assert!(pruner(stage).contents().await.is_err());
        stage.wire.mend();
        assert!(ids.iter().all(|id| is_whole(stage, id)));
    });
}

#[test]
fn a_record_alone_deletes_nothing_that_the_rules_keep() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 5).await;
        days(stage, LOCKS).await;
        // Someone who can write records and delete nothing gives up all but the newest.
        for id in &ids[..4] {
            forge_tombstone(stage, id);
        }
        let pruned = prune(stage, APPLY).await;
        // With the newest alone left, the rules would keep each of them.
        assert_eq!(pruned.with(Outcome::Gone).count(), 0, "{pruned:#?}");
        assert!(ids.iter().all(|id| has_object(stage, id)), "{pruned:#?}");
        let reason = &row(&pruned, &ids[0]).reason;
        assert!(reason.starts_with("a record gives it up, and the rules"), "{pruned:#?}");
        let report = inventory::partial_report(stage).await.unwrap();
        let left = report.rejected.iter().filter(|left| left.code == Code::Pruned).count();
        assert_eq!(left, 4, "{report:#?}");
    });
}

#[test]
fn a_manifest_that_cannot_be_read_is_that_one_s_trouble() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 5).await;
        days(stage, LOCKS).await;
        let key = truth::vault_key(stage, &ids[1], "manifest.json");
        let now = stage.world.now();
        s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, &key, "<html>").unwrap();
        let pruned = prune(stage, APPLY).await;
        use Outcome::{Gone, Kept, NotAssessed};
        let expected = [Gone, NotAssessed, Gone, Kept, Kept];
        assert_eq!(outcomes(&pruned, &ids), expected, "{pruned:#?}");
        assert!(!pruned.is_whole() && has_object(stage, &ids[1]));
    });
}

#[test]
fn an_image_made_of_old_snapshots_does_not_take_the_place_of_newer_data() {
    let configure = |config: &mut Config| {
        for policy in &mut config.policies.0 {
            policy.keep = Some(Keep { last: 1, ..Keep::default() });
        }
        config.prune.most_percent = 100;
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        let old = stage.image(ec2::ImageSpec {
            created: Some(at(stage, 72)),
            ..spec("orders-db", "orders-db-1", &[8])
        });
        let newer = stage.image(ec2::ImageSpec {
            created: Some(at(stage, 48)),
            ..spec("orders-db", "orders-db-2", &[8])
        });
        let again = stage.image(ec2::ImageSpec {
            created: Some(at(stage, 24)),
            ..spec("orders-db", "orders-db-3", &[8])
        });
        {
            // The last one was registered again from the snapshots of the first.
            let mut state = stage.world.lock();
            let site = state.ec2.get_mut(&stage.landscape.source).unwrap();
            let devices = site.images[&old].devices.clone();
            site.images.get_mut(&again).unwrap().devices = devices;
        }
        complete(stage).await;
        days(stage, LOCKS).await;
        let pruned = prune(stage, APPLY).await;
        use Outcome::{Gone, Kept};
        let ids = [old, newer.clone(), again];
        assert_eq!(outcomes(&pruned, &ids), [Gone, Kept, Kept], "{pruned:#?}");
        assert!(is_whole(stage, &newer));
        // What was given up still says how old the data of the last one are.
        let report = inventory::partial_report(stage).await.unwrap();
        let last = report.recovery_points.iter().find(|point| point.source_image_id == ids[2]);
        assert!(last.unwrap().repeats.is_some(), "{report:#?}");
    });
}

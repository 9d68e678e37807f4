//! What no recovery point consists of is found, and goes under the same guards.

use amiferry_prune::report::{Kind, Leftovers};
use amiferry_simulator::ec2::ImageState;
use amiferry_simulator::ec2::image::DeviceTarget;

use super::*;

async fn leftovers(stage: &Stage, allowed: Allowed) -> Leftovers {
    let pruner = pruner(stage);
    let contents = pruner.contents().await.unwrap();
    pruner.leftovers(&contents, allowed, &|_| {}).await.unwrap()
}

/// A failed restore of ours, with its snapshot, and another snapshot that nothing uses, as copies of
/// those of a recovery point.
pub fn leave(stage: &Stage, like: &ImageId) -> (ImageId, Vec<amiferry_core::ids::SnapshotId>) {
    let ami = truth::restored(stage, like)[0].clone();
    let mut state = stage.world.lock();
    let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
    let snapshot = site.snapshots[ami.snapshots().next().unwrap()].clone();
    let ids: Vec<amiferry_core::ids::SnapshotId> =
        ["snap-0123456789abcdef1", "snap-0123456789abcdef2"].map(|id| id.parse().unwrap()).into();
    for id in &ids {
        let mut copy = snapshot.clone();
        copy.id = id.clone();
        copy.tags.insert("amiferry:managed".to_owned(), "true".to_owned());
        site.snapshots.insert(id.clone(), copy);
    }
    let failed: ImageId = "ami-0123456789abcdef1".parse().unwrap();
    let mut image = ami;
    (image.id, image.name) = (failed.clone(), format!("{}/2", image.name));
    image.state = ImageState::Failed;
    for device in &mut image.devices {
        if let DeviceTarget::Ebs(ebs) = &mut device.target {
            ebs.snapshot = Some(ids[0].clone());
        }
    }
    site.images.insert(failed.clone(), image);
    (failed, ids)
}

#[test]
fn failed_images_and_orphaned_snapshots_go_after_the_floor_and_nothing_that_is_recorded() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 2).await;
        let (failed, left) = leave(stage, &ids[1]);
        let young = leftovers(stage, APPLY).await;
        assert!(young.rows.iter().all(|row| row.outcome == Outcome::Held), "{young:#?}");
        days(stage, 2).await;
        let dry = leftovers(stage, Allowed::default()).await;
        let kinds: Vec<(Kind, Outcome)> =
            dry.rows.iter().map(|row| (row.kind, row.outcome)).collect();
        let expected =
            [Kind::FailedImage, Kind::OrphanedSnapshot].map(|kind| (kind, Outcome::Goes));
        assert_eq!(kinds, expected, "{dry:#?}");
        assert_eq!(dry.rows[1].bytes, 8 << 30);
        let done = leftovers(stage, APPLY).await;
        assert!(done.rows.iter().all(|row| row.outcome == Outcome::Gone), "{done:#?}");
        // What the failed image used is left over now.
        let again = leftovers(stage, APPLY).await;
        assert_eq!(again.rows.len(), 1, "{again:#?}");
        assert!(leftovers(stage, APPLY).await.rows.is_empty());
        {
            let state = stage.world.lock();
            let site = &state.ec2[&stage.landscape.vault];
            assert!(!site.images.contains_key(&failed));
            assert!(left.iter().all(|id| !site.snapshots.contains_key(id)));
        }
        assert!(ids.iter().all(|id| is_whole(stage, id)));
        audit_knows(stage, &[], &ids).await;
    });
}

#[test]
fn what_is_left_over_is_shown_with_its_cost_and_without_a_price_it_is_not_assessed() {
    use amiferry_audit::render::{Look, json};
    use amiferry_prune::render::{leftovers_csv, leftovers_table};

    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 2).await;
        leave(stage, &ids[1]);
        days(stage, 2).await;
        // An image and a snapshot of 8 GB each, at 0.05 a GB.
        let found = leftovers(stage, Allowed::default()).await;
        let cents = |cost: Option<f64>| cost.map(|cost| format!("{cost:.2}"));
        let rows: Vec<_> = found.rows.iter().map(|row| cents(row.monthly_cost)).collect();
        assert_eq!(rows, [Some("0.40".to_owned()), Some("0.40".to_owned())], "{found:#?}");
        assert_eq!(cents(found.monthly_cost).as_deref(), Some("0.80"), "{found:#?}");
        let table = leftovers_table(&found, Look { width: 160, ..Look::PLAIN });
        assert!(table.contains("A MONTH") && table.contains("cost a month: 0.80 USD"), "{table}");
        let csv = leftovers_csv(&found);
        assert!(csv.lines().nth(1).unwrap().ends_with(",\"0.40\",\"USD\""), "{csv}");
        stage.config.prices.region.clear();
        let found = leftovers(stage, Allowed::default()).await;
        assert!(found.rows.iter().all(|row| row.monthly_cost.is_none()), "{found:#?}");
        let table = leftovers_table(&found, Look { width: 160, ..Look::PLAIN });
        assert!(table.contains("cost a month: not assessed"), "{table}");
        assert!(json(&found).unwrap().contains("\"monthly_cost\": null"), "{found:#?}");
    });
}

#[test]
fn nothing_left_over_goes_while_a_recovery_point_cannot_be_assessed() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 2).await;
        leave(stage, &ids[1]);
        days(stage, 2).await;
        let key = truth::vault_key(stage, &ids[0], "manifest.json");
        let now = stage.world.now();
        s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, &key, "<html>").unwrap();
        let found = leftovers(stage, APPLY).await;
        assert!(!found.is_whole() && found.refused[0].contains("cannot be assessed"), "{found:#?}");
        assert!(found.rows.iter().all(|row| row.outcome == Outcome::Goes), "{found:#?}");
    });
}

#[test]
fn a_failed_image_in_use_is_held_in_a_dry_run_too_and_does_not_count_for_the_brake() {
    let configure = |config: &mut Config| {
        last_two(config);
        config.prune.most = 1;
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        let ids = family(stage, "orders-db", 2).await;
        let (failed, _) = leave(stage, &ids[1]);
        days(stage, 2).await;
        let template = "arn:aws:ec2:us-west-2:222222222222:launch-template/lt-0a";
        refer(stage, &failed, template, "ec2:LaunchTemplate");
        use Outcome::{Goes, Gone, Held};
        for (allowed, orphan) in [(Allowed::default(), Goes), (APPLY, Gone)] {
            let found = leftovers(stage, allowed).await;
            let outcomes: Vec<Outcome> = found.rows.iter().map(|row| row.outcome).collect();
            assert_eq!(outcomes, [Held, orphan], "{found:#?}");
            assert!(found.is_whole() && found.rows[0].reason.contains(template), "{found:#?}");
        }
    });
}

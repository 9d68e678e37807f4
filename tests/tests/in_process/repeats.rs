//! Images that are registered again from the snapshots of older ones: their data are no younger, and
//! no RPO is kept by them.

use amiferry_audit::family::RpoState;
use amiferry_audit::inventory::RecoveryPoint;
use amiferry_audit::report::Report;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::create::{NewImage, register};
use amiferry_simulator::ec2::image::Device;
use serde_json::Value;

use crate::stage::{Options, Stage, hours, inventory, minutes, run_test, spec, truth};

/// Registers an image of the devices of others, the first of which gives all the rest.
fn register_from(stage: &mut Stage, name: &str, of: &[(&ImageId, &str)]) -> ImageId {
    let seen = |id: &ImageId| stage.seen(id).unwrap().image;
    let device = |(id, device): &(&ImageId, &str)| -> Device {
        seen(id).devices.into_iter().find(|each| each.name == *device).unwrap()
    };
    let first = seen(of[0].0);
    let devices = of.iter().map(device).collect();
    let (metadata, tags) = (first.metadata, first.tags);
    let new = NewImage { name: name.to_owned(), metadata, devices, tags };
    let (now, place) = (stage.world.now(), stage.landscape.source.clone());
    register(&mut stage.world.lock(), now, &place, new).unwrap()
}

async fn until_recorded(stage: &Stage, id: &ImageId) {
    stage.until("it is recorded", hours(2), |stage| truth::is_recorded(stage, id)).await;
    stage.pass(minutes(1)).await;
}

/// What the worker shows, which is what the commands report.
async fn agreed(stage: &Stage) -> Report {
    let (asked, (shown, _)) = (inventory::report(stage).await.unwrap(), stage.shown().unwrap());
    let told = |report: &Report| {
        let families = report.families.iter();
        let families: Vec<_> = families
            .map(|family| (family.state, family.source_image_id.clone(), family.source_created_at))
            .collect();
        let points: Vec<_> = report.recovery_points.iter().map(|p| p.repeats.clone()).collect();
        (families, points)
    };
    assert_eq!(told(&asked), told(&shown));
    asked
}

fn point<'r>(report: &'r Report, id: &ImageId) -> &'r RecoveryPoint {
    report.recovery_points.iter().find(|point| point.source_image_id == *id).unwrap()
}

#[test]
fn images_registered_again_from_one_snapshot_keep_no_rpo_and_are_named_with_their_original() {
    for deregistered in [false, true] {
        run_test(Options::default(), async |stage| {
            let first = stage.image(spec("orders-db", "orders-db-1", &[8]));
            stage.start_both();
            until_recorded(stage, &first).await;
            stage.pass(hours(20)).await;
            let again = register_from(stage, "orders-db-2", &[(&first, "/dev/xvda")]);
            until_recorded(stage, &again).await;
            let third = register_from(stage, "orders-db-3", &[(&again, "/dev/xvda")]);
            until_recorded(stage, &third).await;
            if deregistered {
                stage.deregister(&first, false);
            }
            let report = agreed(stage).await;
            assert_eq!(report.families[0].state, RpoState::WithinRpo, "the first is 21 h old");

            stage.pass(hours(6)).await;
            let report = agreed(stage).await;
            let family = &report.families[0];
            assert_eq!(family.state, RpoState::Breached, "{report:#?}");
            assert_eq!(family.source_image_id.as_ref(), Some(&first));
            assert!(family.age_seconds > Some(26 * 3_600));
            let original = point(&report, &first);
            assert_eq!(original.repeats, None);
            for id in [&again, &third] {
                let repeat = point(&report, id);
                assert_eq!(repeat.code, Code::Complete);
                let older = repeat.repeats.as_ref().unwrap();
                assert_eq!(older.source_image_id, first);
                assert_eq!(older.source_created_at, original.source_created_at);
            }
            let html = stage.shown().unwrap().1;
            assert!(html.contains("2 images are made of the snapshots of older ones"));
            assert!(html.contains(&format!("has those of {first}")));
            let manifest = truth::manifest(stage, &again).unwrap();
            let manifest: Value = serde_json::from_str(&manifest).unwrap();
            let recorded = manifest["source"]["snapshots"].as_array().unwrap();
            assert_eq!(recorded.len(), 1, "{manifest}");

            // A new image of new snapshots leads out.
            stage.image(spec("orders-db", "orders-db-4", &[8]));
            stage
                .until("it is kept", hours(1), |stage| {
                    stage.shown().is_some_and(|(report, _)| {
                        report.families.iter().all(|family| family.state == RpoState::WithinRpo)
                    })
                })
                .await;
        });
    }
}

#[test]
fn an_image_that_shares_one_of_two_volumes_with_an_older_one_is_as_young_as_it_says() {
    run_test(Options::default(), async |stage| {
        let first = stage.image(spec("orders-db", "orders-db-1", &[8, 20]));
        stage.start_both();
        until_recorded(stage, &first).await;
        stage.pass(hours(20)).await;
        let mut root = spec("", "root-1", &[8]);
        root.tags.clear();
        let root = stage.bystander(root);
        let of = [(&first, "/dev/sdf"), (&root, "/dev/xvda")];
        let second = register_from(stage, "orders-db-2", &of);
        until_recorded(stage, &second).await;
        stage.pass(hours(6)).await;
        let report = agreed(stage).await;
        assert_eq!(report.families[0].state, RpoState::WithinRpo, "{report:#?}");
        assert_eq!(report.families[0].source_image_id, Some(second));
        assert!(report.recovery_points.iter().all(|point| point.repeats.is_none()));
    });
}

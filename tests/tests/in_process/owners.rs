//! What owners do to their images while those are on their way, and afterwards.

use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::ImageSpec;
use amiferry_simulator::ec2::image::Image;

use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// An image whose instances may use either version of IMDS.
fn lax() -> ImageSpec {
    let mut spec = spec("web", "web-1", &[8]);
    spec.metadata.imds_support = None;
    spec
}

fn restored(stage: &Stage, id: &ImageId) -> Image {
    let [image] = truth::restored(stage, id).try_into().expect("restored once");
    image
}

#[test]
fn a_source_that_demands_imds_v2_after_its_store_is_restored_as_one_that_does() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(lax());
        stage.start(Role::Source);
        stage.until_staged(&id).await;
        stage.demand_imds_v2(&id);
        stage.start(Role::Target);
        stage.complete_within(hours(1)).await;
        assert_eq!(restored(stage, &id).metadata.imds_support.as_deref(), Some("v2.0"));
        assert_eq!(stage.wire.calls("ModifyImageAttribute").len(), 1);
    });
}

#[test]
fn a_source_that_demands_imds_v2_after_the_record_undoes_no_recovery_point() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(lax());
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.demand_imds_v2(&id);
        stage.pass(minutes(40)).await;
        stage.complete_within(minutes(5)).await;
        assert_eq!(restored(stage, &id).metadata.imds_support, None);
        assert!(stage.wire.calls("ModifyImageAttribute").is_empty());
    });
}

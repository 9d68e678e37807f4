//! A restored image that lacks what its source has: told, accepted by its owner, and recorded so.

use amiferry_core::code::Code;
use amiferry_core::shape::Acceptable;
use amiferry_simulator::ec2::ImageSpec;
use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use amiferry_simulator::wire::scope::Service;

use crate::stage::{Options, Role, hours, inventory, run_test, spec, truth};

/// An image of the marketplace, under another operating system's bill.
pub fn sold() -> ImageSpec {
    let mut sold = spec("web", "web-1", &[8]);
    sold.metadata.product_codes.push("abc123".to_owned());
    sold.metadata.platform_details = "SUSE Linux".to_owned();
    sold
}

#[test]
fn product_codes_that_survive_are_recorded_with_the_platform() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(sold());
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let record = truth::manifest(stage, &id).unwrap();
        for words in ["\"marketplace:abc123\"", "\"SUSE Linux\"", "\"RunInstances\""] {
            assert!(record.contains(words), "{words} is not in {record}");
        }
        assert!(!record.contains("accepted_differences"), "{record}");
    });
}

#[test]
fn uefi_data_that_does_not_survive_parks_and_an_old_read_role_compares_it_not() {
    let lost = || Options::with(|settings| settings.ec2.uefi_data_survives = false);
    let keyed = || {
        let mut keyed = spec("web", "web-1", &[8]);
        keyed.metadata.uefi_data = Some("QU1aTlVFRkk=".to_owned());
        keyed
    };
    run_test(lost(), async |stage| {
        stage.image(keyed());
        stage.start_both();
        stage.until_parked(Role::Target, Code::MetadataMismatch, hours(1)).await;
        let report = inventory::partial_report(stage).await.unwrap();
        let detail = &report.recovery_points[0].detail;
        assert!(detail.contains("uefi_data: true became false"), "{detail}");
    });
    for old_role in [false, true] {
        run_test(Options::default(), async |stage| {
            if old_role {
                let rule = Rule::new(Effect::AccessDenied)
                    .on(Service::Ec2, "DescribeImageAttribute")
                    .in_region(stage.landscape.source.1.clone());
                stage.world.faults().install(FaultPlan::new().fault(rule)).unwrap();
            }
            let id = stage.image(keyed());
            stage.start_both();
            stage.complete_within(hours(1)).await;
            let record = truth::manifest(stage, &id).unwrap();
            assert_eq!(record.contains("\"uefi_data\": true"), !old_role, "{record}");
        });
    }
}

#[test]
fn product_codes_that_do_not_survive_park_until_the_policy_accepts_that() {
    let options = Options::with(|settings| settings.ec2.product_codes_survive = false);
    run_test(options, async |stage| {
        let id = stage.image(sold());
        stage.start_both();
        stage.until_parked(Role::Target, Code::MetadataMismatch, hours(1)).await;
        let report = inventory::partial_report(stage).await.unwrap();
        let shown = &report.recovery_points[0];
        let words = "product_codes: [\"marketplace:abc123\"] became []";
        assert!(shown.detail.contains(words), "{}", shown.detail);
        assert_eq!(shown.source_image_id, id);

        stage.kill(Role::Target);
        for policy in &mut stage.config.policies.0 {
            policy.accept_differences.insert(Acceptable::ProductCodes);
        }
        stage.start(Role::Target);
        stage.complete_within(hours(1)).await;
        let record = truth::manifest(stage, &id).unwrap();
        for words in ["accepted_differences", "product_codes"] {
            assert!(record.contains(words), "{words} is not in {record}");
        }
    });
}

#[test]
fn watermarks_and_rules_for_instance_types_that_do_not_survive_are_recorded_and_shown() {
    let marked = || {
        let mut image = spec("web", "web-1", &[3]);
        image.metadata.watermarks = vec!["111111111111:approved".to_owned()];
        image.metadata.supported_instance_types = vec!["m7*".to_owned()];
        image
    };
    for survive in [false, true] {
        let options = Options::with(move |settings| {
            settings.ec2.watermarks_survive = survive;
            settings.ec2.instance_types_survive = survive;
        });
        run_test(options, async |stage| {
            let id = stage.image(marked());
            stage.start_both();
            stage.complete_within(hours(1)).await;
            let record = truth::manifest(stage, &id).unwrap();
            assert!(record.contains("\"111111111111:approved\""), "{record}");
            assert_eq!(record.contains("accepted_differences"), !survive, "{record}");
            let report = inventory::partial_report(stage).await.unwrap();
            let detail = &report.recovery_points[0].detail;
            let words = "EC2 no longer refuses the instance types";
            assert_eq!(detail.contains(words), !survive, "{detail}");
        });
    }
}

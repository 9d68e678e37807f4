//! Images that cannot or should not be protected: each is left out with its reason.

use amiferry_core::code::Code;
use amiferry_core::policy::{FamilyKey, Pattern};
use amiferry_service::config::Config;
use amiferry_simulator::ec2::ImageSpec;
use amiferry_simulator::ec2::image::{ImageState, RootDeviceType, Virtualization};

use crate::golden::available;
use crate::stage::{Options, Role, Stage, hours, run_test, spec};

#[test]
fn images_that_cannot_be_stored_are_left_out_with_their_reason() {
    run_test(Options::default(), async |stage| {
        let mut paravirtual = spec("web", "web-pv", &[8]);
        paravirtual.metadata.virtualization = Virtualization::Paravirtual;
        let mut instance_store = spec("web", "web-is", &[8]);
        instance_store.metadata.root_device_type = RootDeviceType::InstanceStore;
        let mut unselected = spec("", "scratch", &[8]);
        unselected.tags.clear();
        let mut forged = spec("", "forged", &[8]);
        forged.tags = [("amiferry:policy".to_owned(), "gold".to_owned())].into_iter().collect();
        let failed = stage.bystander(spec("web", "web-failed", &[8]));
        let disabled = stage.bystander(spec("web", "web-off", &[8]));
        let expected = [
            (stage.image(paravirtual), Code::Paravirtual),
            (stage.image(instance_store), Code::NotEbsBacked),
            (stage.image(spec("orders-db", "orders-db-lake", &[4_000, 1_001])), Code::TooLarge),
            (stage.image(unselected), Code::NoPolicy),
            (stage.image(forged), Code::NoPolicy),
            (failed.clone(), Code::ImageFailed),
            (disabled.clone(), Code::ImageDisabled),
        ];
        {
            let mut state = stage.world.lock();
            let images = &mut state.ec2.get_mut(&stage.landscape.source).unwrap().images;
            images.get_mut(&failed).unwrap().state = ImageState::Failed;
            images.get_mut(&disabled).unwrap().state = ImageState::Disabled;
        }
        // One that is well, so that there is something to wait for.
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
        let report = stage.report().await;
        for (id, code) in expected {
            let rejected = report.rejected.iter().find(|rejected| rejected.source_image_id == id);
            let rejected = rejected.unwrap_or_else(|| panic!("{id} is not rejected for {code}"));
            assert_eq!(rejected.code, code, "{id}: {}", rejected.reason);
        }
    });
}

#[test]
fn an_image_that_another_account_shares_is_not_ours_to_protect() {
    run_test(Options::default(), async |stage| {
        let now = stage.world.now();
        let other: amiferry_core::ids::AccountId = "333333333333".parse().unwrap();
        let region = stage.landscape.source.1.clone();
        let mut state = stage.world.lock();
        let id = amiferry_simulator::ec2::add_image(
            &mut state,
            now,
            &other,
            &region,
            spec("web", "web-shared", &[8]),
        );
        let images = &mut state.ec2.get_mut(&(other, region)).unwrap().images;
        images.get_mut(&id).unwrap().public = true;
        drop(state);
        stage.send(Role::Source, available(stage, &id));
        stage.send(Role::Source, format!(r#"{{"image_id":"{id}"}}"#));
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
    });
}

#[test]
fn an_image_that_is_deregistered_before_it_is_stored_is_let_go() {
    run_test(Options::default(), async |stage| {
        let gone = stage.image(spec("web", "web-gone", &[8]));
        stage.forget(&gone);
        let mut state = stage.world.lock();
        state.ec2.get_mut(&stage.landscape.source).unwrap().images.remove(&gone);
        drop(state);
        stage.start_both();
        stage.image(spec("web", "web-1", &[8]));
        stage.complete_within(hours(1)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
    });
}

#[test]
fn an_image_that_is_too_old_is_left_out_and_what_was_complete_before_stays_complete() {
    let configure: fn(&mut Config) = |config| {
        for policy in &mut config.policies.0 {
            policy.max_age = "26h".parse().ok();
        }
    };
    let options = Options { configure, ..Options::default() };
    run_test(options, async |stage| {
        let hours_old = |stage: &Stage, hours| {
            let created = stage.world.now() - jiff::SignedDuration::from_hours(hours);
            ImageSpec { created: Some(created), ..spec("web", &format!("web-{hours}"), &[8]) }
        };
        let old = hours_old(stage, 27);
        let old = stage.bystander(old);
        let young = hours_old(stage, 25);
        let young = stage.image(young);
        stage.start_both();
        stage.complete_within(hours(1)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
        stage.pass(hours(3)).await;
        let report = stage.report().await;
        let left_out: Vec<_> =
            report.rejected.iter().map(|r| (&r.source_image_id, r.code)).collect();
        assert_eq!(left_out, [(&old, Code::TooOld)]);
        let points: Vec<_> =
            report.recovery_points.iter().map(|p| (&p.source_image_id, p.code)).collect();
        assert_eq!(points, [(&young, Code::Complete)], "it is too old by now");
        assert!(stage.parked(Role::Source).is_empty() && stage.parked(Role::Target).is_empty());
    });
}

#[test]
fn images_of_one_instance_are_one_family() {
    let configure: fn(&mut Config) = |config| {
        for policy in &mut config.policies.0 {
            policy.family = FamilyKey::Instance;
        }
    };
    let options = Options { configure, ..Options::default() };
    run_test(options, async |stage| {
        let ids = ["web-a", "web-b", "web-c"].map(|name| stage.image(spec("web", name, &[8])));
        {
            let mut state = stage.world.lock();
            let images = &mut state.ec2.get_mut(&stage.landscape.source).unwrap().images;
            for (id, instance) in ids.iter().zip(["i-0abcdef1", "i-0abcdef1", "i-0abcdef2"]) {
                images.get_mut(id).unwrap().source_instance = Some(instance.to_owned());
            }
        }
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let report = stage.report().await;
        let families: Vec<_> =
            report.families.iter().map(|family| family.family.as_str()).collect();
        assert_eq!(families, ["i-0abcdef1", "i-0abcdef2"]);
    });
}

#[test]
fn of_sources_that_a_policy_does_not_speak_about_and_of_its_exceptions_nothing_is_copied() {
    let configure: fn(&mut Config) = |config| {
        for policy in &mut config.policies.0 {
            match policy.name.as_str() {
                "silver" => policy.exclude.names = vec![Pattern::new("web-scratch-*")],
                _ => policy.accounts = vec!["333333333333".parse().unwrap()],
            }
        }
    };
    let options = Options { configure, ..Options::default() };
    run_test(options, async |stage| {
        let others = [
            stage.bystander(spec("orders-db", "orders-db-1", &[8])),
            stage.bystander(spec("web", "web-scratch-1", &[8])),
        ];
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
        let report = stage.report().await;
        for id in others {
            let found = report.rejected.iter().find(|image| image.source_image_id == id);
            assert_eq!(found.map(|image| image.code), Some(Code::NoPolicy), "{id}");
        }
    });
}

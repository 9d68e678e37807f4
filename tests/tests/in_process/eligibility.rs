//! Images that cannot or shall not be protected: each is left out with its reason.

use amiferry_core::code::Code;
use amiferry_simulator::ec2::image::{ImageState, RootDeviceType, Virtualization};

use crate::golden::available;
use crate::stage::{Options, Role, hours, run_test, spec};

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

//! Images of which a policy promises a copy that there cannot be, and what the worker mends by itself.

use amiferry_audit::inventory::State;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::ImageSpec;
use amiferry_simulator::ec2::image::{ImageState, RootDeviceType, Virtualization};
use amiferry_simulator::ec2::lifecycle;

use super::play::play;
use super::{Asked, End, Failure, LOST, PARKED, When, copy_of, ready};
use crate::losses::deregister_copy;
use crate::stage::{Role, Stage};

/// One is made in the place of an image that cannot be copied, and that one is deregistered.
fn replace(stage: &mut Stage, id: &ImageId, by: ImageSpec) {
    stage.image(ImageSpec { name: "orders-db-2".to_owned(), ..by });
    stage.deregister(id, false);
}

fn set_state(stage: &Stage, id: &ImageId, state: ImageState) {
    let mut world = stage.world.lock();
    let site = world.ec2.get_mut(&stage.landscape.source).unwrap();
    site.images.get_mut(id).unwrap().state = state;
}

/// An image of 5,001 GB in two volumes.
fn large() -> ImageSpec {
    crate::stage::spec("orders-db", "orders-db-1", &[4_000, 1_001])
}

fn with_metadata(change: fn(&mut amiferry_simulator::ec2::image::Metadata)) -> ImageSpec {
    let mut image = ready();
    change(&mut image.metadata);
    image
}

const LEFT_OUT: Failure = Failure { asked: Asked::LeftOut, ..PARKED };

const ALONE: Failure = Failure { asked: Asked::Alone, ..LOST };

pub const TABLE: &[Failure] = &[
    Failure {
        what: "the image's root device is an instance store",
        code: Code::NotEbsBacked,
        image: |_| with_metadata(|image| image.root_device_type = RootDeviceType::InstanceStore),
        end: End::Rebuilt("rebuild it on EBS, and deregister the old one", |stage, id| {
            replace(stage, id, ready());
        }),
        ..LEFT_OUT
    },
    Failure {
        what: "the image is paravirtual",
        code: Code::Paravirtual,
        image: |_| with_metadata(|image| image.virtualization = Virtualization::Paravirtual),
        end: End::Rebuilt("rebuild it for HVM, and deregister the old one", |stage, id| {
            replace(stage, id, ready());
        }),
        ..LEFT_OUT
    },
    Failure {
        what: "the image's volumes add up to 5,001 GB",
        code: Code::TooLarge,
        image: |_| large(),
        end: End::Rebuilt(
            "make one without the data volume, and deregister the old one",
            |stage, id| {
                replace(stage, id, ready());
            },
        ),
        ..LEFT_OUT
    },
    Failure {
        what: "EC2 failed to create the image",
        code: Code::ImageFailed,
        harm: |stage, id| set_state(stage, id, ImageState::Failed),
        end: End::Rebuilt("create it again, and deregister the old one", |stage, id| {
            replace(stage, id, ready());
        }),
        ..LEFT_OUT
    },
    Failure {
        what: "the image is disabled before it is stored",
        code: Code::ImageDisabled,
        harm: |stage, id| stage.set_enabled(id, false),
        end: End::Mended("enable it", |stage, id| stage.set_enabled(id, true)),
        ..LEFT_OUT
    },
    Failure {
        what: "the restored image is deregistered while no target worker runs",
        code: Code::RestoredImageLost,
        harm: |stage, id| {
            stage.kill(Role::Target);
            deregister_copy(stage, id);
        },
        end: End::Mended("start the target worker", |stage, _| stage.start(Role::Target)),
        ..ALONE
    },
    Failure {
        what: "deregistration protection is turned off while no target worker runs",
        code: Code::ImageUnprotected,
        state: State::Tampered,
        harm: |stage, id| {
            stage.kill(Role::Target);
            let (copy, now) = (copy_of(stage, id), stage.world.now());
            let place = &stage.landscape.vault;
            lifecycle::unprotect(&mut stage.world.lock(), now, place, &copy).unwrap();
        },
        end: End::Mended("start the target worker", |stage, _| stage.start(Role::Target)),
        ..ALONE
    },
];

#[test]
fn images_that_cannot_be_copied_are_told_everywhere_and_the_remedy_leads_out() {
    play(TABLE);
}

#[test]
fn every_row_of_an_image_that_is_left_out_is_about_a_code_that_leaves_images_out() {
    for failure in TABLE {
        let leaves_out = failure.code.kind() == amiferry_core::code::Kind::Unprotectable;
        assert_eq!(leaves_out, failure.asked == Asked::LeftOut, "{}", failure.what);
        assert_eq!(failure.when == When::Complete, failure.asked == Asked::Alone);
    }
}

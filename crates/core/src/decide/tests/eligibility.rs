//! Which images are protected, and the first reason why others are not.

use proptest::prelude::*;

use super::fixture::*;
use crate::code::Code;
use crate::decide::eligibility::{LARGEST_GB, governing};
use crate::model::{Image, ImageState, RootDeviceType, Virtualization};
use crate::names::SourceId;

/// The policy that governs an image, or the code that leaves it out.
fn judged(image: &Image) -> Result<String, Code> {
    governing(&policies(), &source(), image, now())
        .map(|policy| policy.name.to_string())
        .map_err(|left_out| left_out.code)
}

#[test]
fn each_reason_leaves_an_image_out_and_its_neighbour_does_not() {
    use Code::*;
    let failed = || image().in_state(ImageState::Failed);
    let nameless = |state| image().named("").tagged("backup", "never").in_state(state);
    let other = |state: &str| image().in_state(ImageState::Other(state.to_owned()));
    for (image, expected, comment) in [
        (image(), Ok("daily"), "the ordinary image"),
        (image().owned_by(VAULT), Err(NotOwned), "shared with the source, not its own"),
        // Only name and tag together make an own restore: each alone is something anyone may do.
        (image().named("amiferry/x").tagged("amiferry:managed", "true"), Err(OwnRestore), "both"),
        (image().tagged("amiferry:managed", "true"), Ok("daily"), "only the tag"),
        (image().named("amiferry/x"), Ok("daily"), "only the name"),
        (image().named("amiferry/x").tagged("amiferry:managed", "false"), Ok("daily"), "not true"),
        (image().named("amiferry-x").tagged("amiferry:managed", "true"), Ok("daily"), "not ours"),
        (image().tagged("backup", "weekly"), Ok("weekly"), "the other policy"),
        (image().tagged("backup", "never"), Err(NoPolicy), "no policy has this value"),
        (image().made_ago("90d"), Ok("daily"), "as old as its policy takes it"),
        (image().made_ago("90d 1s"), Err(TooOld), "a second older"),
        (image().made_ago("90d 1s").tagged("backup", "weekly"), Ok("weekly"), "without max_age"),
        (image().in_state(ImageState::Pending), Err(ImagePending), "still being made"),
        (other("transient"), Err(ImagePending), "a state of tomorrow is not known to be ready"),
        (image().in_state(ImageState::Disabled), Err(ImageDisabled), "hidden by its owner"),
        (image().in_state(ImageState::Deregistered), Err(ImageGone), "still shown, but gone"),
        (failed(), Err(ImageFailed), "never became an image"),
        (nameless(ImageState::Pending), Err(ImagePending), "nothing says yet who selects it"),
        (nameless(ImageState::Other("copying".into())), Err(ImagePending), "nor here"),
        (nameless(ImageState::Failed), Err(NoPolicy), "it will never have a name"),
        (image().instance_store(), Err(NotEbsBacked), "refused by a store task"),
        (
            image().with(|i| i.root_device_type = RootDeviceType::Other("tape".into())),
            Err(NotEbsBacked),
            "a type of tomorrow is not known to be EBS",
        ),
        (
            image().with(|i| i.virtualization = Virtualization::Other("nested".into())),
            Err(Paravirtual),
            "nor a kind of tomorrow to be HVM",
        ),
        (image().paravirtual(), Err(Paravirtual), "refused by a store task"),
        (image().of_gib(LARGEST_GB), Ok("daily"), "the largest there may be"),
        (image().of_gib(LARGEST_GB + 1), Err(TooLarge), "one more"),
    ] {
        assert_eq!(judged(&image), expected.map(str::to_owned), "{comment}");
    }
}

#[test]
fn the_first_of_several_reasons_is_given() {
    use Code::*;
    // Each row takes one reason away from the row before it.
    let all = image()
        .owned_by(VAULT)
        .named("amiferry/x")
        .tagged("amiferry:managed", "true")
        .tagged("backup", "never")
        .made_ago("91d")
        .in_state(ImageState::Pending)
        .instance_store()
        .paravirtual()
        .of_gib(LARGEST_GB + 1);
    let owned = all.clone().owned_by(SOURCE);
    let original = owned.clone().named("web");
    let governed = original.clone().tagged("backup", "daily");
    let young = governed.clone().made_ago("1d");
    let available = young.clone().in_state(ImageState::Available);
    let on_ebs = available.clone().with(|i| i.root_device_type = image().root_device_type);
    let hvm = on_ebs.clone().with(|i| i.virtualization = image().virtualization);
    for (image, expected) in [
        (all, Err(NotOwned)),
        (owned, Err(OwnRestore)),
        (original, Err(NoPolicy)),
        (governed, Err(TooOld)),
        (young, Err(ImagePending)),
        (available, Err(NotEbsBacked)),
        (on_ebs, Err(Paravirtual)),
        (hvm.clone(), Err(TooLarge)),
        (hvm.of_gib(LARGEST_GB), Ok("daily".to_owned())),
    ] {
        assert_eq!(judged(&image), expected);
    }
}

#[test]
fn a_failed_image_is_left_out_in_the_words_of_ec2() {
    let policies = policies();
    let detail = |image: &Image| {
        governing(&policies, &source(), image, now()).map_err(|left_out| left_out.detail)
    };
    let failed = image().in_state(ImageState::Failed);
    assert_eq!(detail(&failed), Err("no reason given".to_owned()));
    let explained = failed.with(|image| image.state_reason = Some("quota".to_owned()));
    assert_eq!(detail(&explained), Err("quota".to_owned()));
}

#[test]
fn the_first_policy_of_the_file_that_selects_an_image_governs_it() {
    let both = policies().with(|all| {
        let all_names = serde_json::from_str(r#"{"names": ["*"]}"#).unwrap();
        all.0[1].select = all_names;
    });
    let governed = |all: &crate::policy::Policies| {
        governing(all, &source(), &image(), now()).unwrap().name.to_string()
    };
    assert_eq!(governed(&both), "daily");
    assert_eq!(governed(&both.with(|all| all.0.reverse())), "weekly");
}

#[test]
fn an_image_of_a_source_that_no_policy_speaks_about_is_left_out() {
    let elsewhere = SourceId { region: "eu-west-1".parse().unwrap(), ..source() };
    let only_here = policies().with(|all| all.0[0].regions = vec![source().region]);
    let judged = |source: &SourceId| {
        governing(&only_here, source, &image(), now()).map_err(|left_out| left_out.code)
    };
    assert!(judged(&source()).is_ok());
    assert_eq!(judged(&elsewhere), Err(Code::NoPolicy));
}

proptest! {
    #[test]
    fn a_restore_of_ours_is_never_a_source_whatever_else_it_carries(
        extra in prop::collection::btree_map("[a-z:]{1,12}", ".{0,20}", 0..6),
        rest in ".{0,40}",
    ) {
        let copy = image()
            .with(|image| image.tags.extend(extra))
            .tagged("backup", "daily")
            .tagged("amiferry:managed", "true")
            .named(&format!("amiferry/{rest}"));
        prop_assert_eq!(judged(&copy), Err(Code::OwnRestore));
    }

    #[test]
    fn the_sum_of_the_volumes_decides_about_size(sizes in prop::collection::vec(1u64..2_000, 1..6)) {
        let devices = sizes.iter().map(|size| device("/dev/xvda", "snap-0abcdef1", *size)).collect();
        let image = image().with(|image| image.devices = devices);
        let expected = if sizes.iter().sum::<u64>() <= LARGEST_GB {
            Ok("daily".to_owned())
        } else {
            Err(Code::TooLarge)
        };
        prop_assert_eq!(judged(&image), expected);
    }
}

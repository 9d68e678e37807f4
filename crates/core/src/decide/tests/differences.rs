//! What a restored image may lack, by AWS's ways or by its owner's leave.

use std::collections::BTreeSet;

use super::fixture::*;
use super::scene::{Scene, scene};
use crate::code::Code;
use crate::decide::Decision;
use crate::decide::vault::{DefaultEncryption, Effect, ManifestFact, Observed};
use crate::model::{Image, KeyVerdict};
use crate::policy::Tier;
use crate::shape::{Acceptable, Difference};

/// A source with product codes, whose restored image has none.
fn stripped(seen: Observed) -> Scene {
    let mut scene = scene(seen);
    if let Some(source) = &mut scene.seen.source {
        source.product_codes.insert("marketplace:abc".to_owned());
    }
    scene
}

fn protected() -> Observed {
    observed().staged().copied().restored().protected()
}

fn accepting(mut scene: Scene, attributes: &[Acceptable]) -> Scene {
    let accepted: BTreeSet<Acceptable> = attributes.iter().copied().collect();
    scene.policies.0.iter_mut().for_each(|policy| policy.accept_differences = accepted.clone());
    scene
}

#[test]
fn a_difference_parks_until_the_policy_accepts_it_and_the_record_names_it() {
    let scene = stripped(protected());
    let Decision::Park { code, detail, .. } = scene.decide() else { panic!("not parked") };
    assert_eq!(code, Code::MetadataMismatch);
    assert!(detail.contains("product_codes: [\"marketplace:abc\"] became []"), "{detail}");
    // Another one does not help.
    let other = accepting(scene.clone(), &[Acceptable::BootMode]);
    assert!(matches!(other.decide(), Decision::Park { code: Code::MetadataMismatch, .. }));

    let Decision::Act(Effect::Record(manifest)) =
        accepting(scene, &[Acceptable::ProductCodes]).decide()
    else {
        panic!("not recorded")
    };
    let accepted = &manifest.restored.as_ref().unwrap().accepted_differences;
    let expected = Difference {
        attribute: "product_codes".to_owned(),
        source: "[\"marketplace:abc\"]".to_owned(),
        restored: "[]".to_owned(),
    };
    assert_eq!(accepted, &[expected]);
    let written = String::from_utf8(manifest.to_json()).unwrap();
    assert!(written.contains("\"accepted_differences\""), "{written}");
}

#[test]
fn what_was_accepted_when_it_was_recorded_stays_so_under_another_policy() {
    let accepted = accepting(stripped(protected()), &[Acceptable::ProductCodes]);
    let Decision::Act(Effect::Record(manifest)) = accepted.decide() else { panic!("not recorded") };
    let mut later = stripped(protected());
    later.seen.manifest = ManifestFact::Present(manifest);
    assert_eq!(later.decide(), Decision::Done(Code::Complete));
    later.seen = later.seen.newest(|image| image.boot_mode = None);
    assert!(matches!(later.decide(), Decision::Park { code: Code::MetadataMismatch, .. }));
}

#[test]
fn an_accepted_difference_keeps_no_image_from_requiring_imdsv2() {
    let accepted = accepting(stripped(protected()), &[Acceptable::ProductCodes]);
    let lax = |image: &mut Image| image.imds_support = None;
    let accepted = accepted.seen(|seen| *seen = seen.clone().newest(lax));
    assert!(matches!(accepted.decide(), Decision::Act(Effect::DemandImdsV2(_))));
}

#[test]
fn a_point_recorded_by_a_version_that_did_not_compare_the_bill_stays_complete() {
    let mut old = stripped(Observed::complete(Tier::Ready));
    let ManifestFact::Present(manifest) = &mut old.seen.manifest else { panic!("not recorded") };
    manifest.source.shape.billing = None;
    assert_eq!(old.decide(), Decision::Done(Code::Complete));
}

const CENTRAL: &str = "arn:aws:kms:us-west-2:333333333333:key/central";

/// The snapshots have a key of another account.
fn under_central_key(seen: Observed) -> Scene {
    let mut scene = scene(seen);
    for snapshot in &mut scene.seen.snapshots {
        snapshot.key = Some(CENTRAL.to_owned());
    }
    scene
}

#[test]
fn a_key_of_another_account_counts_where_the_vaults_own_settings_name_it() {
    let scene = under_central_key(protected());
    assert!(matches!(scene.decide(), Decision::Park { code: Code::SnapshotsUnencrypted, .. }));
    let central = DefaultEncryption::With(CENTRAL.parse().unwrap(), KeyVerdict::Usable);
    let by_default = scene.vault(|vault| vault.default_encryption = central);
    let Decision::Act(Effect::Record(manifest)) = by_default.decide() else { panic!("no record") };
    assert!(manifest.restored.as_ref().unwrap().keys.contains(CENTRAL));

    // Once recorded it stays complete when new restores get another key.
    let mut later = under_central_key(protected());
    later.seen.manifest = ManifestFact::Present(manifest);
    assert_eq!(later.decide(), Decision::Done(Code::Complete));
}

//! Stores that EC2 refuses or does not list, because another caller stores the same image, and
//! restores that it refuses for their tags.

use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::ImageSpec;
use amiferry_simulator::ec2::store::{StoreRequest, begin};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::principal::Principal;
use amiferry_simulator::s3::checksum::{Algorithm, Checksum, Kind};
use amiferry_simulator::s3::object::VersionKind;
use amiferry_simulator::s3::{self, BucketSpec, NewObject};

use crate::restores::lose_object;
use crate::stage::story::{lines, text, with_message};
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// A bucket of another tool in the source account and Region.
const OTHERS: &str = "of-another-tool";

/// Another tool stores an image into a bucket, with a path behind its name.
pub fn store_elsewhere(stage: &Stage, id: &ImageId, bucket: &str) {
    let place = stage.landscape.source.clone();
    let (caller, now) = (Principal::root(place.0.clone()), stage.world.now());
    let mut state = stage.world.lock();
    if bucket == OTHERS && state.s3.bucket(OTHERS).is_none() {
        let spec = BucketSpec::new(OTHERS, place.0.clone(), place.1.clone());
        s3::create_bucket(&mut state, now, spec).unwrap();
    }
    let request = StoreRequest { image: id, bucket, tags: Default::default() };
    begin(&mut state, now, (&place, &caller), request).unwrap();
}

/// An image with a snapshot that has more tags than a restore can take.
pub fn many_tags() -> ImageSpec {
    let mut tagged = spec("web", "web-1", &[8]);
    let many = (0..45).map(|number| (format!("tag-{number}"), "x".to_owned()));
    tagged.volumes[0].tags = many.collect();
    tagged
}

/// Takes the tags off the snapshots of a source image.
pub fn untag_snapshots(stage: &Stage, id: &ImageId) {
    let mut state = stage.world.lock();
    let site = state.ec2.get_mut(&stage.landscape.source).unwrap();
    let snapshots: Vec<_> = site.images[id].snapshots().cloned().collect();
    for snapshot in snapshots {
        site.snapshots.get_mut(&snapshot).unwrap().tags.clear();
    }
}

/// Leaves a staged object with a checksum that no copy in parts can have.
pub fn lose_checksum(stage: &Stage, id: &ImageId) {
    let key = truth::staged_key(stage, id);
    let mut state = stage.world.lock();
    let version = state.s3.bucket_mut(STAGING_BUCKET).unwrap().version_mut(&key, None).unwrap();
    let VersionKind::Object(object) = &mut version.kind else { panic!("a marker") };
    object.checksum = Checksum {
        algorithm: Algorithm::Sha256,
        kind: Kind::FullObject,
        value: "c2hhMjU2".to_owned(),
    };
}

/// Writes the bytes of a staged object again, in parts.
pub fn copy_onto_itself(stage: &Stage, id: &ImageId) {
    let (key, now) = (truth::staged_key(stage, id), stage.world.now());
    let mut state = stage.world.lock();
    let staged = state.s3.bucket(STAGING_BUCKET).unwrap().latest(&key).unwrap();
    let staged = staged.object().unwrap().clone();
    let metadata = staged.attributes.metadata;
    let again = NewObject { content: staged.content, metadata, tags: Default::default() };
    s3::put_by_service(&mut state, now, STAGING_BUCKET, &key, again).unwrap();
}

#[test]
fn a_store_into_another_bucket_is_waited_for_and_costs_no_refused_call() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[100]));
        store_elsewhere(stage, &id, OTHERS);
        stage.start_both();
        stage.pass(minutes(10)).await;
        assert!(stage.wire.calls("CreateStoreImageTask").is_empty());
        assert!(stage.parked(Role::Source).is_empty());
        stage.complete_within(hours(3)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
    });
}

#[test]
fn a_task_that_ec2_no_longer_lists_is_neither_failed_nor_never_begun() {
    // Two calls within milliseconds, which EC2 may both accept; it lists the other one.
    run_test(Options::with(|settings| settings.ec2.concurrent_stores = true), async |stage| {
        let id = stage.image(spec("web", "web-1", &[200]));
        stage.start_both();
        stage
            .until("the store runs", hours(1), |stage| {
                !stage.wire.calls("CreateStoreImageTask").is_empty()
            })
            .await;
        store_elsewhere(stage, &id, OTHERS);
        stage.world.lock().settings.ec2.concurrent_stores = false;
        stage.complete_within(hours(4)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
        assert!(!stage.metrics().contains(r#"stage="store_task",outcome="failed""#));
    });
}

#[test]
fn an_image_under_another_key_of_the_staging_bucket_is_named_and_stored_once_that_is_gone() {
    run_test(Options { kept: true, ..Options::default() }, async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        store_elsewhere(stage, &id, &format!("{STAGING_BUCKET}/by-hand"));
        stage.pass(hours(1)).await;
        stage.start_both();
        stage.until_parked(Role::Source, Code::StoredElsewhere, hours(1)).await;
        stage.pass(hours(6)).await;
        let calls = stage.wire.calls("CreateStoreImageTask").len();
        assert!((2..9).contains(&calls), "{calls} calls in six hours");
        let key = format!("by-hand/{id}.bin");
        let lines = lines(stage);
        let said = with_message(&lines, "parked");
        assert!(said.iter().any(|line| text(line, "amiferry.detail").contains(&key)), "{said:#?}");
        // The remedy.
        lose_object(stage, STAGING_BUCKET, &key);
        stage.complete_within(hours(8)).await;
    });
}

#[test]
fn an_image_that_lies_under_our_key_already_is_adopted() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        let path = truth::staged_key(stage, &id).rsplit_once('/').unwrap().0.to_owned();
        store_elsewhere(stage, &id, &format!("{STAGING_BUCKET}/{path}"));
        stage.pass(hours(1)).await;
        stage.start_both();
        stage.complete_within(hours(1)).await;
        assert!(stage.wire.calls("CreateStoreImageTask").is_empty());
    });
}

#[test]
fn tags_that_a_restore_cannot_take_are_no_full_quota() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(many_tags());
        stage.start_both();
        stage.until_parked(Role::Target, Code::TooManyTags, hours(1)).await;
        assert!(truth::restored(stage, &id).is_empty());
        let healthy = stage.image(spec("payments", "payments-1", &[8]));
        stage
            .until("another one is complete", hours(1), |stage| truth::is_recorded(stage, &healthy))
            .await;
        // The remedy.
        untag_snapshots(stage, &id);
        lose_object(stage, VAULT_BUCKET, &truth::vault_key(stage, &id, "image.bin"));
        lose_object(stage, STAGING_BUCKET, &truth::staged_key(stage, &id));
        stage.complete_within(hours(4)).await;
    });
}

#[test]
fn a_staged_object_with_no_checksum_for_a_copy_in_parts_is_named_and_copied_once_it_has_one() {
    run_test(Options { kept: true, ..Options::default() }, async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start(Role::Source);
        stage.until_staged(&id).await;
        lose_checksum(stage, &id);
        let key = truth::staged_key(stage, &id);
        stage.start(Role::Target);
        stage.until_parked(Role::Target, Code::StagedWithoutChecksum, hours(1)).await;
        let lines = lines(stage);
        let said = with_message(&lines, "parked");
        let told = format!("s3://{STAGING_BUCKET}/{key} has SHA256:c2hhMjU2");
        assert!(said.iter().any(|line| text(line, "amiferry.detail") == told), "{said:#?}");
        assert!(stage.wire.calls("CreateMultipartUpload").is_empty());
        // The remedy.
        copy_onto_itself(stage, &id);
        stage.complete_within(hours(1)).await;
    });
}

//! `CreateStoreImageTask` and `DescribeStoreImageTasks`.

use std::time::Duration;

use super::*;
use crate::Settings;
use crate::ec2::image::{Metadata, RootDeviceType, Virtualization};
use crate::ec2::settings::{OneCopy, Throttling};
use crate::kms::{self, KeyState};
use crate::s3::{self, BucketSpec, Encryption};
use crate::testing::{OTHER, pass, world, world_with};

/// Seconds that a store of 100 GiB takes at the default pace, rounded up.
const STORE_100: i64 = 60 + 1_074;

pub fn bucket(world: &World, name: &str, owner: &str, place: &str) {
    let now = world.now();
    let spec = BucketSpec::new(name, account(owner), region(place));
    s3::create_bucket(&mut world.lock(), now, spec).unwrap();
}

async fn store(world: &World, image: &str, bucket: &str) -> Reply {
    call(world, "CreateStoreImageTask", &[("ImageId", image), ("Bucket", bucket)]).await
}

async fn task(world: &World, image: &str) -> Reply {
    call(world, "DescribeStoreImageTasks", &[("ImageId.1", image)]).await
}

fn stored(world: &World, key: &str) -> bool {
    s3::read_by_service(&world.lock(), world.now(), "staging", key).is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_object_appears_when_the_task_is_complete_and_not_before() {
    let world = world();
    bucket(&world, "staging", ACCOUNT, REGION);
    let id = image(&world, "web", 100).to_string();
    let request = [
        ("ImageId", id.as_str()),
        ("Bucket", "staging/a/b"),
        ("S3ObjectTag.1.Key", "policy"),
        ("S3ObjectTag.1.Value", "gold"),
    ];
    let reply = call(&world, "CreateStoreImageTask", &request).await;
    let key = format!("a/b/{id}.bin");
    assert_eq!(reply.element("objectKey"), Some(key.clone()), "{}", reply.text);
    for (seconds, progress, state) in [
        (0, "0", "InProgress"),
        (567, "50", "InProgress"),
        (566, "99", "InProgress"),
        (1, "100", "Completed"),
    ] {
        pass(&world, seconds).await;
        let shown = task(&world, &id).await;
        assert_eq!(shown.element("progressPercentage").as_deref(), Some(progress));
        assert_eq!(shown.element("storeTaskState").as_deref(), Some(state));
        assert_eq!(shown.element("s3objectKey"), Some(key.clone()));
        assert_eq!(shown.element("bucket").as_deref(), Some("staging"));
        assert_eq!(stored(&world, &key), state == "Completed");
    }
    let state = world.lock();
    let content = s3::read_by_service(&state, world.now(), "staging", &key).unwrap();
    assert_eq!(content.len(), (100 << 30) * 40 / 100);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_stored_is_refused_with_a_reason() {
    let world = world();
    bucket(&world, "staging", ACCOUNT, REGION);
    bucket(&world, "far", ACCOUNT, ELSEWHERE);
    bucket(&world, "foreign", OTHER, REGION);
    let metadata = |change: fn(&mut Metadata)| {
        let mut metadata = Metadata::default();
        change(&mut metadata);
        let spec = ImageSpec { name: format!("{metadata:?}"), metadata, ..Default::default() };
        put(&world, spec).to_string()
    };
    let good = image(&world, "good", 5_000).to_string();
    let large = image(&world, "large", 5_001).to_string();
    let paravirtual = metadata(|m| m.virtualization = Virtualization::Paravirtual);
    let bundled = metadata(|m| m.root_device_type = RootDeviceType::InstanceStore);
    let disabled = image(&world, "disabled", 8).to_string();
    assert_ok(&call(&world, "DisableImage", &[("ImageId", &disabled)]).await);
    for (id, bucket, code, word) in [
        ("ami-1", "staging", "InvalidAMIID.Malformed", "ami-1"),
        ("ami-00000000", "staging", "InvalidAMIID.NotFound", "ami-00000000"),
        (&large, "staging", "UnsupportedOperation", "5001"),
        (&paravirtual, "staging", "UnsupportedOperation", "paravirtual"),
        (&bundled, "staging", "UnsupportedOperation", "EBS-backed"),
        (&disabled, "staging", "InvalidAMIID.Unavailable", "disabled"),
        (&good, "none", "InaccessibleStorageLocation", "none"),
        (&good, "foreign", "InaccessibleStorageLocation", "foreign"),
        (&good, "far", "InvalidParameterValue", ELSEWHERE),
    ] {
        let reply = store(&world, id, bucket).await;
        assert_code(&reply, 400, code);
        assert!(reply.text.contains(word), "{word} in {}", reply.text);
    }
    for tags in [
        vec![("S3ObjectTag.1.Key", "aws:x".to_owned())],
        vec![("S3ObjectTag.1.Key", "k".to_owned()), ("S3ObjectTag.1.Value", "v".repeat(257))],
    ] {
        let mut request = vec![("ImageId", good.as_str()), ("Bucket", "staging")];
        request.extend(tags.iter().map(|(name, value)| (*name, value.as_str())));
        let reply = call(&world, "CreateStoreImageTask", &request).await;
        assert_code(&reply, 400, "InvalidParameterValue");
    }
    let theirs = [("ImageId", good.as_str()), ("Bucket", "foreign")];
    let share = [("ImageId", good.as_str()), ("LaunchPermission.Add.1.Group", "all")];
    assert_ok(&call(&world, "ModifyImageAttribute", &share).await);
    let reply = call_in(&world, REGION, OTHER, "CreateStoreImageTask", &theirs).await;
    assert_code(&reply, 403, "AuthFailure");
    let dry = [("ImageId", good.as_str()), ("Bucket", "staging"), ("DryRun", "true")];
    assert_code(&call(&world, "CreateStoreImageTask", &dry).await, 412, "DryRunOperation");
    assert_eq!(elements(&task(&world, &good).await, "amiId"), [""; 0], "nothing was begun");
    assert_ok(&store(&world, &good, "staging").await);
}

#[tokio::test(start_paused = true)]
async fn admission_looks_at_what_is_running_and_not_at_what_is_added() {
    for (sizes, admitted) in [
        (vec![200, 400, 500, 8], vec![true, true, true, true]),
        (vec![600, 600, 1], vec![true, true, false]),
        (vec![1_199, 5_000, 1], vec![true, true, false]),
        (vec![5_000, 1], vec![true, false]),
        (vec![1_200, 1], vec![true, false]),
    ] {
        let world = world();
        bucket(&world, "staging", ACCOUNT, REGION);
        for (number, (size, admitted)) in sizes.iter().zip(admitted).enumerate() {
            let id = image(&world, &format!("image {number}"), *size).to_string();
            let reply = store(&world, &id, "staging").await;
            if admitted {
                assert_ok(&reply);
            } else {
                assert_code(&reply, 400, "ResourceLimitExceeded");
                pass(&world, 24 * 3_600).await;
                assert_ok(&store(&world, &id, "staging").await);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_counts_as_a_second_copy_is_a_switch() {
    for (rule, same_key, other_path) in [
        (OneCopy::PerBucket, false, false),
        (OneCopy::PerKey, false, true),
        (OneCopy::Unlimited, true, true),
    ] {
        let mut settings = Settings::default();
        settings.ec2.one_copy = rule;
        settings.ec2.concurrent_stores = true;
        settings.ec2.store_quota_gb = u64::MAX;
        let world = world_with(settings);
        bucket(&world, "staging", ACCOUNT, REGION);
        bucket(&world, "second", ACCOUNT, REGION);
        let id = image(&world, "web", 100).to_string();
        assert_ok(&store(&world, &id, "staging").await);
        for moment in ["running", "complete", "no longer listed"] {
            let same = store(&world, &id, "staging").await.status == 200;
            assert_eq!(same, same_key, "{rule:?} {moment}");
            pass(&world, if moment == "running" { STORE_100 } else { 32 * 24 * 3_600 }).await;
        }
        assert!(stored(&world, &format!("{id}.bin")));
        assert_ok(&store(&world, &id, "second").await);
        let fresh = image(&world, "db", 100).to_string();
        assert_ok(&store(&world, &fresh, "staging").await);
        let path = store(&world, &fresh, "staging/path").await.status == 200;
        assert_eq!(path, other_path, "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_store_of_an_image_runs_at_a_time_and_only_its_newest_task_is_listed() {
    let world = world();
    bucket(&world, "staging", ACCOUNT, REGION);
    bucket(&world, "second", ACCOUNT, REGION);
    let id = image(&world, "web", 100).to_string();
    assert_ok(&store(&world, &id, "staging").await);
    for place in ["staging", "second"] {
        let refused = store(&world, &id, place).await;
        assert_code(&refused, 400, "InvalidRequest");
        assert!(refused.text.contains("already in progress for the AMI"), "{}", refused.text);
    }
    pass(&world, STORE_100).await;
    let refused = store(&world, &id, "staging/elsewhere").await;
    assert_code(&refused, 400, "InvalidRequest");
    assert!(refused.text.contains("already exists in the bucket"), "{}", refused.text);
    assert_ok(&store(&world, &id, "second").await);
    let listed = call(&world, "DescribeStoreImageTasks", &[]).await;
    assert_eq!(elements(&listed, "bucket"), ["second"]);
    assert_eq!(elements(&task(&world, &id).await, "bucket"), ["second"]);
    world.lock().settings.ec2.older_tasks_listed = true;
    assert_eq!(elements(&task(&world, &id).await, "bucket"), ["second", "staging"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_fails_when_its_snapshot_is_deleted_meanwhile() {
    let world = world();
    bucket(&world, "staging", ACCOUNT, REGION);
    let id = image(&world, "web", 100).to_string();
    assert_ok(&store(&world, &id, "staging").await);
    let request = [("ImageId", id.as_str()), ("DeleteAssociatedSnapshots", "true")];
    assert_ok(&call(&world, "DeregisterImage", &request).await);
    pass(&world, STORE_100).await;
    let failed = task(&world, &id).await;
    assert_eq!(failed.element("storeTaskState").as_deref(), Some("Failed"));
    let reason = failed.element("storeTaskFailureReason").unwrap();
    assert!(reason.contains("snap-"), "{reason}");
    assert!(!stored(&world, &format!("{id}.bin")));
}

#[tokio::test(start_paused = true)]
async fn a_task_fails_when_a_key_that_it_needs_is_disabled_meanwhile() {
    for of_bucket in [false, true] {
        let world = world();
        let key = key(&world, ACCOUNT, REGION);
        let now = world.now();
        let mut staging = BucketSpec::new("staging", account(ACCOUNT), region(REGION));
        let mut volume = VolumeSpec::default();
        if of_bucket {
            staging.encryption = Encryption::Kms(key.clone());
        } else {
            volume.encrypted = Some(key.clone());
        }
        s3::create_bucket(&mut world.lock(), now, staging).unwrap();
        let id = put(&world, ImageSpec { volumes: vec![volume], ..ImageSpec::default() });
        assert_ok(&store(&world, id.as_str(), "staging").await);
        kms::set_key_state(&mut world.lock(), &key, KeyState::Disabled).unwrap();
        pass(&world, STORE_100).await;
        let failed = task(&world, id.as_str()).await;
        let reason = failed.element("storeTaskFailureReason").unwrap_or_default();
        assert!(reason.contains("DisabledException"), "{of_bucket}: {}", failed.text);
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_are_listed_newest_first_for_31_days() {
    let mut settings = Settings::default();
    settings.ec2.throttling = Throttling::Off;
    let world = world_with(settings);
    bucket(&world, "staging", ACCOUNT, REGION);
    bucket(&world, "second", ACCOUNT, REGION);
    let first = image(&world, "first", 1).to_string();
    let second = image(&world, "second", 1).to_string();
    assert_ok(&store(&world, &first, "staging").await);
    pass(&world, 3_600).await;
    assert_ok(&store(&world, &second, "second").await);
    let ids = async |parameters: &[(&str, &str)]| {
        elements(&call(&world, "DescribeStoreImageTasks", parameters).await, "amiId")
    };
    let both = [second.clone(), first.clone()];
    assert_eq!(ids(&[]).await, both);
    let state = [("Filter.1.Name", "task-state"), ("Filter.1.Value.1", "InProgress")];
    assert_eq!(ids(&state).await, both[..1]);
    let place = [("Filter.1.Name", "bucket"), ("Filter.1.Value.1", "staging")];
    assert_eq!(ids(&place).await, both[1..]);
    let ignored = [("ImageId.1", first.as_str()), state[0], state[1]];
    assert_eq!(ids(&ignored).await, both[1..], "filters are ignored beside ids");
    let page = call(&world, "DescribeStoreImageTasks", &[("MaxResults", "1")]).await;
    let token = page.element("nextToken").unwrap();
    assert_eq!(ids(&[("MaxResults", "1"), ("NextToken", &token)]).await, both[1..]);
    pass(&world, 31 * 24 * 3_600 - 1_800).await;
    assert_eq!(ids(&[]).await, both[..1]);
    pass(&world, 3_600).await;
    assert_eq!(ids(&[]).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn describing_tasks_has_its_own_argument_rules() {
    let world = world();
    let many: Vec<(String, String)> =
        (1..=21).map(|n| (format!("ImageId.{n}"), format!("ami-000000{n:02}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let with_page = [("ImageId.1", "ami-00000000"), ("MaxResults", "5")];
    for (parameters, code) in [
        (&many[..], "InvalidParameterValue"),
        (&with_page[..], "InvalidParameterCombination"),
        (&[("MaxResults", "0")], "InvalidParameterValue"),
        (&[("MaxResults", "201")], "InvalidParameterValue"),
        (&[("ImageId.1", "ami-x")], "InvalidAMIID.Malformed"),
        (&[("NextToken", "YWZ0ZXIgeA")], "InvalidNextToken"),
        (&[("Filter.1.Name", "state"), ("Filter.1.Value.1", "x")], "InvalidParameterValue"),
    ] {
        let reply = call(&world, "DescribeStoreImageTasks", parameters).await;
        assert_code(&reply, 400, code);
    }
    assert_ok(&call(&world, "DescribeStoreImageTasks", &many[..20]).await);
}

#[tokio::test(start_paused = true)]
async fn tasks_beyond_the_parallel_ones_wait_their_turn() {
    let mut settings = Settings::default();
    settings.ec2.store.parallel = 1;
    settings.ec2.store.start_up = Duration::from_secs(100);
    settings.ec2.store.megabytes_per_second = u64::MAX / 1_000_000;
    let world = world_with(settings);
    bucket(&world, "staging", ACCOUNT, REGION);
    let ids = ["a name", "b name"].map(|name| image(&world, name, 1).to_string());
    for id in &ids {
        assert_ok(&store(&world, id, "staging").await);
    }
    for states in [["Completed", "InProgress"], ["Completed", "Completed"]] {
        pass(&world, 100).await;
        for (id, state) in ids.iter().zip(states) {
            let shown = task(&world, id).await;
            assert_eq!(shown.element("storeTaskState").as_deref(), Some(state));
        }
    }
}

//! Images and snapshots of other accounts, the events of snapshots, and what a trail records.

use std::time::Duration;

use serde_json::Value;

use super::store::bucket;
use super::*;
use crate::ec2::settings::QuotaScope;
use crate::sqs::{self, QueueSpec};
use crate::testing::{OTHER, pass, world, world_with};
use crate::{Settings, events};

/// Sends every event of an account's source to a queue of its own, and reads them there.
fn listen(world: &World, owner: &str, pattern: &str) -> Arn {
    let (owner, place) = (account(owner), region(REGION));
    let policy = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}"#;
    let spec = QueueSpec { policy: Some(policy.to_owned()), ..QueueSpec::named("heard") };
    let now = world.now();
    let mut state = world.lock();
    let queue = sqs::create_queue(&mut state, now, &owner, &place, &spec).unwrap();
    let targets = std::slice::from_ref(&queue);
    events::put_rule(&mut state, &owner, &place, "all", pattern, targets).unwrap();
    queue
}

fn heard(world: &World, queue: &Arn) -> Vec<Value> {
    let bodies = sqs::bodies(&world.lock(), queue);
    bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

fn snapshot_of(world: &World, id: &str) -> String {
    let state = world.lock();
    let image =
        super::super::image(&state, &account(ACCOUNT), &region(REGION), &id.parse().unwrap());
    image.unwrap().snapshots().next().unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_shared_image_can_be_stored_and_copied_only_with_its_snapshots() {
    let world = world();
    bucket(&world, "theirs", OTHER, REGION);
    let tags = [("secret".to_owned(), "yes".to_owned())].into();
    let spec = ImageSpec { name: "shared".to_owned(), tags, ..ImageSpec::default() };
    let id = put(&world, spec).to_string();
    let snapshot = snapshot_of(&world, &id);
    let store = [("ImageId", id.as_str()), ("Bucket", "theirs")];
    let copy = [
        ("SourceImageId", id.as_str()),
        ("SourceRegion", REGION),
        ("Name", "copied"),
        ("CopyImageTags", "true"),
    ];
    let ask = async |action, parameters: &[(&str, &str)]| {
        call_in(&world, REGION, OTHER, action, parameters).await
    };
    let share = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.UserId", OTHER)];
    assert_ok(&call(&world, "ModifyImageAttribute", &share).await);
    assert_code(&ask("CreateStoreImageTask", &store).await, 400, "InvalidSnapshot.NotFound");
    assert_code(&ask("CopyImage", &copy).await, 400, "InvalidRequest");
    assert_code(
        &ask("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).await,
        400,
        "InvalidSnapshot.NotFound",
    );

    let give = [("SnapshotId", snapshot.as_str()), ("CreateVolumePermission.Add.1.UserId", OTHER)];
    assert_ok(&call(&world, "ModifySnapshotAttribute", &give).await);
    let shown = call(
        &world,
        "DescribeSnapshotAttribute",
        &[give[0], ("Attribute", "createVolumePermission")],
    )
    .await;
    assert_eq!(shown.element("userId").as_deref(), Some(OTHER));
    assert_ok(&ask("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).await);
    assert_ok(&ask("CreateStoreImageTask", &store).await);
    let copied = ask("CopyImage", &copy).await;
    assert_ok(&copied);
    pass(&world, 3_600).await;
    let tasks = ask("DescribeStoreImageTasks", &[]).await;
    assert_eq!(tasks.element("storeTaskState").as_deref(), Some("Completed"), "{}", tasks.text);
    let restored = ask(
        "CreateRestoreImageTask",
        &[("Bucket", "theirs"), ("ObjectKey", &format!("{id}.bin")), ("Name", "restored")],
    )
    .await;
    for made in [copied, restored] {
        let made = made.element("imageId").unwrap();
        let shown = ask("DescribeImages", &[("ImageId.1", &made)]).await;
        assert!(!shown.text.contains("secret"), "the owner's tags stay with the owner");
    }
}

#[tokio::test(start_paused = true)]
async fn taking_a_snapshot_back_while_it_is_stored_fails_the_task() {
    let world = world();
    bucket(&world, "theirs", OTHER, REGION);
    let id = image(&world, "shared", 8).to_string();
    let snapshot = snapshot_of(&world, &id);
    let of_snapshot = ("SnapshotId", snapshot.as_str());
    let share = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.UserId", OTHER)];
    assert_ok(&call(&world, "ModifyImageAttribute", &share).await);
    let give = [of_snapshot, ("CreateVolumePermission.Add.1.UserId", OTHER)];
    assert_ok(&call(&world, "ModifySnapshotAttribute", &give).await);
    let store = [("ImageId", id.as_str()), ("Bucket", "theirs")];
    assert_ok(&call_in(&world, REGION, OTHER, "CreateStoreImageTask", &store).await);
    let take = [of_snapshot, ("CreateVolumePermission.Remove.1.UserId", OTHER)];
    assert_ok(&call(&world, "ModifySnapshotAttribute", &take).await);
    pass(&world, 3_600).await;
    let tasks = call_in(&world, REGION, OTHER, "DescribeStoreImageTasks", &[]).await;
    assert_eq!(tasks.element("storeTaskState").as_deref(), Some("Failed"));
}

#[tokio::test(start_paused = true)]
async fn sharing_that_is_not_possible_is_refused_with_the_reason() {
    let world = world();
    let id = image(&world, "plain", 8).to_string();
    let organisation = [
        ("ImageId", id.as_str()),
        ("LaunchPermission.Add.1.OrganizationArn", "arn:aws:organizations::1:organization/o-1"),
    ];
    let reply = call(&world, "ModifyImageAttribute", &organisation).await;
    assert_code(&reply, 501, "NotImplemented");
    assert!(reply.text.contains("UserId"), "{}", reply.text);
    let managed = format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ebs").parse().unwrap();
    let volumes = vec![VolumeSpec { encrypted: Some(managed), ..VolumeSpec::default() }];
    let secret = put(&world, ImageSpec { volumes, ..ImageSpec::default() }).to_string();
    let snapshot = snapshot_of(&world, &secret);
    for with in [("UserId.1", OTHER), ("UserGroup.1", "all")] {
        let request = [("SnapshotId", snapshot.as_str()), with];
        let reply = call(&world, "ModifySnapshotAttribute", &request).await;
        assert_code(&reply, 400, "OperationNotPermitted");
    }
}

#[tokio::test(start_paused = true)]
async fn snapshots_tell_of_their_making_copying_and_sharing() {
    let world = world();
    let pattern = r#"{"detail-type":["EBS Snapshot Notification"]}"#;
    let (own, theirs) = (listen(&world, ACCOUNT, pattern), listen(&world, OTHER, pattern));
    let id = image(&world, "source", 8).to_string();
    let snapshot = snapshot_of(&world, &id);
    let copy = [("SourceImageId", id.as_str()), ("SourceRegion", REGION), ("Name", "copy")];
    assert_ok(&call(&world, "CopyImage", &copy).await);
    let volume =
        call(&world, "CreateVolume", &[("AvailabilityZone", "us-east-1a"), ("Size", "1")]).await;
    let volume = volume.element("volumeId").unwrap();
    assert_ok(&call(&world, "CreateSnapshot", &[("VolumeId", &volume)]).await);
    let give = [("SnapshotId", snapshot.as_str()), ("UserId.1", OTHER)];
    assert_ok(&call(&world, "ModifySnapshotAttribute", &give).await);
    pass(&world, 3_600).await;
    let kinds = |queue| -> Vec<(String, String)> {
        let text = |event: &Value, name: &str| event["detail"][name].as_str().unwrap().to_owned();
        let events = heard(&world, queue);
        events.iter().map(|event| (text(event, "event"), text(event, "source"))).collect()
    };
    let expected = [
        ("createSnapshot".to_owned(), format!("arn:aws:ec2::{REGION}:volume/{volume}")),
        ("copySnapshot".to_owned(), format!("arn:aws:ec2::{REGION}:snapshot/{snapshot}")),
    ];
    assert_eq!(kinds(&own), expected);
    assert_eq!(kinds(&theirs), [("shareSnapshot".to_owned(), ACCOUNT.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn the_scope_of_the_gigabyte_quota_is_a_switch() {
    for (scope, status) in [(QuotaScope::AccountAndRegion, 200), (QuotaScope::Account, 400)] {
        let mut settings = Settings::default();
        settings.ec2.quota_scope = scope;
        let world = world_with(settings);
        bucket(&world, "here", ACCOUNT, REGION);
        bucket(&world, "there", ACCOUNT, ELSEWHERE);
        let id = image(&world, "large", 1_200).to_string();
        let request = [("ImageId", id.as_str()), ("Bucket", "here")];
        assert_ok(&call(&world, "CreateStoreImageTask", &request).await);
        let now = world.now();
        let far = add_image(
            &mut world.lock(),
            now,
            &account(ACCOUNT),
            &region(ELSEWHERE),
            ImageSpec::default(),
        );
        let request = [("ImageId", far.as_str()), ("Bucket", "there")];
        let reply = call_in(&world, ELSEWHERE, ACCOUNT, "CreateStoreImageTask", &request).await;
        assert_eq!(reply.status, status, "{scope:?}: {}", reply.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deregistered_image_is_listed_for_a_while_and_cannot_be_used() {
    let mut settings = Settings::default();
    settings.ec2.deregistered_listed = Duration::from_secs(60);
    let world = world_with(settings);
    let id = image(&world, "old", 8).to_string();
    assert_ok(&call(&world, "DeregisterImage", &[("ImageId", &id)]).await);
    let shown = call(&world, "DescribeImages", &[("ImageId.1", &id)]).await;
    assert_eq!(shown.element("imageState").as_deref(), Some("deregistered"));
    assert_code(
        &call(&world, "DeregisterImage", &[("ImageId", &id)]).await,
        400,
        "InvalidAMIID.Unavailable",
    );
    pass(&world, 60).await;
    assert_code(
        &call(&world, "DescribeImages", &[("ImageId.1", &id)]).await,
        400,
        "InvalidAMIID.NotFound",
    );
}

#[tokio::test(start_paused = true)]
async fn a_trail_records_mutating_calls_with_their_outcome() {
    let mut settings = Settings::default();
    settings.ec2.trail = true;
    let world = world_with(settings);
    let queue = listen(&world, ACCOUNT, r#"{"detail-type":["AWS API Call via CloudTrail"]}"#);
    bucket(&world, "staging", ACCOUNT, REGION);
    let id = image(&world, "web", 8).to_string();
    assert_ok(&call(&world, "DescribeImages", &[]).await);
    let request = [("ImageId", id.as_str()), ("Bucket", "staging")];
    assert_ok(&call(&world, "CreateStoreImageTask", &request).await);
    assert_eq!(call(&world, "CreateStoreImageTask", &request).await.status, 400);
    pass(&world, 60).await;
    let heard = heard(&world, &queue);
    let [accepted, refused] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(accepted["detail"]["eventName"], "CreateStoreImageTask");
    assert_eq!(accepted["detail"]["requestParameters"]["imageId"], id.as_str());
    assert_eq!(accepted["detail"]["responseElements"]["objectKey"], format!("{id}.bin"));
    assert_eq!(accepted["detail"]["userIdentity"]["type"], "Root");
    assert_eq!(refused["detail"]["errorCode"], "Client.InvalidRequest");
    assert_eq!(refused["detail"]["responseElements"], Value::Null);
}

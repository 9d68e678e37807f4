//! `CreateRestoreImageTask`: what comes back, under which name, and what is refused.

use serde_json::{Value, json};

use super::store::bucket;
use super::*;
use crate::Settings;
use crate::ec2::image::{Metadata, Tags};
use crate::ec2::settings::RestoredTags;
use crate::ec2::{self, set_default_encryption, snapshots};
use crate::kms::{self, KeyState};
use crate::s3::{self, NewObject};
use crate::sqs::{self, QueueSpec};
use crate::testing::{OTHER, json as call_json, pass, world, world_with};
use crate::{events, s3::content::Content};

/// Long enough for any task of these tests.
const LONG: i64 = 3 * 3_600;

/// A world in which the vault's bucket holds the stored image, as after a copy.
async fn with_stored(world: &World, spec: ImageSpec) -> ImageId {
    bucket(world, "staging", ACCOUNT, REGION);
    bucket(world, "vault", OTHER, ELSEWHERE);
    let id = put(world, spec);
    carry(world, &id).await;
    id
}

async fn carry(world: &World, id: &ImageId) {
    let request = [("ImageId", id.as_str()), ("Bucket", "staging")];
    assert_ok(&call(world, "CreateStoreImageTask", &request).await);
    pass(world, LONG).await;
    let key = format!("{id}.bin");
    let content = s3::read_by_service(&world.lock(), world.now(), "staging", &key).unwrap();
    place(world, &key, content);
}

fn place(world: &World, key: &str, content: Content) {
    let now = world.now();
    let object = NewObject { content, metadata: Tags::new(), tags: Tags::new() };
    s3::put_by_service(&mut world.lock(), now, "vault", key, object).unwrap();
}

async fn restore(world: &World, key: &str, name: &str, more: &[(&str, &str)]) -> Reply {
    let request = [("Bucket", "vault"), ("ObjectKey", key), ("Name", name)];
    let request = [&request[..], more].concat();
    call_in(world, ELSEWHERE, OTHER, "CreateRestoreImageTask", &request).await
}

async fn shown(world: &World, id: &str) -> Reply {
    call_in(world, ELSEWHERE, OTHER, "DescribeImages", &[("ImageId.1", id)]).await
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_restored_image_equals_its_source_except_for_id_name_and_sharing() {
    let world = world();
    let volumes = vec![
        VolumeSpec { tags: tags(&[("disk", "root")]), ..VolumeSpec::default() },
        VolumeSpec {
            device: "/dev/sdf".to_owned(),
            size_gib: 20,
            volume_type: "io2".to_owned(),
            iops: Some(4_000),
            ..VolumeSpec::default()
        },
    ];
    let metadata = Metadata {
        description: Some("the web tier".to_owned()),
        architecture: "arm64".to_owned(),
        boot_mode: Some("uefi".to_owned()),
        imds_support: Some("v2.0".to_owned()),
        tpm_support: Some("v2.0".to_owned()),
        ..Metadata::default()
    };
    let spec = ImageSpec {
        name: "web".to_owned(),
        tags: tags(&[("family", "web"), ("owner", "source")]),
        volumes,
        metadata,
        ..ImageSpec::default()
    };
    let source = with_stored(&world, spec).await;
    let share = [("ImageId", source.as_str()), ("LaunchPermission.Add.1.UserId", OTHER)];
    assert_ok(&call(&world, "ModifyImageAttribute", &share).await);
    let more = [
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "owner"),
        ("TagSpecification.1.Tag.1.Value", "vault"),
        ("TagSpecification.2.ResourceType", "snapshot"),
        ("TagSpecification.2.Tag.1.Key", "kept"),
        ("TagSpecification.2.Tag.1.Value", "yes"),
    ];
    let reply = restore(&world, &format!("{source}.bin"), "web copy", &more).await;
    let id: ImageId = reply.element("imageId").unwrap().parse().unwrap();
    assert_ne!(id, source);
    assert_eq!(shown(&world, id.as_str()).await.element("imageState").as_deref(), Some("pending"));
    pass(&world, LONG).await;
    let after = shown(&world, id.as_str()).await;
    for (element, value) in [
        ("imageState", "available"),
        ("name", "web copy"),
        ("sourceImageId", source.as_str()),
        ("sourceImageRegion", REGION),
        ("deregistrationProtection", "disabled"),
        ("isPublic", "false"),
    ] {
        assert_eq!(after.element(element).as_deref(), Some(value), "{element}");
    }
    let state = world.lock();
    let (me, here) = (account(ACCOUNT), region(REGION));
    let (vault, there) = (account(OTHER), region(ELSEWHERE));
    let old = ec2::image(&state, &me, &here, &source).unwrap();
    let new = ec2::image(&state, &vault, &there, &id).unwrap();
    assert_eq!(new.metadata, old.metadata);
    assert_eq!(new.tags, tags(&[("family", "web"), ("owner", "vault")]));
    assert!(new.launch_permissions.is_empty());
    let old_snapshots = snapshots(&state, &me, &here, &source);
    let new_snapshots = snapshots(&state, &vault, &there, &id);
    assert_eq!(old_snapshots.len(), 2);
    for (old, new) in old_snapshots.iter().zip(&new_snapshots) {
        assert_eq!((new.data, new.size_gib), (old.data, old.size_gib));
        assert_ne!(new.id, old.id);
        assert_eq!(new.owner, vault);
        assert_eq!(new.tags.get("kept").map(String::as_str), Some("yes"));
    }
    assert_eq!(new_snapshots[0].tags.get("disk").map(String::as_str), Some("root"));
}

#[tokio::test(start_paused = true)]
async fn the_account_setting_alone_decides_how_restored_snapshots_are_encrypted() {
    let managed = "arn:aws:kms:us-east-1:111111111111:alias/aws/ebs";
    for (source_key, encrypted_by_default) in
        [(None, false), (None, true), (Some(managed), false), (Some(managed), true)]
    {
        let world = world();
        let encrypted = source_key.map(|key| key.parse().unwrap());
        let volumes = vec![VolumeSpec { encrypted, ..VolumeSpec::default() }];
        let source = with_stored(&world, ImageSpec { volumes, ..ImageSpec::default() }).await;
        let (vault, there) = (account(OTHER), region(ELSEWHERE));
        let default = encrypted_by_default.then(|| key(&world, OTHER, ELSEWHERE));
        set_default_encryption(&mut world.lock(), &vault, &there, default.clone());
        let reply = restore(&world, &format!("{source}.bin"), "copy", &[]).await;
        let id = reply.element("imageId").unwrap().parse().unwrap();
        pass(&world, LONG).await;
        let state = world.lock();
        let found: Vec<_> = snapshots(&state, &vault, &there, &id)
            .iter()
            .map(|snapshot| (snapshot.key.clone(), snapshot.state.as_str()))
            .collect();
        assert_eq!(found, [(default, "completed")], "{source_key:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_fails_with_its_snapshots_when_the_default_key_is_disabled_meanwhile() {
    let world = world();
    let source = with_stored(&world, ImageSpec::default()).await;
    let (vault, there) = (account(OTHER), region(ELSEWHERE));
    let default = key(&world, OTHER, ELSEWHERE);
    set_default_encryption(&mut world.lock(), &vault, &there, Some(default.clone()));
    let reply = restore(&world, &format!("{source}.bin"), "copy", &[]).await;
    let id = reply.element("imageId").unwrap();
    kms::set_key_state(&mut world.lock(), &default, KeyState::Disabled).unwrap();
    pass(&world, LONG).await;
    let failed = shown(&world, &id).await;
    assert_eq!(failed.element("imageState").as_deref(), Some("failed"));
    let reason = failed.element("message").unwrap();
    assert!(reason.contains("DisabledException"), "{reason}");
    let state = world.lock();
    let snapshots = snapshots(&state, &vault, &there, &id.parse().unwrap());
    assert_eq!(snapshots[0].state.as_str(), "error");
}

#[tokio::test(start_paused = true)]
async fn only_one_whole_stored_image_can_be_restored() {
    let world = world();
    let source = with_stored(&world, ImageSpec::default()).await;
    let whole =
        s3::read_by_service(&world.lock(), world.now(), "vault", &format!("{source}.bin")).unwrap();
    let length = whole.len();
    for (key, content) in [
        ("cut", whole.slice(0..length - 1)),
        ("beheaded", whole.slice(1..length)),
        ("twice", Content::concat([whole.clone(), whole.clone()])),
        ("unknown", Content::synthetic(1, length)),
        ("text", Content::from(Bytes::from_static(b"hello"))),
        ("empty", Content::default()),
    ] {
        place(&world, key, content);
        let id =
            restore(&world, key, &format!("from {key}"), &[]).await.element("imageId").unwrap();
        pass(&world, LONG).await;
        let failed = shown(&world, &id).await;
        assert_eq!(failed.element("imageState").as_deref(), Some("failed"), "{key}");
        let reason = failed.element("message").unwrap();
        assert!(reason.contains(key), "{key}: {reason}");
    }
    let halves = [whole.slice(0..length / 2), whole.slice(length / 2..length)];
    place(&world, "parts", Content::concat(halves));
    let id = restore(&world, "parts", "from parts", &[]).await.element("imageId").unwrap();
    pass(&world, LONG).await;
    assert_eq!(shown(&world, &id).await.element("imageState").as_deref(), Some("available"));
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_cannot_begin_is_refused() {
    let world = world();
    let source = with_stored(&world, ImageSpec::default()).await;
    bucket(&world, "near", OTHER, REGION);
    let key = format!("{source}.bin");
    assert_ok(&restore(&world, &key, "taken", &[]).await);
    let long = "n".repeat(129);
    for (name, code) in [
        ("taken", "InvalidAMIName.Duplicate"),
        ("ab", "InvalidAMIName.Malformed"),
        (&long, "InvalidAMIName.Malformed"),
        ("a:b", "InvalidAMIName.Malformed"),
    ] {
        assert_code(&restore(&world, &key, name, &[]).await, 400, code);
    }
    assert_code(&restore(&world, "none.bin", "free", &[]).await, 400, "InvalidParameterValue");
    let kind = [("TagSpecification.1.ResourceType", "volume")];
    assert_code(&restore(&world, &key, "free", &kind).await, 400, "InvalidParameterValue");
    let tag =
        [("TagSpecification.1.ResourceType", "image"), ("TagSpecification.1.Tag.1.Key", "aws:x")];
    assert_code(&restore(&world, &key, "free", &tag).await, 400, "InvalidParameterValue");
    let dry = restore(&world, &key, "free", &[("DryRun", "true")]).await;
    assert_code(&dry, 412, "DryRunOperation");
    for (bucket, code) in [
        ("none", "InaccessibleStorageLocation"),
        ("staging", "InaccessibleStorageLocation"),
        ("near", "InvalidParameterValue"),
    ] {
        let request = [("Bucket", bucket), ("ObjectKey", &key), ("Name", "free")];
        let reply = call_in(&world, ELSEWHERE, OTHER, "CreateRestoreImageTask", &request).await;
        assert_code(&reply, 400, code);
    }
    let images = call_in(&world, ELSEWHERE, OTHER, "DescribeImages", &[]).await;
    assert_eq!(elements(&images, "name"), ["taken"]);
}

#[tokio::test(start_paused = true)]
async fn whether_a_failed_image_keeps_its_name_is_a_switch() {
    for keeps in [true, false] {
        let mut settings = Settings::default();
        settings.ec2.failed_image_keeps_name = keeps;
        let world = world_with(settings);
        let source = with_stored(&world, ImageSpec::default()).await;
        place(&world, "text", Content::from(Bytes::from_static(b"hello")));
        assert_ok(&restore(&world, "text", "name", &[]).await);
        let pending = restore(&world, &format!("{source}.bin"), "name", &[]).await;
        assert_code(&pending, 400, "InvalidAMIName.Duplicate");
        pass(&world, LONG).await;
        let again = restore(&world, &format!("{source}.bin"), "name", &[]).await;
        assert_eq!(again.status == 200, !keeps, "{}", again.text);
    }
}

#[tokio::test(start_paused = true)]
async fn restores_have_a_quota_of_their_own() {
    let world = world();
    let volumes = vec![VolumeSpec { size_gib: 600, ..VolumeSpec::default() }];
    let source = with_stored(&world, ImageSpec { volumes, ..ImageSpec::default() }).await;
    let key = format!("{source}.bin");
    assert_ok(&restore(&world, &key, "first", &[]).await);
    assert_code(&restore(&world, &key, "second", &[]).await, 400, "ResourceLimitExceeded");
    pass(&world, LONG).await;
    assert_ok(&restore(&world, &key, "second", &[]).await);
}

#[tokio::test(start_paused = true)]
async fn tags_of_the_request_can_replace_those_inside() {
    let mut settings = Settings::default();
    settings.ec2.restored_tags = RestoredTags::Replace;
    let world = world_with(settings);
    let spec = ImageSpec { tags: tags(&[("family", "web")]), ..ImageSpec::default() };
    let source = with_stored(&world, spec).await;
    let key = format!("{source}.bin");
    let tag = [
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "k"),
        ("TagSpecification.1.Tag.1.Value", "v"),
    ];
    for (name, more, expected) in
        [("with tags", &tag[..], tags(&[("k", "v")])), ("without", &[], tags(&[("family", "web")]))]
    {
        let id = restore(&world, &key, name, more).await.element("imageId").unwrap();
        let state = world.lock();
        let id = id.parse().unwrap();
        let found = ec2::image(&state, &account(OTHER), &region(ELSEWHERE), &id).unwrap();
        assert_eq!(found.tags, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn image_states_are_announced_and_stores_are_not() {
    let world = world();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}"#;
    for (owner, place) in [(ACCOUNT, REGION), (OTHER, ELSEWHERE)] {
        let (owner, place) = (account(owner), region(place));
        let policy = Some(policy.to_owned());
        let spec = QueueSpec { visibility: Some(43_200), policy, ..QueueSpec::named("q") };
        let now = world.now();
        let mut state = world.lock();
        let queue = sqs::create_queue(&mut state, now, &owner, &region(REGION), &spec).unwrap();
        let pattern = r#"{"source":["aws.ec2"]}"#;
        events::put_rule(&mut state, &owner, &place, "ami", pattern, &[queue]).unwrap();
    }
    let received = async |account: &str| {
        pass(&world, 1).await;
        let request =
            json!({"QueueUrl": format!("http://x/{account}/q"), "MaxNumberOfMessages": 10});
        let answer = call_json(&world, account, "sqs", "ReceiveMessage", request).await.ok();
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        let events = messages.iter().map(|message| {
            let event: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            assert_eq!(event["detail-type"], "EC2 AMI State Change");
            let id = event["detail"]["ImageId"].as_str().unwrap().to_owned();
            let (arn, region) = (&event["resources"][0], &event["region"]);
            assert_eq!(*arn, format!("arn:aws:ec2:{}::image/{id}", region.as_str().unwrap()));
            let detail = |name: &str| event["detail"][name].as_str().unwrap().to_owned();
            (id, detail("State"), detail("ErrorMessage").is_empty())
        });
        events.collect::<Vec<_>>()
    };
    let source = with_stored(&world, ImageSpec::default()).await;
    let told = |id: &str, state: &str| (id.to_owned(), state.to_owned(), true);
    assert_eq!(received(ACCOUNT).await, [told(source.as_str(), "available")]);
    let key = format!("{source}.bin");
    let good = restore(&world, &key, "good", &[]).await.element("imageId").unwrap();
    pass(&world, LONG).await;
    assert_eq!(received(OTHER).await, [told(&good, "available")]);
    place(&world, "text", Content::from(Bytes::from_static(b"hello")));
    let bad = restore(&world, "text", "bad", &[]).await.element("imageId").unwrap();
    pass(&world, LONG).await;
    assert_eq!(received(OTHER).await, [(bad, "failed".to_owned(), false)]);
    for (action, state) in [
        ("DisableImage", "disabled"),
        ("EnableImage", "available"),
        ("DeregisterImage", "deregistered"),
    ] {
        assert_ok(&call_in(&world, ELSEWHERE, OTHER, action, &[("ImageId", &good)]).await);
        assert_eq!(received(OTHER).await, [told(&good, state)]);
    }
}

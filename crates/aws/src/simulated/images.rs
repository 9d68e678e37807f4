//! EC2: describing, storing and restoring, with the fences and quotas of the real calls.

use std::time::Duration;

use amiferry_core::fault::FaultClass;
use amiferry_core::ids::ImageId;
use amiferry_core::model::{DeregistrationProtection, ImageState, StoreTaskState, Tags};
use amiferry_core::ports::{
    ImageDetails, ImageProtection, Images, Listing, RestoreRequest, RestoreTasks, StoreRequest,
    StoreTasks, Unreadable,
};
use amiferry_simulator::ec2::scenario::{ImageSpec, VolumeSpec, add_image};
use amiferry_simulator::faults::{Edit, Effect, FaultPlan, Rule};
use amiferry_simulator::wire::scope::Service;
use amiferry_simulator::{World, s3};

use super::*;
use crate::Ec2Images;

fn add(world: &World, name: &str, size_gib: u32) -> ImageId {
    let now = world.now();
    let volumes = vec![VolumeSpec { size_gib, ..VolumeSpec::default() }];
    let tags = Tags::from([("family".to_owned(), "web".to_owned())]);
    let spec = ImageSpec { name: name.to_owned(), tags, volumes, ..ImageSpec::default() };
    add_image(&mut world.lock(), now, &account(ACCOUNT), &region(), spec)
}

fn bucket(world: &World) {
    let now = world.now();
    let spec = s3::BucketSpec::new("staging", account(ACCOUNT), region());
    s3::create_bucket(&mut world.lock(), now, spec).unwrap();
}

fn images(world: &World) -> Ec2Images {
    Ec2Images::new(&session(world, ACCOUNT), account(ACCOUNT))
}

fn store(image: &ImageId) -> StoreRequest {
    StoreRequest {
        image: image.clone(),
        bucket: "staging".parse().unwrap(),
        path: "path".to_owned(),
        tags: Tags::from([("amiferry:family".to_owned(), "web".to_owned())]),
    }
}

#[tokio::test(start_paused = true)]
async fn absent_and_foreign_images_are_left_out_and_wildcards_stand_for_themselves() {
    let world = world();
    let (plain, starred) = (add(&world, "web-1", 8), add(&world, "web-*", 8));
    let images = images(&world);
    let absent: ImageId = "ami-0123456789abcdef0".parse().unwrap();
    let found = read(images.describe(&[plain.clone(), absent, starred.clone()]).await);
    assert_eq!(found.len(), 2);
    let found = read(images.named(&["web-*".to_owned()]).await);
    assert_eq!(found.iter().map(|image| &image.id).collect::<Vec<_>>(), [&starred]);
    assert_eq!(found[0].state, ImageState::Available);
    assert_eq!(found[0].size_gib(), 8);
    let foreign = Ec2Images::new(&session(&world, VAULT), account(VAULT));
    assert_eq!(foreign.describe(&[plain]).await, Ok(Listing::default()));
}

#[tokio::test(start_paused = true)]
async fn many_ids_go_in_several_calls_and_all_pages_are_read() {
    let world = world();
    let ids: Vec<ImageId> = (0..450).map(|n| add(&world, &format!("image-{n}"), 1)).collect();
    let images = images(&world);
    assert_eq!(read(images.describe(&ids).await).len(), 450);
    assert_eq!(calls(&world, "ec2", "DescribeImages"), 3);
    let (mut token, mut paged) = (None, 0);
    loop {
        let (page, next) = images.page(token).await.unwrap();
        paged += page.items.len();
        token = next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(paged, 450);
}

#[tokio::test(start_paused = true)]
async fn a_store_is_followed_to_its_end_and_a_second_one_conflicts() {
    let world = world();
    bucket(&world);
    let image = add(&world, "web", 8);
    let images = images(&world);
    let key = images.start_store(&store(&image)).await.unwrap();
    assert_eq!(key, format!("path/{image}.bin"));
    let running = read(images.running().await);
    assert_eq!((running.len(), &running[0].state), (1, &StoreTaskState::InProgress));
    let fault = images.start_store(&store(&image)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Conflict, "{fault}");
    world.clock().sleep(Duration::from_secs(3600)).await;
    assert_eq!(images.running().await, Ok(Listing::default()));
    let ended = read(images.newest(std::slice::from_ref(&image)).await);
    assert_eq!((ended.len(), &ended[0].state), (1, &StoreTaskState::Completed));
    assert_eq!((&ended[0].image, &ended[0].key), (&image, &key));
}

#[tokio::test(start_paused = true)]
async fn a_full_quota_is_told_from_every_other_refusal_and_costs_one_attempt() {
    let world = world();
    bucket(&world);
    let (large, next) = (add(&world, "large", 2_000), add(&world, "next", 8));
    let images = images(&world);
    images.start_store(&store(&large)).await.unwrap();
    let fault = images.start_store(&store(&next)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::QuotaFull, "{fault}");
    assert_eq!(calls(&world, "ec2", "CreateStoreImageTask"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_restore_has_its_tags_and_its_name_is_the_fence() {
    let world = world();
    bucket(&world);
    let image = add(&world, "web", 8);
    let images = images(&world);
    let key = images.start_store(&store(&image)).await.unwrap();
    world.clock().sleep(Duration::from_secs(3600)).await;
    let tags = Tags::from([("amiferry:managed".to_owned(), "true".to_owned())]);
    let request = RestoreRequest {
        bucket: "staging".parse().unwrap(),
        key: key.parse().unwrap(),
        name: "restored".to_owned(),
        image_tags: tags.clone(),
        snapshot_tags: tags,
    };
    let id = images.start_restore(&request).await.unwrap();
    let pending = read(images.pending().await);
    assert_eq!(pending.iter().map(|image| &image.id).collect::<Vec<_>>(), [&id]);
    let fault = images.start_restore(&request).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Conflict, "{fault}");
    world.clock().sleep(Duration::from_secs(3600)).await;
    images.protect(&id, false).await.unwrap();
    let restored = read(images.describe(std::slice::from_ref(&id)).await).remove(0);
    assert_eq!(restored.state, ImageState::Available);
    assert_eq!(restored.deregistration_protection, DeregistrationProtection::Enabled);
    assert_eq!(restored.tags.get("amiferry:managed").map(String::as_str), Some("true"));
    assert_eq!(images.launch_permissions(&id).await, Ok(Listing::default()));
    let snapshots: Vec<_> = restored.snapshots().cloned().collect();
    let snapshots = read(images.snapshots(&snapshots).await);
    assert_eq!((snapshots.len(), snapshots[0].progress), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn without_encryption_by_default_there_is_no_default_key() {
    assert_eq!(images(&world()).default_encryption().await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn an_odd_item_of_a_listing_is_named_and_takes_no_other_with_it() {
    let world = world();
    let (good, odd) = (add(&world, "web-1", 8), add(&world, "web-2", 8));
    let images = images(&world);
    let ramdisk = "<item><imageId>ari-0759a892</imageId></item>";
    let edit = Edit::dropping("volumeSize").of(odd.as_str());
    let edit = Edit { add: ramdisk.to_owned(), ..edit };
    let rule = Rule::new(Effect::Edit(edit)).on(Service::Ec2, "DescribeImages");
    world.faults().install(FaultPlan::new().fault(rule)).unwrap();

    let why = "it has no volumeSize";
    let unreadable = |id: &str| vec![Unreadable::new(Some(id), why)];
    let (page, next) = images.page(None).await.unwrap();
    assert_eq!((page.items.len(), &page.items[0].id, next), (1, &good, None));
    assert_eq!(page.unreadable, unreadable(odd.as_str()));
    let described = images.describe(&[good.clone(), odd.clone()]).await.unwrap();
    assert_eq!((described.items.len(), described.unreadable), (1, unreadable(odd.as_str())));
    let named = images.named(&["web-1".to_owned(), "web-2".to_owned()]).await.unwrap();
    assert_eq!((named.items.len(), named.unreadable), (1, unreadable("web-2")));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_cannot_be_parsed_is_a_fault_of_the_class_bug() {
    let world = world();
    add(&world, "web-1", 8);
    let edit = Edit::setting("volumeSize", "eight");
    let rule = Rule::new(Effect::Edit(edit)).on(Service::Ec2, "DescribeImages");
    world.faults().install(FaultPlan::new().fault(rule)).unwrap();
    let fault = images(&world).page(None).await.unwrap_err();
    assert_eq!((fault.class, fault.operation), (FaultClass::Bug, "ec2:DescribeImages"));
}

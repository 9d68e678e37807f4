//! Archived objects: how they are shown, retrieved and read.

use amiferry_core::ids::{AccountId, BucketName, ObjectKey};
use amiferry_core::model::{Archived, Retrieval, Speed};
use amiferry_core::policy::StorageClass;
use amiferry_core::ports::{NewUpload, ObjectRetrieval, Objects, WriteOutcome};
use amiferry_simulator::World;
use amiferry_simulator::s3;

use super::{ACCOUNT, account, session, world};
use crate::S3Objects;

fn prepared() -> (World, S3Objects, AccountId, BucketName) {
    let world = world();
    let now = world.now();
    let spec = s3::BucketSpec::new("vault", account(ACCOUNT), super::region());
    s3::create_bucket(&mut world.lock(), now, spec).unwrap();
    let objects = S3Objects::new(&session(&world, ACCOUNT));
    (world, objects, account(ACCOUNT), "vault".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_archived_object_is_retrieved_once_and_readable_for_its_days() {
    let (world, objects, owner, bucket) = prepared();
    for (class, speed, hours) in [
        (StorageClass::FlexibleRetrieval, Speed::Standard, 5),
        (StorageClass::DeepArchive, Speed::Expedited, 12),
        (StorageClass::DeepArchive, Speed::Bulk, 48),
    ] {
        let key: ObjectKey = format!("{class}-{}", speed.as_str()).parse().unwrap();
        let settings = NewUpload { class, ..NewUpload::default() };
        let written = objects.create(&owner, &bucket, &key, b"content".to_vec(), &settings).await;
        assert!(matches!(written, Ok(WriteOutcome::Written(_))), "{written:?}");
        let shown = async || objects.head(&owner, &bucket, &key).await.unwrap().unwrap();
        let object = shown().await;
        assert_eq!(object.class.as_deref(), Some(class.as_str()));
        let archived = Archived::in_place(class.as_str());
        assert_eq!(object.archived.as_ref(), Some(&archived));
        assert!(object.checksum.is_some(), "a HEAD needs no retrieval");
        let refused = objects.read(&owner, &bucket, &key, 100).await.unwrap_err();
        assert_eq!(refused.code, "InvalidObjectState");

        let retrieval = Retrieval { speed, days: 2 };
        for _ in 0..2 {
            objects.retrieve(&owner, &object.at, &archived, retrieval).await.unwrap();
            let running = Archived { retrieving: true, ..archived.clone() };
            assert_eq!(shown().await.archived, Some(running));
        }
        world.clock().advance(std::time::Duration::from_secs(hours * 3_600));
        let there = shown().await;
        assert_eq!((there.archived, there.class), (None, object.class));
        let read = objects.read(&owner, &bucket, &key, 100).await.unwrap().unwrap();
        assert_eq!(read.bytes, b"content");
        world.clock().advance(std::time::Duration::from_secs(4 * 24 * 3_600));
        assert_eq!(shown().await.archived, Some(archived), "its days are over");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_retrieved_says_why() {
    let (world, objects, owner, bucket) = prepared();
    let key: ObjectKey = "warm".parse().unwrap();
    let body = b"content".to_vec();
    objects.create(&owner, &bucket, &key, body.clone(), &NewUpload::default()).await.unwrap();
    let object = objects.head(&owner, &bucket, &key).await.unwrap().unwrap();
    assert_eq!((&object.class, &object.archived), (&None, &None));
    let archived = Archived::in_place("GLACIER");
    let retrieval = Retrieval { speed: Speed::Expedited, days: 1 };
    let fault = objects.retrieve(&owner, &object.at, &archived, retrieval).await.unwrap_err();
    assert_eq!(fault.code, "InvalidObjectState");
    let key: ObjectKey = "cold".parse().unwrap();
    let settings = NewUpload { class: StorageClass::FlexibleRetrieval, ..NewUpload::default() };
    objects.create(&owner, &bucket, &key, body, &settings).await.unwrap();
    let object = objects.head(&owner, &bucket, &key).await.unwrap().unwrap();
    world.lock().settings.s3.expedited_retrievals = false;
    let fault = objects.retrieve(&owner, &object.at, &archived, retrieval).await.unwrap_err();
    assert_eq!(fault.code, "GlacierExpeditedRetrievalNotAvailable");
}

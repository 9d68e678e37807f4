//! S3: create-once writes, pinned multipart copies, and what a bucket is set to.

use amiferry_core::fault::FaultClass;
use amiferry_core::ids::{AccountId, BucketName, ObjectKey};
use amiferry_core::model::{Checksum, Retention, RetentionMode, StoredObject};
use amiferry_core::ports::{
    BEHIND_A_MARKER, ByteRange, CompleteUpload, CopyPart, ListedObject, NewUpload, Objects, Parts,
    Upload, Uploads, Versions, WriteOutcome,
};
use amiferry_simulator::s3::content::Content;
use amiferry_simulator::{World, s3};

use super::*;
use crate::S3Objects;

const PART: u64 = 1 << 30;
const SIZE: u64 = 3 * PART / 2;

struct Place {
    owner: AccountId,
    bucket: BucketName,
    key: ObjectKey,
}

fn place() -> Place {
    Place {
        owner: account(ACCOUNT),
        bucket: "vault".parse().unwrap(),
        key: "a b/image+ü.bin".parse().unwrap(),
    }
}

/// A bucket with Object Lock, and in another one an object to copy.
fn prepared() -> (World, S3Objects) {
    let world = world();
    let now = world.now();
    let mut state = world.lock();
    for (name, object_lock) in [("vault", Some(None)), ("staging", None)] {
        let spec = s3::BucketSpec::new(name, account(ACCOUNT), region());
        let spec = s3::BucketSpec { versioned: true, object_lock, ..spec };
        s3::create_bucket(&mut state, now, spec).unwrap();
    }
    let object = s3::NewObject {
        content: Content::synthetic(42, SIZE),
        metadata: [("name".to_owned(), "web".to_owned())].into(),
        tags: Default::default(),
    };
    s3::put_by_service(&mut state, now, "staging", "s p/ü+.bin", object).unwrap();
    drop(state);
    let objects = S3Objects::new(&session(&world, ACCOUNT));
    (world, objects)
}

fn settings() -> NewUpload {
    NewUpload {
        content_type: Some("application/octet-stream".to_owned()),
        metadata: [("name".to_owned(), "web".to_owned())].into(),
        key: None,
        retention: Some(Retention {
            mode: RetentionMode::Governance,
            until: "2026-03-01T00:00:00Z".parse().unwrap(),
        }),
        ..NewUpload::default()
    }
}

async fn staged(objects: &S3Objects) -> StoredObject {
    let bucket = "staging".parse().unwrap();
    let key = "s p/ü+.bin".parse().unwrap();
    objects.head(&account(ACCOUNT), &bucket, &key).await.unwrap().unwrap()
}

fn part(source: &StoredObject, number: u32, start: u64, length: u64) -> CopyPart {
    CopyPart {
        number,
        source: source.at.clone(),
        source_owner: account(ACCOUNT),
        source_etag: source.etag.clone(),
        range: Some(ByteRange { start, length }),
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_is_created_once_and_read_back_within_its_limit() {
    let (world, objects) = prepared();
    let Place { owner, bucket, key } = place();
    assert_eq!(objects.head(&owner, &bucket, &key).await, Ok(None));
    assert_eq!(objects.read(&owner, &bucket, &key, 10).await, Ok(None));
    let body = b"content".to_vec();
    let first = objects.create(&owner, &bucket, &key, body.clone(), &settings()).await.unwrap();
    assert!(matches!(first, WriteOutcome::Written(Some(_))), "{first:?}");
    let again = objects.create(&owner, &bucket, &key, body.clone(), &settings()).await;
    assert_eq!(again, Ok(WriteOutcome::AlreadyThere));
    let read = objects.read(&owner, &bucket, &key, 7).await.unwrap().unwrap();
    assert_eq!(read.bytes, body);
    assert!(read.written.is_some());
    let fault = objects.read(&owner, &bucket, &key, 6).await.unwrap_err();
    assert_eq!(fault.code, "ObjectTooLarge");
    let hidden: ObjectKey = "hidden.json".parse().unwrap();
    objects.create(&owner, &bucket, &hidden, body.clone(), &settings()).await.unwrap();
    let now = world.now();
    s3::hide(&mut world.lock(), now, bucket.as_str(), hidden.as_str()).unwrap();
    let fault = objects.read(&owner, &bucket, &hidden, 7).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::NotFound, BEHIND_A_MARKER));
    let (listed, _) = objects.versions(&owner, &bucket, "hidden", None).await.unwrap();
    let hides: Vec<bool> = listed.items.iter().map(|version| version.hides).collect();
    assert_eq!(hides, [false, true]);
    let head = objects.head(&owner, &bucket, &key).await.unwrap().unwrap();
    assert_eq!((head.size, head.retention), (7, settings().retention));
    assert_eq!(head.metadata, settings().metadata);
    assert!(head.checksum.is_some());
    let listed = vec![ListedObject { key, size: 7 }];
    assert_eq!(objects.list(&owner, &bucket, "a b/", None).await, Ok((listed.into(), None)));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_someone_else_owns_is_refused() {
    let (_world, objects) = prepared();
    let Place { bucket, key, .. } = place();
    let fault = objects.head(&account(VAULT), &bucket, &key).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Denied, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_copy_in_parts_equals_its_source_and_is_completed_once() {
    let (_world, objects) = prepared();
    let Place { owner, bucket, key } = place();
    let source = staged(&objects).await;
    assert_eq!(source.size, SIZE);
    let checksum = source.checksum.clone().unwrap();
    let mut uploads = Vec::new();
    for _ in 0..2 {
        let id = objects.begin(&owner, &bucket, &key, &checksum, &settings()).await.unwrap();
        uploads.push(Upload { bucket: bucket.clone(), key: key.clone(), id, begun: None });
    }
    let open = async |prefix| {
        objects.in_progress(&owner, &bucket, prefix).await.map(|all| all.items.len())
    };
    assert_eq!(
        [open("a b/").await, open("a b/image+ü.b").await, open("b/").await],
        [Ok(2), Ok(2), Ok(0)]
    );
    let mut completions = Vec::new();
    for upload in &uploads {
        let mut parts = Vec::new();
        for (number, start, length) in [(1, 0, PART), (2, PART, SIZE - PART)] {
            let part = part(&source, number, start, length);
            parts.push(objects.copy(&owner, upload, &part).await.unwrap());
        }
        assert_eq!(objects.held(&owner, upload).await, Ok(parts.clone().into()));
        completions.push(CompleteUpload { parts, size: SIZE, checksum: checksum.clone() });
    }
    let checksum = Checksum { value: "AAAAAAAAAAA=".to_owned(), ..checksum };
    let wrong = CompleteUpload { checksum, ..completions[0].clone() };
    let fault = objects.complete(&owner, &uploads[0], &wrong).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Invalid, "BadDigest"));

    let first = objects.complete(&owner, &uploads[0], &completions[0]).await.unwrap();
    let WriteOutcome::Written(version) = first else { panic!("{first:?}") };
    let second = objects.complete(&owner, &uploads[1], &completions[1]).await;
    assert_eq!(second, Ok(WriteOutcome::AlreadyThere));
    let copied = objects.head(&owner, &bucket, &key).await.unwrap().unwrap();
    assert_eq!((copied.size, &copied.checksum), (SIZE, &source.checksum));
    assert_eq!((copied.at.version, copied.retention), (version, settings().retention));

    objects.abort(&owner, &uploads[1]).await.unwrap();
    objects.abort(&owner, &uploads[1]).await.unwrap();
    assert_eq!(open("").await, Ok(0));
    let fault = objects.complete(&owner, &uploads[1], &completions[1]).await;
    let class = fault.map_err(|fault| fault.class);
    assert!(
        matches!(class, Ok(WriteOutcome::AlreadyThere) | Err(FaultClass::OutcomeUnknown)),
        "an upload that is gone may have been completed: {class:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_source_that_is_no_longer_the_pinned_one_is_refused() {
    let (_world, objects) = prepared();
    let Place { owner, bucket, key } = place();
    let source = staged(&objects).await;
    let checksum = source.checksum.clone().unwrap();
    let id = objects.begin(&owner, &bucket, &key, &checksum, &settings()).await.unwrap();
    let upload = Upload { bucket, key, id, begun: None };
    let mut changed = part(&source, 1, 0, PART);
    changed.source_etag = "0123456789abcdef0123456789abcdef-1".to_owned();
    let fault = objects.copy(&owner, &upload, &changed).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Conflict, "PreconditionFailed"));
    let mut foreign = part(&source, 1, 0, PART);
    foreign.source_owner = account(VAULT);
    let fault = objects.copy(&owner, &upload, &foreign).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Denied, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn what_a_bucket_is_set_to_is_known() {
    let (_world, objects) = prepared();
    let facts = objects.bucket_facts(&account(ACCOUNT), &place().bucket).await.unwrap();
    assert_eq!(facts.region, region());
    assert!(facts.versioned && facts.lockable);
    assert_eq!(facts.default_retention, None);
    assert_eq!(facts.encryption.algorithm.as_deref(), Some("AES256"));
    let plain = objects.bucket_facts(&account(ACCOUNT), &"staging".parse().unwrap()).await.unwrap();
    assert!(!plain.lockable);
    let fault = objects.bucket_facts(&account(ACCOUNT), &"absent".parse().unwrap()).await;
    assert_eq!(fault.unwrap_err().class, FaultClass::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_in_another_region_is_named_with_both_regions() {
    let (world, _) = prepared();
    let elsewhere = session(&world, ACCOUNT).in_region(&"us-west-2".parse().unwrap());
    let bucket = place().bucket;
    let fault =
        S3Objects::new(&elsewhere).bucket_facts(&account(ACCOUNT), &bucket).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Invalid, "BucketInOtherRegion"));
    assert!(fault.detail.contains("us-east-1") && fault.detail.contains("us-west-2"));
}

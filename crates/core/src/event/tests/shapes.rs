//! Each documented shape, in its documented field names, gives its hints.

use serde_json::json;

use super::*;
use crate::names;

fn image_hint(account: Option<&str>, region: &str, state: Option<ImageEventState>) -> Hint {
    Hint::Image(ImageHint {
        account: account.map(|account| account.parse().unwrap()),
        region: Some(region.parse().unwrap()),
        image: IMAGE.parse().unwrap(),
        state,
    })
}

fn object_hint(account: Option<&str>, key: &str, change: ObjectChange) -> ObjectHint {
    ObjectHint {
        account: account.map(|account| account.parse().unwrap()),
        region: Some("us-east-1".parse().unwrap()),
        bucket: "staging-example".parse().unwrap(),
        key: key.parse().unwrap(),
        version: None,
        etag: None,
        size: None,
        change,
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn expected(name: &str) -> Parsed {
    use EventKind as K;
    let owner = Some("111111111111");
    let staged = "amiferry/us-east-1/ami-0123456789abcdef0.bin";
    let image = image_hint(owner, "us-east-1", None);
    let (kind, hints) = match name {
        "ami_available" => (
            K::AmiStateChange,
            vec![image_hint(owner, "us-east-1", Some(ImageEventState::Available))],
        ),
        "snapshot" => (K::SnapshotNotification, vec![]),
        "s3_notification" => (
            K::S3Notification,
            vec![
                Hint::Object(ObjectHint {
                    version: some("096fKKXTRTtl3on89fVO.nfljtsv6qko"),
                    etag: some("d41d8cd98f00b204e9800998ecf8427e-64"),
                    size: Some(8_589_934_592),
                    ..object_hint(None, staged, ObjectChange::Created)
                }),
                Hint::Object(ObjectHint {
                    etag: some("d41d8cd98f00b204e9800998ecf8427e"),
                    size: Some(0),
                    // `%2525` decoded once is `%25`, not `%`.
                    ..object_hint(None, "notes of May+é%25.txt", ObjectChange::Created)
                }),
                Hint::Object(ObjectHint {
                    version: some("5h3PLZ0PlKq"),
                    etag: some("d41d8cd98f00b204e9800998ecf8427e"),
                    ..object_hint(None, staged, ObjectChange::Removed)
                }),
            ],
        ),
        "s3_test_event" => (K::S3TestEvent, vec![]),
        "s3_object_created" => (
            K::S3EventBridge,
            vec![Hint::Object(ObjectHint {
                version: some("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"),
                etag: some("d41d8cd98f00b204e9800998ecf8427e-64"),
                size: Some(8_589_934_592),
                ..object_hint(owner, staged, ObjectChange::Created)
            })],
        ),
        "s3_object_deleted" => (
            K::S3EventBridge,
            vec![Hint::Object(ObjectHint {
                version: some("1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF"),
                etag: some("d41d8cd98f00b204e9800998ecf8427e"),
                ..object_hint(owner, "100%25 a+b", ObjectChange::Removed)
            })],
        ),
        "cloudtrail_create_image" => (K::CloudTrailCreateImage, vec![image]),
        "cloudtrail_create_image_failed" => (K::CloudTrailCreateImage, vec![]),
        "backup_job_completed" => (K::BackupJob, vec![image]),
        "backup_copy_job_completed" => (
            K::BackupCopyJob,
            vec![Hint::Image(ImageHint {
                account: Some("222222222222".parse().unwrap()),
                region: Some("eu-west-1".parse().unwrap()),
                image: "ami-0fedcba9876543210".parse().unwrap(),
                state: None,
            })],
        ),
        "backup_copy_job_running" => (K::BackupCopyJob, vec![]),
        "backup_recovery_point" => (K::BackupRecoveryPoint, vec![image]),
        "operator" => (K::Operator, vec![image_hint(None, "us-east-1", None)]),
        other => panic!("no expectation for {other}"),
    };
    Parsed::of(kind, hints)
}

#[test]
fn every_documented_shape_gives_its_hints_raw_and_inside_sns() {
    for (name, body) in FIXTURES {
        assert_eq!(parse(body), Ok(expected(name)), "{name}");
        assert_eq!(parse(&in_sns(body)), Ok(expected(name)), "{name} inside SNS");
    }
}

#[test]
fn what_a_person_asks_for_reads_back_as_that_image_of_that_source() {
    let source =
        SourceId { account: "111111111111".parse().unwrap(), region: "us-east-1".parse().unwrap() };
    let parsed = parse(&operator(&source, &IMAGE.parse().unwrap())).unwrap();
    let hint = image_hint(Some("111111111111"), "us-east-1", None);
    assert_eq!(parsed, Parsed::of(EventKind::Operator, vec![hint]));
}

#[test]
fn every_image_state_is_told_and_an_unknown_one_is_still_a_hint() {
    for (word, state) in [
        ("available", Some(ImageEventState::Available)),
        ("failed", Some(ImageEventState::Failed)),
        ("deregistered", Some(ImageEventState::Deregistered)),
        ("disabled", Some(ImageEventState::Disabled)),
        ("archived", None),
    ] {
        let parsed = parse(&altered("ami_available", "/detail/State", json!(word))).unwrap();
        assert_eq!(parsed.hints, [image_hint(Some("111111111111"), "us-east-1", state)]);
        assert!(state.is_none_or(|state| state.as_str() == word));
    }
}

#[test]
fn an_image_made_by_copy_or_register_is_a_hint_and_other_calls_are_not() {
    for (call, kind, hints) in [
        ("CopyImage", EventKind::CloudTrailCreateImage, 1),
        ("RegisterImage", EventKind::CloudTrailCreateImage, 1),
        ("RunInstances", EventKind::Other, 0),
        ("CreateStoreImageTask", EventKind::Other, 0),
    ] {
        let body = altered("cloudtrail_create_image", "/detail/eventName", json!(call));
        let parsed = parse(&body).unwrap();
        assert_eq!((parsed.kind, parsed.hints.len()), (kind, hints), "{call}");
    }
}

#[test]
fn messages_that_say_nothing_yet_give_no_hint() {
    let volume = json!(["arn:aws:ec2:us-east-1:111111111111:volume/vol-0123456789abcdef0"]);
    let air_gapped = json!(["arn:aws:backup:us-east-1:111111111111:recovery-point:1b2c3d4e"]);
    let builder = json!(["arn:aws:imagebuilder:us-east-1:111111111111:image/web/1.0.0/1"]);
    for (name, pointer, value) in [
        ("backup_job_completed", "/resources", builder),
        ("backup_job_completed", "/detail/state", json!("RUNNING")),
        ("backup_job_completed", "/detail/state", json!("FAILED")),
        ("backup_job_completed", "/resources", volume),
        ("backup_job_completed", "/resources", json!(null)),
        ("backup_copy_job_completed", "/detail/state", json!("FAILED")),
        ("backup_copy_job_completed", "/detail/destinationRecoveryPointArn", json!({})),
        ("backup_copy_job_completed", "/detail/destinationRecoveryPointArn", json!("")),
        ("backup_recovery_point", "/detail/status", json!("PARTIAL")),
        ("backup_recovery_point", "/detail/status", json!("EXPIRED")),
        ("backup_recovery_point", "/resources", air_gapped),
        ("cloudtrail_create_image", "/detail/responseElements", json!(null)),
        ("cloudtrail_create_image", "/detail/errorCode", json!("Client.DryRunOperation")),
        ("s3_object_created", "/detail-type", json!("Object Tags Added")),
        ("s3_notification", "/Records", json!([])),
        ("ami_available", "/detail-type", json!("EC2 Spot Instance Interruption Warning")),
        ("ami_available", "/detail-type", json!("AWS Health Event")),
        ("snapshot", "/detail-type", json!("EBS Multi-Volume Snapshots Completion Status")),
    ] {
        let parsed = parse(&altered(name, pointer, value.clone()));
        assert!(
            parsed.as_ref().is_ok_and(|parsed| parsed.hints.is_empty()),
            "{name} with {pointer} = {value}: {parsed:?}"
        );
    }
}

#[test]
fn an_available_recovery_point_is_a_hint_in_the_region_of_its_arn() {
    let body = altered("backup_recovery_point", "/detail/status", json!("AVAILABLE"));
    assert_eq!(parse(&body).unwrap().hints.len(), 1);
    let elsewhere = json!([format!("arn:aws:ec2:eu-west-1::image/{IMAGE}")]);
    let body = altered("backup_recovery_point", "/resources", elsewhere);
    let hint = image_hint(Some("111111111111"), "eu-west-1", None);
    assert_eq!(parse(&body).unwrap().hints, [hint]);
}

#[test]
fn an_arn_without_a_region_is_in_the_region_of_its_event() {
    let nowhere = json!([format!("arn:aws:ec2:::image/{IMAGE}")]);
    let body = altered("backup_recovery_point", "/resources", nowhere);
    assert_eq!(parse(&body), Ok(expected("backup_recovery_point")));
}

#[test]
fn an_empty_version_or_etag_is_none() {
    for (pointer, field) in
        [("/detail/object/version-id", "version"), ("/detail/object/etag", "etag")]
    {
        let parsed = parse(&altered("s3_object_created", pointer, json!(""))).unwrap();
        let Hint::Object(hint) = &parsed.hints[0] else { panic!("{parsed:?}") };
        let told = if field == "version" { &hint.version } else { &hint.etag };
        assert_eq!(told, &None, "{field}");
    }
}

#[test]
fn an_image_named_twice_in_a_backup_event_is_one_hint() {
    let arn = json!(format!("arn:aws:ec2:us-east-1::image/{IMAGE}"));
    let body = altered("backup_recovery_point", "/detail/recoveryPointArn", arn);
    assert_eq!(parse(&body).unwrap().hints.len(), 1);
}

#[test]
fn minor_versions_and_prefixed_names_of_s3_records_are_read() {
    for (pointer, value) in [
        ("/Records/0/eventVersion", json!("2.0")),
        ("/Records/0/eventVersion", json!("2.47")),
        ("/Records/0/eventName", json!("s3:ObjectCreated:CompleteMultipartUpload")),
        ("/Records/0/eventName", json!("ObjectCreated:SomethingNew")),
    ] {
        let body = altered("s3_notification", pointer, value);
        assert_eq!(parse(&body), Ok(expected("s3_notification")), "{pointer}");
    }
}

#[test]
fn the_longest_body_and_the_deepest_nesting_are_still_read() {
    let mut body = format!(r#"{{"image_id":"{IMAGE}"}}"#);
    body.extend(std::iter::repeat_n(' ', MAX_BODY_BYTES - body.len()));
    assert_eq!(parse(&body).unwrap().hints.len(), 1);
    let lists = MAX_NESTING - 1;
    let body =
        format!(r#"{{"image_id":"{IMAGE}","x":{}{}}}"#, "[".repeat(lists), "]".repeat(lists));
    assert_eq!(parse(&body).unwrap().hints.len(), 1);
}

#[test]
fn labels_are_distinct_and_in_snake_case() {
    let kinds = EventKind::ALL.map(EventKind::as_str);
    let codes = RejectCode::ALL.map(RejectCode::as_str);
    for labels in [&kinds[..], &codes[..]] {
        for (index, label) in labels.iter().enumerate() {
            assert!(!labels[..index].contains(label), "{label} twice");
            assert!(
                label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
        }
    }
}

#[test]
fn only_an_image_that_can_be_stored_is_handed_on() {
    let hint =
        |state| ImageHint { account: None, region: None, image: IMAGE.parse().unwrap(), state };
    let image = Some(IMAGE.parse::<ImageId>().unwrap());
    for (state, wanted) in [
        (None, image.clone()),
        (Some(ImageEventState::Available), image),
        (Some(ImageEventState::Failed), None),
        (Some(ImageEventState::Deregistered), None),
        (Some(ImageEventState::Disabled), None),
    ] {
        assert_eq!(scope().pin_image(&hint(state)), Ok(wanted), "{state:?}");
    }
}

#[test]
fn a_staged_key_leads_back_to_its_image_with_and_without_a_prefix() {
    let image: ImageId = IMAGE.parse().unwrap();
    for (prefix, key) in [
        ("", "us-east-1/ami-0123456789abcdef0.bin"),
        ("amiferry", "amiferry/us-east-1/ami-0123456789abcdef0.bin"),
        ("a/b.c", "a/b.c/us-east-1/ami-0123456789abcdef0.bin"),
    ] {
        let scope = SourceScope { staging_prefix: prefix.to_owned(), ..scope() };
        assert_eq!(check_staging_prefix(prefix), Ok(()));
        assert_eq!(scope.staged_key(&image).as_str(), key);
        assert_eq!(names::staged_key(prefix, &scope.region, &image), key.parse());
        let hint = object_hint(None, key, ObjectChange::Created);
        assert_eq!(scope.pin_object(&hint), Ok(Some(image.clone())));
    }
}

#[test]
fn a_prefix_that_could_be_written_in_two_ways_is_refused() {
    let long = "p".repeat(513);
    for prefix in ["/", "/a", "a/", "a//b", ".", "..", "a/../b", "a b", "a%2Fb", "ä", "a\n", &long]
    {
        assert!(check_staging_prefix(prefix).is_err(), "{prefix:?}");
    }
}

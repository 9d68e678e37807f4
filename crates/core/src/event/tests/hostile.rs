//! Malformed and hostile bodies, each with the code it must be refused under.

use serde_json::json;

use super::*;
use RejectCode as Code;

/// A classic notification about this one object, the key as it stands in the JSON.
fn classic(key: &str) -> String {
    let mut record = fixture("s3_notification")["Records"][0].take();
    record["s3"]["object"]["key"] = json!(key);
    json!({ "Records": [record] }).to_string()
}

/// The same key through EventBridge, which does not encode it.
fn event_bridge(key: &str) -> String {
    altered("s3_object_created", "/detail/object/key", json!(key))
}

fn assert_refused(cases: &[(&str, String, Code)]) {
    for (why, body, code) in cases {
        let shown: String = body.chars().take(120).collect();
        assert_eq!(refusal(body), Some(*code), "{why}: {shown}");
    }
}

#[test]
fn text_that_is_not_one_strict_json_object_is_refused() {
    let own = |text: &str| text.to_owned();
    let image = format!(r#""image_id":"{IMAGE}""#);
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_refused(&[
        ("empty", own(""), Code::NotJson),
        ("a byte order mark", format!("\u{feff}{{{image}}}"), Code::NotJson),
        ("only space", own(" \n\t"), Code::NotJson),
        ("prose", own("restore everything, please"), Code::NotJson),
        ("a shell command", own("$(aws s3 rm --recursive s3://x)"), Code::NotJson),
        ("XML", own("<?xml version=\"1.0\"?><x/>"), Code::NotJson),
        ("cut short", format!("{{{image}"), Code::NotJson),
        ("two values", format!("{{{image}}}{{{image}}}"), Code::NotJson),
        ("a trailing comma", format!("{{{image},}}"), Code::NotJson),
        ("a comment", format!("{{/* */{image}}}"), Code::NotJson),
        ("single quotes", own("{'image_id':'ami-0123456789abcdef0'}"), Code::NotJson),
        ("a byte order mark", format!("\u{feff}{{{image}}}"), Code::NotJson),
        ("a raw line break in a string", own("{\"image_id\":\"ami-\n\"}"), Code::NotJson),
        ("half a surrogate pair", own(r#"{"image_id":"\ud800"}"#), Code::NotJson),
        ("NaN", format!(r#"{{{image},"x":NaN}}"#), Code::NotJson),
        ("a number beyond any float", format!(r#"{{{image},"x":1e999}}"#), Code::NotJson),
        ("a leading zero", format!(r#"{{{image},"x":01}}"#), Code::NotJson),
        ("a list at the top", format!("[{{{image}}}]"), Code::UnknownShape),
        ("a string at the top", own("\"ami-0123456789abcdef0\""), Code::UnknownShape),
        ("null", own("null"), Code::UnknownShape),
        ("a number", own("1"), Code::UnknownShape),
        ("one byte too long", " ".repeat(MAX_BODY_BYTES + 1), Code::TooLong),
        ("too long in bytes, not in characters", "é".repeat(MAX_BODY_BYTES / 2 + 1), Code::TooLong),
        ("one level too deep", deep(MAX_NESTING + 1), Code::TooDeep),
        ("deep enough to overflow a stack", "[".repeat(500_000), Code::TooDeep),
        ("deep objects", r#"{"a":"#.repeat(100_000), Code::TooDeep),
        ("deep in an ignored field", format!(r#"{{{image},"x":{}}}"#, deep(32)), Code::TooDeep),
        (
            "one record too many",
            json!({ "Records": vec![Value::Null; MAX_ITEMS + 1] }).to_string(),
            Code::TooMany,
        ),
        (
            "one resource too many",
            altered("backup_recovery_point", "/resources", json!(vec![0; MAX_ITEMS + 1])),
            Code::TooMany,
        ),
        ("a key twice", format!(r#"{{{image},"image_id":"ami-00000000"}}"#), Code::DuplicateKey),
        ("the same value twice", format!("{{{image},{image}}}"), Code::DuplicateKey),
        (
            "a key twice, once escaped",
            format!(r#"{{{image},"\u0069mage_id":"ami-00000000"}}"#),
            Code::DuplicateKey,
        ),
        (
            "twice in an ignored field",
            format!(r#"{{{image},"x":[{{"a":1,"a":2}}]}}"#),
            Code::DuplicateKey,
        ),
        (
            "a hostile key twice",
            format!("{{{image},\"\u{202e}\":1,\"\u{202e}\":1}}"),
            Code::DuplicateKey,
        ),
    ]);
}

#[test]
fn json_of_no_known_shape_is_refused() {
    let own = |text: &str| text.to_owned();
    let available = fixture("ami_available").to_string();
    assert_refused(&[
        ("an empty object", own("{}"), Code::UnknownShape),
        ("an unknown object", own(r#"{"hello":"world"}"#), Code::UnknownShape),
        ("the wrong case", own(r#"{"Image_Id":"ami-00000000"}"#), Code::UnknownShape),
        ("a null in place of a shape", own(r#"{"image_id":null}"#), Code::UnknownShape),
        ("another test event", own(r#"{"Event":"s3:TestEvents"}"#), Code::UnknownShape),
        (
            "an imitation of EC2",
            altered("ami_available", "/source", json!("com.example")),
            Code::UnknownShape,
        ),
        (
            "an imitation of a service",
            altered("ami_available", "/source", json!("aws.evil")),
            Code::UnknownShape,
        ),
        (
            "another service of AWS, which does not send it",
            altered("s3_object_created", "/source", json!("aws.dlm")),
            Code::UnknownShape,
        ),
        (
            "a source that no service can have",
            json!({"source": "aws.Evil Corp", "detail-type": "X", "detail": {}}).to_string(),
            Code::UnknownShape,
        ),
        (
            "an imitation of the aws namespace",
            altered("ami_available", "/source", json!("aws-ec2")),
            Code::UnknownShape,
        ),
        (
            "records of another service",
            altered("s3_notification", "/Records/0/eventSource", json!("aws:ses")),
            Code::UnknownShape,
        ),
        (
            "the next major version",
            altered("s3_notification", "/Records/0/eventVersion", json!("3.0")),
            Code::UnknownShape,
        ),
        ("SNS in SNS", in_sns(&in_sns(&available)), Code::UnknownShape),
        (
            "a subscription to confirm",
            own(
                r#"{"Type":"SubscriptionConfirmation","Message":"visit","SubscribeURL":"http://169.254.169.254/"}"#,
            ),
            Code::UnknownShape,
        ),
        ("another SNS type", own(r#"{"Type":"Gossip","Message":"{}"}"#), Code::UnknownShape),
        ("a list inside SNS", in_sns("[]"), Code::UnknownShape),
        ("prose inside SNS", in_sns("ALARM: disk full"), Code::NotJson),
        ("a key twice inside SNS", in_sns(r#"{"a":1,"a":1}"#), Code::DuplicateKey),
        ("too deep inside SNS", in_sns(&"[".repeat(5000)), Code::TooDeep),
    ]);
}

#[test]
fn fields_that_are_missing_or_malformed_are_refused() {
    let operator = |id: &str| json!({ "image_id": id }).to_string();
    let bad = [
        ("id in upper case", operator("AMI-0123456789ABCDEF0")),
        ("hex in upper case", operator("ami-0123456789ABCDEF0")),
        ("id too short", operator("ami-123")),
        ("id too long", operator("ami-0123456789abcdef00")),
        ("id with a space", operator("ami-0123456789abcdef0 ")),
        ("id with a NUL", operator("ami-0123456789abcdef\0")),
        ("id in full-width digits", operator("ami-０１２３４５６７")),
        ("id with a Cyrillic a", operator("аmi-01234567")),
        ("id with a right-to-left override", operator("ami-\u{202e}01234567")),
        ("id as a path", operator("ami-01234567/../ami-00000000")),
        ("id as SQL", operator("ami-0' OR '1'='1")),
        ("id as a flag", operator("--image-ids")),
        ("another resource's id", operator("snap-0123456789abcdef0")),
        ("id as a list", json!({"image_id": [IMAGE]}).to_string()),
        ("id as a number", json!({"image_id": 7}).to_string()),
        ("account too short", json!({"image_id": IMAGE, "account": "1"}).to_string()),
        (
            "account as a number",
            json!({"image_id": IMAGE, "account": 111_111_111_111_u64}).to_string(),
        ),
        ("region as an URL", json!({"image_id": IMAGE, "region": "evil.example/#"}).to_string()),
        ("event account malformed", altered("ami_available", "/account", json!("root"))),
        ("event region malformed", altered("ami_available", "/region", json!("us-east-1a"))),
        ("detail-type as a list", altered("ami_available", "/detail-type", json!(["x"]))),
        ("no source", altered("ami_available", "/source", json!(null))),
        ("no detail", altered("ami_available", "/detail", json!(null))),
        ("detail as text", altered("ami_available", "/detail", json!("{}"))),
        ("no image", altered("ami_available", "/detail/ImageId", json!(null))),
        ("no state", altered("ami_available", "/detail/State", json!(null))),
        ("state as an object", altered("ami_available", "/detail/State", json!({"a": 1}))),
        ("records as an object", altered("s3_notification", "/Records", json!({}))),
        ("a record as text", altered("s3_notification", "/Records/3", json!("x"))),
        ("a record without a source", altered("s3_notification", "/Records/0", json!({}))),
        (
            "event version as words",
            altered("s3_notification", "/Records/0/eventVersion", json!("two")),
        ),
        ("no s3", altered("s3_notification", "/Records/0/s3", json!(null))),
        ("no key", altered("s3_notification", "/Records/0/s3/object/key", json!(null))),
        (
            "bucket as an ARN",
            altered("s3_notification", "/Records/0/s3/bucket/name", json!("arn:aws:s3:::b")),
        ),
        (
            "bucket with a path",
            altered("s3_object_created", "/detail/bucket/name", json!("b/../c")),
        ),
        ("negative size", altered("s3_object_created", "/detail/object/size", json!(-1))),
        ("fractional size", altered("s3_object_created", "/detail/object/size", json!(1.5))),
        ("size beyond 64 bits", altered("s3_object_created", "/detail/object/size", json!(1e30))),
        ("size as text", altered("s3_object_created", "/detail/object/size", json!("5"))),
        (
            "etag with a line break",
            altered("s3_object_created", "/detail/object/etag", json!("a\r\nx: y")),
        ),
        (
            "endless version",
            altered("s3_object_created", "/detail/object/version-id", json!("v".repeat(1025))),
        ),
        (
            "call without an image",
            altered("cloudtrail_create_image", "/detail/responseElements", json!({})),
        ),
        ("backup job without state", altered("backup_job_completed", "/detail/state", json!(null))),
        ("resource as a number", altered("backup_job_completed", "/resources", json!([1]))),
        ("resource not an ARN", altered("backup_job_completed", "/resources", json!([IMAGE]))),
        (
            "ARN of a malformed image",
            altered(
                "backup_recovery_point",
                "/resources",
                json!(["arn:aws:ec2:us-east-1::image/ami-X"]),
            ),
        ),
        (
            "ARN of a malformed Region",
            altered(
                "backup_recovery_point",
                "/resources",
                json!([format!("arn:aws:ec2:EVIL::image/{IMAGE}")]),
            ),
        ),
        (
            "destination as a number",
            altered("backup_copy_job_completed", "/detail/destinationRecoveryPointArn", json!(5)),
        ),
        (
            "destination a filled object",
            altered(
                "backup_copy_job_completed",
                "/detail/destinationRecoveryPointArn",
                json!({"a": 1}),
            ),
        ),
        (
            "destination vault malformed",
            altered(
                "backup_copy_job_completed",
                "/detail/destinationBackupVaultArn",
                json!("vault"),
            ),
        ),
        ("SNS message as an object", json!({"Type": "Notification", "Message": {}}).to_string()),
    ];
    assert_refused(&bad.map(|(why, body)| (why, body, Code::BadField)));
}

#[test]
fn a_foreign_account_region_or_bucket_is_refused_wherever_it_is_named() {
    let alter = |name: &str, pointer: &str, value: &str| altered(name, pointer, json!(value));
    let other = "999999999999";
    assert_refused(&[
        ("AMI event", alter("ami_available", "/account", other), Code::ForeignAccount),
        ("AMI event", alter("ami_available", "/region", "eu-west-1"), Code::ForeignRegion),
        (
            "AMI event in SNS",
            in_sns(&alter("ami_available", "/account", other)),
            Code::ForeignAccount,
        ),
        ("CloudTrail", alter("cloudtrail_create_image", "/account", other), Code::ForeignAccount),
        (
            "CloudTrail",
            alter("cloudtrail_create_image", "/region", "us-east-2"),
            Code::ForeignRegion,
        ),
        (
            "a copy that left",
            fixture("backup_copy_job_completed").to_string(),
            Code::ForeignAccount,
        ),
        (
            "operator",
            json!({"image_id": IMAGE, "account": other}).to_string(),
            Code::ForeignAccount,
        ),
        (
            "operator",
            json!({"image_id": IMAGE, "region": "us-west-1"}).to_string(),
            Code::ForeignRegion,
        ),
        ("bucket owner", alter("s3_object_created", "/account", other), Code::ForeignAccount),
        ("bucket region", alter("s3_object_created", "/region", "us-west-1"), Code::ForeignRegion),
        (
            "record region",
            alter("s3_notification", "/Records/0/awsRegion", "us-west-1"),
            Code::ForeignRegion,
        ),
        (
            "bucket",
            alter("s3_object_created", "/detail/bucket/name", "staging-example2"),
            Code::ForeignBucket,
        ),
        (
            "bucket",
            alter("s3_notification", "/Records/0/s3/bucket/name", "staging.example"),
            Code::ForeignBucket,
        ),
        (
            "the ARN of the right bucket with the name of another",
            alter("s3_object_created", "/detail/bucket/name", "sniped-example"),
            Code::ForeignBucket,
        ),
    ]);
}

#[test]
fn a_key_that_is_not_exactly_a_staged_key_is_refused_in_both_encodings() {
    let own = |text: &str| text.to_owned();
    for key in [
        own("x"),
        own(".bin"),
        own("/"),
        own("ami-0123456789abcdef0.bin"),
        own("us-east-1/ami-0123456789abcdef0.bin"),
        own("/amiferry/us-east-1/ami-0123456789abcdef0.bin"),
        own("amiferry//us-east-1/ami-0123456789abcdef0.bin"),
        own("amiferry/./us-east-1/ami-0123456789abcdef0.bin"),
        own("amiferry/us-east-1/../us-east-1/ami-0123456789abcdef0.bin"),
        own("amiferry/us-west-2/ami-0123456789abcdef0.bin"),
        own("amiferry/us-east-1/x/ami-0123456789abcdef0.bin"),
        own("other/amiferry/us-east-1/ami-0123456789abcdef0.bin"),
        own("AMIFERRY/us-east-1/ami-0123456789abcdef0.bin"),
        own("amiferry/us-east-1/AMI-0123456789ABCDEF0.bin"),
        own("amiferry/us-east-1/ami-0123456789ABCDEF0.bin"),
        own("amiferry/us-east-1/ami-0123456789abcdef0.BIN"),
        own("amiferry/us-east-1/ami-0123456789abcdef0"),
        own("amiferry/us-east-1/ami-0123456789abcdef0.bin.bin"),
        own("amiferry/us-east-1/ami-0123456789abcdef0.bin/"),
        own("amiferry/us-east-1/ami-0123456789abcdef0.bin.part"),
        own("amiferry/us-east-1/ami-0123456789abcdef0.bin?versionId=x"),
        own("amiferry\\us-east-1\\ami-0123456789abcdef0.bin"),
        own("amiferry/us-east-1/ami-012345678.bin"),
        own("amiferry/us-east-1/snap-0123456789abcdef0.bin"),
        own("amiferry/us-east-1/ami-\u{202e}01234567.bin"),
        own("amiferry/us-east-1/ami-01234567\u{200b}.bin"),
        own("amiferry/us-east-1/ami-０1234567.bin"),
        own("amiferry∕us-east-1∕ami-0123456789abcdef0.bin"),
        own("amiferry/us-east-1/ami-*.bin"),
    ] {
        for body in [classic(&key), event_bridge(&key)] {
            assert_eq!(refusal(&body), Some(Code::ForeignKey), "{key:?}");
        }
    }
    for key in [
        own(""),
        own("amiferry/us-east-1/ami-0123456789abcdef0.bin\0"),
        own("amiferry/us-east-1/ami-0123456789abcdef0.bin\n"),
        "k".repeat(1025),
    ] {
        for body in [classic(&key), event_bridge(&key)] {
            assert_eq!(refusal(&body), Some(Code::BadField), "{key:?}");
        }
    }
}

#[test]
fn a_key_is_decoded_once_where_it_is_encoded_and_never_where_it_is_not() {
    let staged = "amiferry/us-east-1/ami-0123456789abcdef0.bin";
    let once = "amiferry%2Fus-east-1%2fami-0123456789abcdef0.bin";
    let twice = "amiferry%252Fus-east-1%252Fami-0123456789abcdef0.bin";
    assert_eq!(refusal(&classic(staged)), None);
    assert_eq!(refusal(&classic(once)), None, "S3 may encode a slash; it is the same object");
    assert_eq!(refusal(&classic(twice)), Some(Code::ForeignKey));
    assert_eq!(refusal(&event_bridge(staged)), None);
    assert_eq!(refusal(&event_bridge(once)), Some(Code::ForeignKey));
    for (key, code) in [
        ("amiferry%2F..%2Fus-east-1%2Fami-0123456789abcdef0.bin", Code::ForeignKey),
        ("amiferry/us-east-1/ami-%E2%80%AE01234567.bin", Code::ForeignKey),
        ("amiferry/us-east-1/ami-01234567.bin+", Code::ForeignKey),
        ("amiferry/us-east-1/ami-01234567.bin%00", Code::BadField),
        ("amiferry/us-east-1/ami-01234567%0a.bin", Code::BadField),
        ("%", Code::BadField),
        ("%2", Code::BadField),
        ("%zz", Code::BadField),
        ("%+1", Code::BadField),
        ("%é", Code::BadField),
        ("%ff", Code::BadField),
        ("%c0%af", Code::BadField),
        ("%ed%a0%80", Code::BadField),
    ] {
        assert_eq!(refusal(&classic(key)), Some(code), "{key:?}");
    }
}

#[test]
fn one_hostile_record_is_refused_and_the_others_count() {
    let body = altered("s3_notification", "/Records/2/s3/object/key", json!("%"));
    let whole = parse(&fixture("s3_notification").to_string()).unwrap();
    for (body, place) in [(in_sns(&body), "inside the SNS Message: "), (body, "")] {
        let parsed = parse(&body).unwrap();
        assert_eq!(
            parsed.rejected.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!(
                "bad_field: {place}Records[2].s3.object.key: a % without two hexadecimal digits \
                 behind it"
            )]
        );
        assert!(!parsed.hints.is_empty());
        assert!(parsed.hints.iter().all(|hint| whole.hints.contains(hint)));
    }
}

#[test]
fn a_message_of_which_every_record_is_hostile_is_refused() {
    let mut body = fixture("s3_notification");
    for record in body["Records"].as_array_mut().unwrap() {
        record["eventSource"] = json!("aws:evil");
    }
    assert_eq!(refusal(&body.to_string()), Some(Code::UnknownShape));
    assert!(parse(&body.to_string()).is_err());
}

#[test]
fn a_plain_file_beside_the_staged_images_asks_for_nothing() {
    for name in ["ami-0123456789abcdef0.json", "manifest.json", "notes/2026.txt", "a.b-c_d.e"] {
        for body in [classic, event_bridge].map(|of| of(&format!("amiferry/us-east-1/{name}"))) {
            let parsed = parse(&body).unwrap();
            let Hint::Object(hint) = &parsed.hints[0] else { panic!("{parsed:?}") };
            assert_eq!(scope().pin_object(hint), Ok(None), "{name}");
        }
    }
}

#[test]
fn a_refusal_names_the_field_and_shows_the_text_safely() {
    for (body, detail) in [
        (
            altered("ami_available", "/detail/ImageId", json!("ami-X")),
            "detail.ImageId: \"ami-X\" is not an image id: expected ami- and 8 or 17 hexadecimal \
             digits, lower case",
        ),
        (
            in_sns(r#"{"image_id": 7}"#),
            "inside the SNS Message: image_id: a whole number; expected a string",
        ),
        (
            altered("s3_object_created", "/detail/object/size", json!(-1)),
            "detail.object.size: a negative, fractional or too large number; expected a count of \
             bytes",
        ),
        (
            "{\"\u{1b}[2J\u{202e}\":1,\"\u{1b}[2J\u{202e}\":1}".replace('\u{1b}', r"\u001b"),
            r#""\u{1b}[2J\u{202e}" twice in one object at line 1 column 32"#,
        ),
    ] {
        assert_eq!(parse(&body).unwrap_err().detail, detail);
    }
    let parsed = parse(&event_bridge("amiferry/us-east-1/nib.\u{202e}ima")).unwrap();
    let Hint::Object(hint) = &parsed.hints[0] else { panic!("{parsed:?}") };
    assert_eq!(
        scope().pin_object(hint).unwrap_err().detail,
        r"expected amiferry/us-east-1/ami-….bin, the message says amiferry/us-east-1/nib.\u{202e}ima"
    );
}

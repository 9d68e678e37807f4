//! Options of writes, races of conditional writes, suspended versioning, pages of uploads and
//! parts, presigned URLs, and what a HEAD gives away.

use super::*;
use crate::s3::archive::{self, AccessTier, Destination};
use crate::sqs::{self, QueueSpec};

#[tokio::test(start_paused = true)]
async fn an_archived_object_is_shown_but_not_read_or_copied() {
    let client = Client::new();
    for (class, readable) in [("GLACIER", false), ("DEEP_ARCHIVE", false), ("GLACIER_IR", true)] {
        client.ok("PUT /bkt/k", &[("x-amz-storage-class", class)], "hello").await;
        let shown = client.ok("HEAD /bkt/k", &[], "").await;
        assert_eq!(header(&shown, "x-amz-storage-class"), class);
        let listed = text(&client.ok("GET /bkt?list-type=2", &[], "").await);
        assert!(listed.contains(&format!("<StorageClass>{class}</StorageClass>")), "{listed}");
        let copy = [("x-amz-copy-source", "bkt/k")];
        for (line, headers) in [("GET /bkt/k", &[][..]), ("PUT /bkt/copy", &copy[..])] {
            let answer = client.send(line, headers, "").await;
            if readable {
                assert_eq!(answer.status, 200, "{line} {class}");
            } else {
                assert_eq!(code(&answer), (403, "InvalidObjectState".to_owned()), "{line}");
            }
        }
        let read = s3::read_by_service(&client.world.lock(), client.world.now(), "bkt", "k");
        assert_eq!(read.is_ok(), readable, "EC2 reads as everyone does");
    }
    let id = client.upload("/bkt/m", &[("x-amz-storage-class", "STANDARD_IA")]).await;
    let etag = client.part("/bkt/m", &id, 1, "x").await;
    client.complete("/bkt/m", &id, &[(1, &etag)]).await;
    let shown = client.ok("HEAD /bkt/m", &[], "").await;
    assert_eq!(header(&shown, "x-amz-storage-class"), "STANDARD_IA");
}

/// A request for a temporary copy.
fn restore(days: u32, tier: &str) -> String {
    format!(
        "<RestoreRequest><Days>{days}</Days><GlacierJobParameters><Tier>{tier}</Tier>\
         </GlacierJobParameters></RestoreRequest>"
    )
}

#[tokio::test(start_paused = true)]
async fn an_archived_object_is_readable_for_some_days_once_it_is_restored() {
    let hours = |count: u64| Duration::from_secs(count * 3_600);
    for (class, tier, takes) in [
        ("GLACIER", "Expedited", Duration::from_secs(300)),
        ("GLACIER", "Standard", hours(5)),
        ("GLACIER", "Bulk", hours(12)),
        ("DEEP_ARCHIVE", "Standard", hours(12)),
        ("DEEP_ARCHIVE", "Bulk", hours(48)),
    ] {
        let client = Client::new();
        client.ok("PUT /bkt/k", &[("x-amz-storage-class", class)], "hello").await;
        assert!(!client.ok("HEAD /bkt/k", &[], "").await.headers.contains_key("x-amz-restore"));
        let asked = client.ok("POST /bkt/k?restore", &[], restore(2, tier)).await;
        assert_eq!(asked.status, 202, "{class} {tier}");
        let again = client.send("POST /bkt/k?restore", &[], restore(2, tier)).await;
        assert_eq!(code(&again), (409, "RestoreAlreadyInProgress".to_owned()));
        client.world.clock().sleep(takes - Duration::from_secs(1)).await;
        let shown = client.ok("HEAD /bkt/k", &[], "").await;
        assert_eq!(header(&shown, "x-amz-restore"), "ongoing-request=\"true\"");
        let early = client.send("GET /bkt/k", &[], "").await;
        assert_eq!(code(&early), (403, "InvalidObjectState".to_owned()));
        client.world.clock().sleep(Duration::from_secs(1)).await;
        let shown = client.ok("HEAD /bkt/k", &[], "").await;
        let told = header(&shown, "x-amz-restore");
        assert!(told.starts_with("ongoing-request=\"false\", expiry-date=\""), "{told}");
        assert!(told.ends_with(" 00:00:00 GMT\""), "{told}");
        assert_eq!(header(&shown, "x-amz-storage-class"), class, "it stays where it is kept");
        assert_eq!(text(&client.ok("GET /bkt/k", &[], "").await), "hello");
        client.ok("PUT /bkt/copy", &[("x-amz-copy-source", "bkt/k")], "").await;
        let copy = client.ok("HEAD /bkt/copy", &[], "").await;
        assert!(!copy.headers.contains_key("x-amz-restore"));
        let longer = client.ok("POST /bkt/k?restore", &[], restore(9, tier)).await;
        assert_eq!(longer.status, 200, "it is there, for longer");
        client.world.clock().sleep(hours(8 * 24)).await;
        client.ok("GET /bkt/k", &[], "").await;
        client.world.clock().sleep(hours(3 * 24)).await;
        let late = client.send("GET /bkt/k", &[], "").await;
        assert_eq!(code(&late), (403, "InvalidObjectState".to_owned()), "it has expired");
        assert!(!client.ok("HEAD /bkt/k", &[], "").await.headers.contains_key("x-amz-restore"));
        assert_eq!(client.ok("POST /bkt/k?restore", &[], restore(1, tier)).await.status, 202);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_leaves_an_archive_tier_of_intelligent_tiering_for_good() {
    for (tier, name, takes) in [
        (AccessTier::Archive, "ARCHIVE_ACCESS", 5),
        (AccessTier::DeepArchive, "DEEP_ARCHIVE_ACCESS", 12),
    ] {
        let client = Client::new();
        let class = ("x-amz-storage-class", "INTELLIGENT_TIERING");
        client.ok("PUT /bkt/k", &[class], "hello").await;
        client.ok("PUT /bkt/standard", &[], "hello").await;
        let to = Destination::Tier(tier);
        let moved = archive::transition(&mut client.world.lock(), ("bkt", ""), 0, to);
        assert_eq!(moved, Ok(1), "only what is in that class");
        let shown = client.ok("HEAD /bkt/k", &[], "").await;
        assert_eq!(header(&shown, "x-amz-archive-status"), name);
        assert_eq!(header(&shown, "x-amz-storage-class"), "INTELLIGENT_TIERING");
        let refused = client.send("GET /bkt/k", &[], "").await;
        assert_eq!(code(&refused), (403, "InvalidObjectState".to_owned()));
        assert!(text(&refused).contains(&format!("<AccessTier>{name}</AccessTier>")));
        let days = client.send("POST /bkt/k?restore", &[], restore(2, "Standard")).await;
        assert_eq!(code(&days), (400, "InvalidArgument".to_owned()));
        let asked = client.ok("POST /bkt/k?restore", &[], "<RestoreRequest/>").await;
        assert_eq!(asked.status, 202);
        let shown = client.ok("HEAD /bkt/k", &[], "").await;
        assert_eq!(header(&shown, "x-amz-restore"), "ongoing-request=\"true\"");
        client.world.clock().sleep(Duration::from_secs(takes * 3_600)).await;
        client.ok("GET /bkt/k", &[], "").await;
        let shown = client.ok("HEAD /bkt/k", &[], "").await;
        for header in ["x-amz-archive-status", "x-amz-restore"] {
            assert!(!shown.headers.contains_key(header), "{header}");
        }
        let again = client.send("POST /bkt/k?restore", &[], "<RestoreRequest/>").await;
        assert_eq!(code(&again), (403, "InvalidObjectState".to_owned()), "it is not archived");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_restored_is_refused_with_its_code() {
    let client = Client::new();
    client.ok("PUT /bkt/warm", &[("x-amz-storage-class", "GLACIER_IR")], "hello").await;
    client.ok("PUT /bkt/cold", &[("x-amz-storage-class", "DEEP_ARCHIVE")], "hello").await;
    for (line, body, expected) in [
        ("POST /bkt/warm?restore", restore(1, "Standard"), (403, "InvalidObjectState")),
        ("POST /bkt/cold?restore", restore(1, "Expedited"), (400, "InvalidArgument")),
        ("POST /bkt/cold?restore", restore(1, "Fast"), (400, "InvalidArgument")),
        ("POST /bkt/cold?restore", restore(0, "Bulk"), (400, "InvalidArgument")),
        ("POST /bkt/cold?restore", String::new(), (400, "MalformedXML")),
        ("POST /bkt/cold?restore", "<RestoreRequest/>".to_owned(), (400, "MalformedXML")),
        (
            "POST /bkt/cold?restore",
            "<RestoreRequest><Type>SELECT</Type></RestoreRequest>".to_owned(),
            (501, "NotImplemented"),
        ),
        ("POST /bkt/none?restore", restore(1, "Bulk"), (404, "NoSuchKey")),
    ] {
        let answer = client.send(line, &[], body.clone()).await;
        let (status, name) = expected;
        assert_eq!(code(&answer), (status, name.to_owned()), "{line} {body}");
    }
    client.ok("PUT /bkt/flexible", &[("x-amz-storage-class", "GLACIER")], "hello").await;
    client.world.lock().settings.s3.expedited_retrievals = false;
    let answer = client.send("POST /bkt/flexible?restore", &[], restore(1, "Expedited")).await;
    assert_eq!(code(&answer), (503, "GlacierExpeditedRetrievalNotAvailable".to_owned()));
    let days = "<RestoreRequest><Days>1</Days></RestoreRequest>";
    assert_eq!(client.ok("POST /bkt/cold?restore", &[], days).await.status, 202, "Standard");
}

/// Request line and headers; status and code of the answer.
type Said<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test(start_paused = true)]
async fn what_a_bucket_of_today_refuses_or_the_simulation_lacks_is_said() {
    let client = Client::new();
    let customer = "x-amz-server-side-encryption-customer-algorithm";
    let table: &[Said<'_>] = &[
        ("PUT /bkt/k", &[("x-amz-storage-class", "COLD")], 400, "InvalidStorageClass"),
        ("PUT /bkt/k", &[("x-amz-acl", "private")], 400, "AccessControlListNotSupported"),
        ("PUT /bkt/k", &[("x-amz-grant-read", "id=x")], 400, "AccessControlListNotSupported"),
        (
            "POST /bkt/k?uploads",
            &[("x-amz-acl", "public-read")],
            400,
            "AccessControlListNotSupported",
        ),
        (
            "PUT /bkt/k",
            &[("x-amz-acl", "private"), ("x-amz-grant-read", "id=x")],
            400,
            "InvalidRequest",
        ),
        ("PUT /bkt/k", &[(customer, "AES256")], 501, "NotImplemented"),
        ("GET /bkt/k", &[(customer, "AES256")], 501, "NotImplemented"),
        ("GET /bkt?lifecycle", &[], 404, "NoSuchLifecycleConfiguration"),
        ("PUT /bkt?lifecycle", &[], 400, "MalformedXML"),
    ];
    for (line, headers, status, name) in table {
        let answer = client.send(line, headers, "").await;
        assert_eq!(code(&answer), (*status, (*name).to_owned()), "{line} {headers:?}");
    }
    client.ok("PUT /bkt/k", &[("x-amz-acl", "bucket-owner-full-control")], "x").await;
    let rules = "<LifecycleConfiguration><Rule><ID>abort</ID><Status>Enabled</Status><Filter/>\
                 <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>";
    client.ok("PUT /bkt?lifecycle", &[], rules).await;
    assert_eq!(text(&client.ok("GET /bkt?lifecycle", &[], "").await), rules);
    client.ok("DELETE /bkt?lifecycle", &[], "").await;
    assert_eq!(client.send("GET /bkt?lifecycle", &[], "").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn racing_conditional_completions_conflict_inside_the_window_and_fail_after_it() {
    let client = Client::new();
    client.world.lock().settings.s3.conflict_window = Duration::from_secs(1);
    let once = [("if-none-match", "*")];
    let mut uploads = Vec::new();
    for _ in 0..3 {
        let id = client.upload("/bkt/m", &[]).await;
        let etag = client.part("/bkt/m", &id, 1, "x").await;
        uploads.push((format!("POST /bkt/m?uploadId={id}"), completion(&[(1, &etag)])));
    }
    let complete = async |at: usize| {
        let (line, body): &(String, String) = &uploads[at];
        client.send(line, &once, body.clone()).await
    };
    assert_eq!(complete(0).await.status, 200);
    assert_eq!(code(&complete(1).await), (409, "ConditionalRequestConflict".to_owned()));
    assert_eq!(
        code(&complete(1).await),
        (404, "NoSuchUpload".to_owned()),
        "the client must start a new upload"
    );
    client.world.clock().sleep(Duration::from_secs(1)).await;
    assert_eq!(code(&complete(2).await), (412, "PreconditionFailed".to_owned()));
    assert_eq!(code(&complete(2).await), (412, "PreconditionFailed".to_owned()), "it stays");
}

#[tokio::test(start_paused = true)]
async fn a_policy_can_demand_conditional_writes_without_stopping_parts() {
    let client = Client::new();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bkt/*",
        "Condition":{"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}}}]}"#;
    client.ok("PUT /bkt?policy", &[], policy).await;
    let once = [("if-none-match", "*")];
    assert_eq!(client.send("PUT /bkt/k", &[], "x").await.status, 403);
    client.ok("PUT /bkt/k", &once, "x").await;
    let id = client.upload("/bkt/m", &[]).await;
    let etag = client.part("/bkt/m", &id, 1, "x").await;
    assert_eq!(client.complete("/bkt/m", &id, &[(1, &etag)]).await.status, 403);
    let line = format!("POST /bkt/m?uploadId={id}");
    client.ok(&line, &once, completion(&[(1, &etag)])).await;
}

#[tokio::test(start_paused = true)]
async fn policies_see_region_version_and_storage_class_of_a_request() {
    let client = Client::new();
    for (action, condition, line, headers, allowed) in [
        (
            "s3:PutObject",
            r#""StringEquals":{"aws:RequestedRegion":"us-east-1"}"#,
            "PUT /bkt/k",
            &[][..],
            true,
        ),
        (
            "s3:PutObject",
            r#""StringEquals":{"aws:RequestedRegion":"us-west-2"}"#,
            "PUT /bkt/k",
            &[][..],
            false,
        ),
        (
            "s3:PutObject",
            r#""StringEquals":{"s3:x-amz-storage-class":"GLACIER"}"#,
            "PUT /bkt/k",
            &[("x-amz-storage-class", "GLACIER")][..],
            true,
        ),
        (
            "s3:PutObject",
            r#""StringEquals":{"s3:x-amz-storage-class":"GLACIER"}"#,
            "PUT /bkt/k",
            &[][..],
            false,
        ),
        (
            "s3:PutObject",
            r#""NumericLessThan":{"s3:TlsVersion":"1.2"}"#,
            "PUT /bkt/k",
            &[][..],
            false,
        ),
        (
            "s3:PutObject",
            r#""StringLike":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:role/*"}"#,
            "PUT /bkt/k",
            &[][..],
            true,
        ),
    ] {
        let permissions = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*","Condition":{{{condition}}}}}}}"#
        );
        let answer = client.as_worker(OWNER, &permissions).send(line, headers, "x").await;
        assert_eq!(answer.status == 200, allowed, "{condition} {headers:?}: {}", text(&answer));
    }
}

#[tokio::test(start_paused = true)]
async fn suspended_versioning_replaces_only_the_null_version() {
    let client = Client::new();
    client.ok("PUT /bkt/k", &[], "kept").await;
    let suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    client.ok("PUT /bkt?versioning", &[], suspended).await;
    for body in ["first", "second"] {
        let answer = client.ok("PUT /bkt/k", &[], body).await;
        assert!(!answer.headers.contains_key("x-amz-version-id"));
    }
    let versions =
        |client: &Client| client.world.lock().s3.bucket("bkt").unwrap().versions("k").len();
    assert_eq!(versions(&client), 2, "the old version and null");
    assert_eq!(text(&client.ok("GET /bkt/k?versionId=null", &[], "").await), "second");
    let marker = client.ok("DELETE /bkt/k", &[], "").await;
    assert_eq!(header(&marker, "x-amz-delete-marker"), "true");
    assert_eq!(versions(&client), 2, "the marker took the place of null");
    assert_eq!(client.send("GET /bkt/k", &[], "").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn pages_of_uploads_and_parts_hold_each_once() {
    let client = Client::new();
    let mut ids = Vec::new();
    for key in ["a", "b", "b", "c"] {
        ids.push(client.upload(&format!("/bkt/{key}"), &[]).await);
    }
    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let line = format!("GET /bkt?uploads&max-uploads=1{marker}");
        let page = element(&client.ok(&line, &[], "").await, "ListMultipartUploadsResult");
        seen.extend(
            page.all("Upload").map(|upload| upload.text_of("UploadId").unwrap().to_owned()),
        );
        let next = (page.text_of("NextKeyMarker"), page.text_of("NextUploadIdMarker"));
        let (Some(key), Some(id)) = next else { break };
        marker = format!("&key-marker={key}&upload-id-marker={id}");
    }
    assert_eq!(seen, ids);
    for number in [1, 3, 7] {
        client.part("/bkt/a", &ids[0], number, "x").await;
    }
    let (mut seen, mut marker) = (Vec::new(), "0".to_owned());
    loop {
        let line =
            format!("GET /bkt/a?uploadId={}&max-parts=2&part-number-marker={marker}", ids[0]);
        let page = element(&client.ok(&line, &[], "").await, "ListPartsResult");
        seen.extend(page.all("Part").map(|part| part.text_of("PartNumber").unwrap().to_owned()));
        let Some(next) = page.text_of("NextPartNumberMarker") else { break };
        marker = next.to_owned();
    }
    assert_eq!(seen, ["1", "3", "7"]);
}

#[tokio::test(start_paused = true)]
async fn a_presigned_url_works_with_its_token_until_it_expires() {
    let client = Client::new();
    client.ok("PUT /bkt/k", &[], "hello").await;
    let all = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let worker = client.as_worker(OWNER, all);
    let url = |token: &str| {
        format!(
            "/bkt/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F20260501%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260501T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0{token}",
            worker.access_key
        )
    };
    let get = async |uri: String| {
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        wire::answer(&client.world, HttpRequest::get(uri).body(body).unwrap()).await
    };
    let token = format!("&X-Amz-Security-Token={}", worker.token.as_deref().unwrap());
    assert_eq!(text(&get(url(&token)).await), "hello");
    assert_eq!(code(&get(url("")).await), (403, "InvalidAccessKeyId".to_owned()));
    client.world.clock().sleep(Duration::from_secs(61)).await;
    let late = get(url(&token)).await;
    assert!(text(&late).contains("Request has expired"), "{}", text(&late));
    let old = get("/bkt/k?AWSAccessKeyId=a&Signature=s&Expires=9999999999".to_owned()).await;
    assert_eq!(code(&old), (400, "InvalidRequest".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_head_tells_missing_from_forbidden_only_to_who_may_list() {
    let client = Client::new();
    client.ok("PUT /bkt/k", &[], "x").await;
    for (actions, present, missing) in [
        (r#""s3:GetObject","s3:ListBucket""#, 200, 404),
        (r#""s3:GetObject""#, 200, 403),
        (r#""s3:ListBucket""#, 403, 403),
    ] {
        let permissions =
            format!(r#"{{"Statement":{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}}}"#);
        let worker = client.as_worker(OWNER, &permissions);
        for (line, status) in [("HEAD /bkt/k", present), ("HEAD /bkt/none", missing)] {
            let answer = worker.send(line, &[], "").await;
            assert_eq!((answer.status, answer.body.len()), (status, 0), "{line} {actions}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_takes_notifications_only_if_it_exists_and_lets_s3_send() {
    let client = Client::new();
    let arn = format!("arn:aws:sqs:us-east-1:{OWNER}:heard");
    let configuration = format!(
        "<NotificationConfiguration><QueueConfiguration><Id>c</Id><Queue>{arn}</Queue>\
         <Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>"
    );
    let send = |bucket: &str| {
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"sqs:SendMessage","Resource":"*","Condition":{{"ArnLike":{{"aws:SourceArn":"arn:aws:s3:::{bucket}"}},"StringEquals":{{"aws:SourceAccount":"{OWNER}"}}}}}}}}"#
        )
    };
    for (policy, accepted) in [
        (None, false),
        (Some(None), false),
        (Some(Some(send("other"))), false),
        (Some(Some(send("bkt"))), true),
    ] {
        if let Some(policy) = policy {
            let spec = QueueSpec { policy, ..QueueSpec::named("heard") };
            let (now, owner) = (client.world.now(), OWNER.parse().unwrap());
            let region = "us-east-1".parse().unwrap();
            sqs::create_queue(&mut client.world.lock(), now, &owner, &region, &spec).unwrap();
        }
        let answer = client.send("PUT /bkt?notification", &[], configuration.clone()).await;
        assert_eq!(answer.status == 200, accepted, "{}", text(&answer));
    }
    let heard = || sqs::depth(&client.world.lock(), &arn.parse().unwrap());
    client.ok("PUT /bkt/k", &[], "x").await;
    client.world.clock().sleep(Duration::from_secs(5)).await;
    assert_eq!(heard(), 2, "the test message and the event");
    let (now, owner) = (client.world.now(), OWNER.parse().unwrap());
    let closed = QueueSpec::named("heard");
    let region = "us-east-1".parse().unwrap();
    sqs::create_queue(&mut client.world.lock(), now, &owner, &region, &closed).unwrap();
    client.ok("PUT /bkt/k", &[], "x").await;
    client.world.clock().sleep(Duration::from_secs(5)).await;
    assert_eq!(heard(), 2, "a policy that was taken away loses events");
}

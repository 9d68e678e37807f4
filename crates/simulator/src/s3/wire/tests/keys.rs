//! Objects under KMS keys: who may read and write them, and which words refuse the others.

use amiferry_core::ids::Arn;

use super::*;
use crate::kms::{self, KeySpec, KeyState};

/// A role's permissions: everything in S3, and these operations of KMS.
fn permissions(operations: &[&str]) -> String {
    let operations: Vec<String> = operations.iter().map(|name| format!("\"kms:{name}\"")).collect();
    let s3 = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    if operations.is_empty() {
        return format!(r#"{{"Version":"2012-10-17","Statement":[{s3}]}}"#);
    }
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{s3},{{"Effect":"Allow","Action":[{}],"Resource":"*"}}]}}"#,
        operations.join(",")
    )
}

fn key(client: &Client, policy: Option<String>) -> Arn {
    let (account, region) = (OWNER.parse().unwrap(), "us-east-1".parse().unwrap());
    let spec = KeySpec { policy, ..KeySpec::default() };
    let now = client.world.now();
    kms::create_key(&mut client.world.lock(), now, &account, &region, &spec).unwrap()
}

fn secret_bucket(client: &Client, key: &Arn) {
    client.make("secret", |spec| spec.encryption = Encryption::Kms(key.clone()));
}

/// Request line and headers; the operations of KMS that it needs.
type Needs<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

#[tokio::test(start_paused = true)]
async fn every_call_on_encrypted_objects_needs_the_key_operations_that_s3_documents() {
    let client = Client::new();
    secret_bucket(&client, &key(&client, None));
    client.ok("PUT /secret/k", &[], "hello").await;
    client.ok("PUT /bkt/plain", &[], "hello").await;
    let copy: &[(&str, &str)] = &[("x-amz-copy-source", "secret/k")];
    let into: &[(&str, &str)] = &[("x-amz-copy-source", "bkt/plain")];
    let mode: &[(&str, &str)] = &[("x-amz-checksum-mode", "ENABLED")];
    let checksum: &[(&str, &str)] = &[("x-amz-object-attributes", "Checksum")];
    let size: &[(&str, &str)] = &[("x-amz-object-attributes", "ObjectSize")];
    let table: &[Needs<'_>] = &[
        ("GET /secret/k", &[], &["Decrypt"]),
        ("HEAD /secret/k", &[], &[]),
        ("HEAD /secret/k", mode, &["Decrypt"]),
        ("GET /secret/k?attributes", checksum, &["Decrypt"]),
        ("GET /secret/k?attributes", size, &[]),
        ("PUT /secret/new", &[], &["GenerateDataKey"]),
        ("PUT /bkt/copy", copy, &["Decrypt"]),
        ("PUT /secret/copy", into, &["GenerateDataKey"]),
        ("PUT /secret/twin", copy, &["Decrypt", "GenerateDataKey"]),
        ("POST /secret/m?uploads", &[], &["GenerateDataKey"]),
        ("GET /bkt/plain", &[], &[]),
    ];
    for (line, headers, needed) in table {
        let worker = client.as_worker(OWNER, &permissions(needed));
        let answer = worker.send(line, headers, "").await;
        assert!(answer.status < 300, "{line} with {needed:?}: {}", text(&answer));
        for missing in *needed {
            let rest: Vec<&str> = needed.iter().copied().filter(|name| name != missing).collect();
            let worker = client.as_worker(OWNER, &permissions(&rest));
            let answer = worker.send(line, headers, "").await;
            assert_eq!(answer.status, 403, "{line} with {rest:?}");
            if !line.starts_with("HEAD") {
                let words = text(&answer);
                assert!(words.contains(&format!("perform: kms:{missing} on")), "{words}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn parts_of_an_encrypted_upload_need_both_key_operations() {
    let client = Client::new();
    secret_bucket(&client, &key(&client, None));
    client.ok("PUT /bkt/plain", &[], "hello").await;
    let id = client.upload("/secret/m", &[]).await;
    let line = format!("PUT /secret/m?partNumber=1&uploadId={id}");
    let copy = [("x-amz-copy-source", "bkt/plain")];
    for (operations, status) in [
        (&["GenerateDataKey"][..], 403),
        (&["Decrypt"][..], 403),
        (&["Decrypt", "GenerateDataKey"][..], 200),
    ] {
        let worker = client.as_worker(OWNER, &permissions(operations));
        for headers in [&[][..], &copy[..]] {
            let answer = worker.send(&line, headers, "x").await;
            assert_eq!(answer.status, status, "{operations:?} {headers:?} {}", text(&answer));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_reader_needs_the_key_policy_and_its_own() {
    for (key_names_reader, own_policy, status) in
        [(true, &["Decrypt"][..], 200), (true, &[][..], 403), (false, &["Decrypt"][..], 403)]
    {
        let client = Client::new();
        let account = if key_names_reader { OTHER } else { "333333333333" };
        let policy = format!(
            r#"{{"Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{OWNER}:root"}},"Action":"kms:*","Resource":"*"}},
                {{"Effect":"Allow","Principal":{{"AWS":"{account}"}},"Action":"kms:Decrypt","Resource":"*",
                  "Condition":{{"StringEquals":{{"kms:ViaService":"s3.us-east-1.amazonaws.com","kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::secret/k"}}}}}}]}}"#
        );
        secret_bucket(&client, &key(&client, Some(policy)));
        let open = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::secret/*"}}"#;
        client.ok("PUT /secret?policy", &[], open).await;
        client.ok("PUT /secret/k", &[], "hello").await;
        let reader = client.as_worker(OTHER, &permissions(own_policy));
        let answer = reader.send("GET /secret/k", &[], "").await;
        assert_eq!(answer.status, status, "{key_names_reader} {own_policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_used_is_named_by_its_state() {
    let client = Client::new();
    let key = key(&client, None);
    secret_bucket(&client, &key);
    client.ok("PUT /secret/k", &[], "hello").await;
    for (state, expected) in [
        (KeyState::Disabled, "KMS.DisabledException"),
        (KeyState::PendingDeletion, "KMS.KMSInvalidStateException"),
    ] {
        kms::set_key_state(&mut client.world.lock(), &key, state).unwrap();
        for line in ["GET /secret/k", "PUT /secret/k"] {
            let answer = client.send(line, &[], "").await;
            assert_eq!(code(&answer), (400, expected.to_owned()), "{line}");
        }
        client.ok("HEAD /secret/k", &[], "").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_opens_the_objects_of_its_constraint_once_it_has_settled() {
    let client = Client::new();
    client.world.lock().settings.kms.grant_delay = 60;
    let key = key(&client, None);
    secret_bucket(&client, &key);
    for name in ["k", "other"] {
        client.ok(&format!("PUT /secret/{name}"), &[], "hello").await;
    }
    let worker = client.as_worker(OWNER, &permissions(&[]));
    let grant = serde_json::json!({
        "KeyId": key,
        "GranteePrincipal": format!("arn:aws:iam::{OWNER}:role/worker"),
        "Operations": ["Decrypt"],
        "Constraints": {"EncryptionContextSubset": {"aws:s3:arn": "arn:aws:s3:::secret/k"}},
    });
    crate::testing::json(&client.world, OWNER, "kms", "CreateGrant", grant).await.ok();
    // S3 has no parameter for a grant's token, so no client can shorten the wait.
    assert_eq!(worker.send("GET /secret/k", &[], "").await.status, 403);
    client.world.clock().sleep(Duration::from_secs(60)).await;
    assert_eq!(worker.send("GET /secret/k", &[], "").await.status, 200);
    assert_eq!(worker.send("GET /secret/other", &[], "").await.status, 403);
}

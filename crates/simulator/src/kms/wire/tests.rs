//! KMS through the wire.

use amiferry_core::ids::Arn;
use serde_json::{Value, json};

use crate::iam::{RoleSpec, create_role};
use crate::kms::{self, KeySpec, KeyState};
use crate::principal::Principal;
use crate::testing::{
    ACCOUNT, OTHER, REGION, Reply, call as raw_call, json as call_json, pass, world, world_with,
};
use crate::{Settings, World, sts};

const CRYPTO: [&str; 3] = ["Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"];

fn key(world: &World, spec: &KeySpec) -> Arn {
    let (account, region) = (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
    let now = world.now();
    kms::create_key(&mut world.lock(), now, &account, &region, spec).unwrap()
}

async fn ask(world: &World, account: &str, operation: &str, body: Value) -> Reply {
    call_json(world, account, "kms", operation, body).await
}

fn code(reply: &Reply) -> String {
    if reply.status == 200 {
        return "ok".to_owned();
    }
    let code = reply.json()["__type"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("x-amzn-errortype"), code);
    code
}

/// A request of `operation` that is complete but for permissions.
fn body(operation: &str, key: &str) -> Value {
    match operation {
        "Encrypt" => json!({"KeyId": key, "Plaintext": "AAAA", "DryRun": true}),
        "Decrypt" => {
            json!({"KeyId": key, "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]})
        }
        "ReEncrypt" => {
            json!({"SourceKeyId": key, "DestinationKeyId": key, "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]})
        }
        "CreateGrant" => {
            json!({"KeyId": key, "GranteePrincipal": "arn:aws:iam::222222222222:root", "Operations": ["Decrypt"], "DryRun": true})
        }
        "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext" => {
            json!({"KeyId": key, "KeySpec": "AES_256", "DryRun": true})
        }
        _ => json!({"KeyId": key}),
    }
}

#[tokio::test(start_paused = true)]
async fn each_state_lets_through_what_kms_says() {
    let world = world();
    let arn = key(&world, &KeySpec::default());
    let (dry, state_error) = ("DryRunOperationException", "KMSInvalidStateException");
    for (state, crypto, grant) in [
        (KeyState::Enabled, dry, dry),
        (KeyState::Updating, dry, dry),
        (KeyState::Disabled, "DisabledException", "DisabledException"),
        (KeyState::PendingDeletion, state_error, state_error),
        (KeyState::PendingReplicaDeletion, state_error, state_error),
        (KeyState::PendingImport, state_error, state_error),
        (KeyState::Unavailable, state_error, dry),
        (KeyState::Creating, state_error, state_error),
    ] {
        kms::set_key_state(&mut world.lock(), &arn, state).unwrap();
        for operation in CRYPTO.into_iter().chain(["Decrypt", "ReEncrypt"]) {
            let reply = ask(&world, ACCOUNT, operation, body(operation, arn.as_str())).await;
            assert_eq!(code(&reply), crypto, "{operation} of a key that is {state}");
        }
        let reply = ask(&world, ACCOUNT, "CreateGrant", body("CreateGrant", arn.as_str())).await;
        assert_eq!(code(&reply), grant, "CreateGrant on a key that is {state}");
        let shown = ask(&world, ACCOUNT, "DescribeKey", json!({"KeyId": arn})).await.ok();
        assert_eq!(shown["KeyMetadata"]["KeyState"], state.to_string());
        ask(&world, ACCOUNT, "ListGrants", json!({"KeyId": arn})).await.ok();
        assert_eq!(kms::usable(&world.lock(), &arn).is_ok(), crypto == dry, "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_found_by_id_arn_and_alias() {
    let world = world();
    let spec = KeySpec { alias: Some("alias/vault".to_owned()), ..KeySpec::default() };
    let arn = key(&world, &spec);
    let id = arn.resource().trim_start_matches("key/").to_owned();
    let alias = format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/vault");
    for name in [arn.as_str(), &id, "alias/vault", &alias] {
        let shown = ask(&world, ACCOUNT, "DescribeKey", json!({"KeyId": name})).await.ok();
        assert_eq!(shown["KeyMetadata"]["Arn"], arn.as_str(), "{name}");
    }
    assert_eq!(kms::usable(&world.lock(), &alias.parse().unwrap()), Ok(()));
    for (name, expected) in [
        ("alias/none", "NotFoundException"),
        ("00000000-0000-4000-8000-000000000000", "NotFoundException"),
        ("arn:aws:kms:eu-west-1:111111111111:key/x", "NotFoundException"),
        ("arn:aws:s3:::bucket", "InvalidArnException"),
        ("", "NotFoundException"),
    ] {
        let reply = ask(&world, ACCOUNT, "DescribeKey", json!({"KeyId": name})).await;
        assert_eq!(code(&reply), expected, "{name}");
    }
    let by_alias = ask(&world, ACCOUNT, "ListGrants", json!({"KeyId": "alias/vault"})).await;
    assert_eq!(code(&by_alias), "NotFoundException", "ListGrants takes no alias");
    let aliases = ask(&world, ACCOUNT, "ListAliases", json!({"KeyId": id})).await.ok();
    assert_eq!(aliases["Aliases"][0]["AliasArn"], alias);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_service_can_be_looked_at_but_not_used_directly() {
    let world = world();
    let name = "alias/aws/ebs";
    let shown = ask(&world, ACCOUNT, "DescribeKey", json!({"KeyId": name})).await.ok();
    assert_eq!(shown["KeyMetadata"]["KeyManager"], "AWS");
    let again = ask(&world, ACCOUNT, "DescribeKey", json!({"KeyId": name})).await.ok();
    assert_eq!(shown, again, "it is made once");
    for operation in CRYPTO.into_iter().chain(["Decrypt", "DisableKey"]) {
        let arn = shown["KeyMetadata"]["Arn"].as_str().unwrap();
        let reply = ask(&world, ACCOUNT, operation, body(operation, arn)).await;
        assert_eq!(code(&reply), "AccessDeniedException", "{operation}");
    }
    let arn = shown["KeyMetadata"]["Arn"].clone();
    let reply = ask(&world, OTHER, "DescribeKey", json!({"KeyId": arn})).await;
    assert_eq!(code(&reply), "AccessDeniedException");
}

#[tokio::test(start_paused = true)]
async fn the_textbook_sharing_policy_allows_use_and_refuses_direct_grant_calls() {
    let world = world();
    let policy = r#"{"Version":"2012-10-17","Statement":[
      {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"kms:*","Resource":"*"},
      {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":["kms:DescribeKey","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*"],"Resource":"*"},
      {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":["kms:CreateGrant","kms:ListGrants","kms:RevokeGrant"],"Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":true}}}]}"#;
    let shared = key(&world, &KeySpec { policy: Some(policy.to_owned()), ..KeySpec::default() });
    let private = key(&world, &KeySpec::default());
    for (operation, expected) in [
        ("DescribeKey", "ok"),
        ("Decrypt", "DryRunOperationException"),
        ("ReEncrypt", "DryRunOperationException"),
        ("GenerateDataKeyWithoutPlaintext", "DryRunOperationException"),
        ("Encrypt", "AccessDeniedException"),
        ("ListGrants", "AccessDeniedException"),
        ("CreateGrant", "AccessDeniedException"),
        ("GetKeyPolicy", "AccessDeniedException"),
    ] {
        let reply = ask(&world, OTHER, operation, body(operation, shared.as_str())).await;
        assert_eq!(code(&reply), expected, "{operation}: {}", reply.text);
        let reply = ask(&world, OTHER, operation, body(operation, private.as_str())).await;
        assert_eq!(code(&reply), "AccessDeniedException", "{operation} on a key not shared");
    }
    let absent = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/none");
    let reply = ask(&world, OTHER, "DescribeKey", json!({"KeyId": absent})).await;
    assert_eq!(code(&reply), "AccessDeniedException", "whether it exists is not told");
}

#[tokio::test(start_paused = true)]
async fn grants_are_named_paged_filtered_and_ended() {
    let world = world();
    let arn = key(&world, &KeySpec::default());
    let grant = |name: &str, operations: Value| json!({"KeyId": arn, "Name": name, "GranteePrincipal": "arn:aws:iam::222222222222:root", "Operations": operations});
    let first = ask(&world, ACCOUNT, "CreateGrant", grant("a", json!(["Decrypt"]))).await.ok();
    let again = ask(&world, ACCOUNT, "CreateGrant", grant("a", json!(["Decrypt"]))).await.ok();
    assert_eq!(first["GrantId"], again["GrantId"]);
    assert_ne!(first["GrantToken"], again["GrantToken"]);
    let other = ask(&world, ACCOUNT, "CreateGrant", grant("a", json!(["Encrypt"]))).await.ok();
    assert_ne!(first["GrantId"], other["GrantId"]);
    let page = ask(&world, ACCOUNT, "ListGrants", json!({"KeyId": arn, "Limit": 1})).await.ok();
    assert_eq!(
        (page["Truncated"].clone(), page["Grants"].as_array().unwrap().len()),
        (json!(true), 1)
    );
    let next = json!({"KeyId": arn, "Limit": 1, "Marker": page["NextMarker"]});
    let last = ask(&world, ACCOUNT, "ListGrants", next).await.ok();
    assert_eq!(last["Truncated"], false);
    assert_ne!(last["Grants"][0]["GrantId"], page["Grants"][0]["GrantId"]);
    for (filter, count) in [
        (json!({"KeyId": arn, "GrantId": first["GrantId"]}), 1),
        (json!({"KeyId": arn, "GranteePrincipal": "arn:aws:iam::222222222222:root"}), 2),
        (json!({"KeyId": arn, "GranteePrincipal": "arn:aws:iam::333333333333:root"}), 0),
    ] {
        let found = ask(&world, ACCOUNT, "ListGrants", filter.clone()).await.ok();
        assert_eq!(found["Grants"].as_array().unwrap().len(), count, "{filter}");
    }
    let end = json!({"KeyId": arn, "GrantId": first["GrantId"]});
    assert_eq!(ask(&world, ACCOUNT, "RevokeGrant", end.clone()).await.status, 200);
    assert_eq!(code(&ask(&world, ACCOUNT, "RevokeGrant", end).await), "NotFoundException");
    for wrong in [json!({"KeyId": arn, "Limit": 101}), json!({"KeyId": arn, "Limit": 0})] {
        assert_eq!(code(&ask(&world, ACCOUNT, "ListGrants", wrong).await), "ValidationException");
    }
    let wrong = grant("b", json!(["Sign"]));
    assert_eq!(code(&ask(&world, ACCOUNT, "CreateGrant", wrong).await), "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn a_grant_to_a_service_names_what_it_is_for_and_who_ends_it() {
    let world = world();
    let arn = key(&world, &KeySpec::default());
    let grant = json!({
        "KeyId": arn,
        "GranteeServicePrincipal": "ec2.amazonaws.com",
        "RetiringPrincipal": "arn:aws:iam::222222222222:root",
        "Constraints": {"SourceArn": "arn:aws:ec2:us-west-2:222222222222:volume/*"},
        "Operations": ["Decrypt"],
    });
    let without = |field: &str, value: Value| {
        let mut grant = grant.clone();
        grant[field] = value;
        grant
    };
    for (wrong, expected) in [
        (without("Constraints", json!({})), "ValidationException"),
        (without("RetiringPrincipal", Value::Null), "ValidationException"),
        (without("GranteeServicePrincipal", Value::Null), "ValidationException"),
        (without("GranteeServicePrincipal", json!("ec2.evil.example")), "ValidationException"),
        (without("GranteePrincipal", json!("arn:aws:iam::1:root")), "ValidationException"),
    ] {
        assert_eq!(code(&ask(&world, ACCOUNT, "CreateGrant", wrong.clone()).await), expected);
    }
    ask(&world, ACCOUNT, "CreateGrant", grant.clone()).await.ok();
    for (field, name, count) in [
        ("GranteeServicePrincipal", "ec2.amazonaws.com", 1),
        ("GranteeServicePrincipal", "rds.amazonaws.com", 0),
        ("GranteePrincipal", "arn:aws:iam::222222222222:root", 0),
    ] {
        let found =
            ask(&world, ACCOUNT, "ListGrants", json!({"KeyId": arn, field: name})).await.ok();
        assert_eq!(found["Grants"].as_array().unwrap().len(), count, "{field} {name}");
    }
    let listed = ask(&world, ACCOUNT, "ListGrants", json!({"KeyId": arn})).await.ok();
    let entry = &listed["Grants"][0];
    assert_eq!(entry["GranteeServicePrincipal"], grant["GranteeServicePrincipal"]);
    assert_eq!(entry["Constraints"], grant["Constraints"]);
    assert_eq!(entry["GranteePrincipal"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_grant_allows_its_grantee_at_once_with_the_token_and_later_without() {
    let settings = Settings {
        kms: kms::Settings { grant_delay: 300, ..kms::Settings::default() },
        ..Settings::default()
    };
    let world = world_with(settings);
    let arn = key(&world, &KeySpec::default());
    let (account, now) = (ACCOUNT.parse().unwrap(), world.now());
    let role = RoleSpec {
        name: "worker",
        trust_json: r#"{"Statement":[]}"#,
        permissions_json: r#"{"Statement":[]}"#,
        max_session: 3600,
    };
    let role = create_role(&mut world.lock(), &account, &role).unwrap();
    let principal = Principal::session(account, "worker", "s", jiff::Timestamp::MAX);
    let session = sts::issue(&mut world.lock(), now, principal);
    let describe = async |tokens: Value| {
        let headers = [
            ("x-amz-target", "TrentService.DescribeKey"),
            ("x-amz-security-token", session.token.as_str()),
        ];
        let body = json!({"KeyId": arn, "GrantTokens": tokens}).to_string();
        code(&raw_call(&world, &session.access_key, "kms", &headers, &body).await)
    };
    assert_eq!(describe(json!([])).await, "AccessDeniedException");
    let request = json!({"KeyId": arn, "GranteePrincipal": role, "Operations": ["DescribeKey"]});
    let grant = ask(&world, ACCOUNT, "CreateGrant", request).await.ok();
    assert_eq!(describe(json!([])).await, "AccessDeniedException");
    assert_eq!(describe(json!(["junk"])).await, "InvalidGrantTokenException");
    assert_eq!(describe(json!([grant["GrantToken"]])).await, "ok");
    pass(&world, 300).await;
    assert_eq!(describe(json!([])).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn what_was_encrypted_opens_under_its_key_and_context_only() {
    let world = world();
    let arn = key(&world, &KeySpec::default());
    let other = key(&world, &KeySpec::default());
    let context = json!({"aws:ebs:id": "vol-1"});
    let sealed = ask(
        &world,
        ACCOUNT,
        "Encrypt",
        json!({"KeyId": arn, "Plaintext": "AAEC", "EncryptionContext": context}),
    )
    .await
    .ok();
    let blob = sealed["CiphertextBlob"].clone();
    for (request, expected) in [
        (json!({"CiphertextBlob": blob, "EncryptionContext": context}), "ok"),
        (json!({"CiphertextBlob": blob}), "InvalidCiphertextException"),
        (
            json!({"CiphertextBlob": blob, "EncryptionContext": context, "KeyId": other}),
            "IncorrectKeyException",
        ),
        (
            json!({"CiphertextBlob": "AAAA", "EncryptionContext": context}),
            "InvalidCiphertextException",
        ),
        (
            json!({"CiphertextBlob": blob, "EncryptionContext": context, "DryRun": true}),
            "DryRunOperationException",
        ),
        (json!({"KeyId": arn}), "ValidationException"),
        (json!({"KeyId": arn, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}), "ValidationException"),
    ] {
        let reply = ask(&world, ACCOUNT, "Decrypt", request.clone()).await;
        assert_eq!(code(&reply), expected, "{request}");
        if expected == "ok" {
            assert_eq!(reply.json()["Plaintext"], "AAEC");
        }
    }
    let moved = ask(&world, ACCOUNT, "ReEncrypt", json!({"CiphertextBlob": blob, "SourceEncryptionContext": context, "DestinationKeyId": other})).await.ok();
    let opened =
        ask(&world, ACCOUNT, "Decrypt", json!({"CiphertextBlob": moved["CiphertextBlob"]}))
            .await
            .ok();
    assert_eq!(
        (opened["KeyId"].as_str(), opened["Plaintext"].as_str()),
        (Some(other.as_str()), Some("AAEC"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_deletion_can_be_cancelled_until_the_key_is_gone() {
    let world = world();
    let arn = key(&world, &KeySpec::default());
    let schedule = json!({"KeyId": arn, "PendingWindowInDays": 7});
    ask(&world, ACCOUNT, "ScheduleKeyDeletion", schedule.clone()).await.ok();
    let twice = ask(&world, ACCOUNT, "ScheduleKeyDeletion", schedule.clone()).await;
    assert_eq!(code(&twice), "KMSInvalidStateException");
    let enable = ask(&world, ACCOUNT, "EnableKey", json!({"KeyId": arn})).await;
    assert_eq!(code(&enable), "KMSInvalidStateException");
    ask(&world, ACCOUNT, "CancelKeyDeletion", json!({"KeyId": arn})).await.ok();
    let shown = ask(&world, ACCOUNT, "DescribeKey", json!({"KeyId": arn})).await.ok();
    assert_eq!(shown["KeyMetadata"]["KeyState"], "Disabled");
    assert_eq!(ask(&world, ACCOUNT, "EnableKey", json!({"KeyId": arn})).await.status, 200);
    ask(&world, ACCOUNT, "ScheduleKeyDeletion", schedule).await.ok();
    pass(&world, 7 * 86_400).await;
    let gone = ask(&world, ACCOUNT, "DescribeKey", json!({"KeyId": arn})).await;
    assert_eq!(code(&gone), "NotFoundException");
}

//! STS through the wire, and what the other services say to its credentials.

use crate::World;
use crate::iam::{RoleSpec, create_role};
use crate::sts;
use crate::testing::{ACCOUNT, OTHER, Reply, call, pass, world};

const ROLE: &str = "arn:aws:iam::111111111111:role/reader";
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::222222222222:root","arn:aws:iam::111111111111:root"]},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret"}}}}"#;

fn world_with_role() -> World {
    let world = world();
    let role =
        RoleSpec { name: "reader", trust_json: TRUST, permissions_json: ALL, max_session: 7200 };
    create_role(&mut world.lock(), &ACCOUNT.parse().unwrap(), &role).unwrap();
    world
}

async fn ask(
    world: &World,
    key: &str,
    headers: &[(&str, &str)],
    parameters: &[(&str, &str)],
) -> Reply {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters).append_pair("Version", "2011-06-15");
    call(world, key, "sts", headers, &form.finish()).await
}

async fn assume(world: &World, key: &str, more: &[(&str, &str)]) -> Reply {
    let mut parameters =
        vec![("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "s1")];
    if !more.iter().any(|(name, _)| *name == "ExternalId") {
        parameters.push(("ExternalId", "secret"));
    }
    parameters.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    parameters.extend_from_slice(more);
    ask(world, key, &[], &parameters).await
}

fn keys(reply: &Reply) -> (String, String) {
    assert_eq!(reply.status, 200, "{}", reply.text);
    (reply.element("AccessKeyId").unwrap(), reply.element("SessionToken").unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_session_is_who_it_says_until_it_expires() {
    let world = world_with_role();
    let reply = assume(&world, OTHER, &[("DurationSeconds", "900")]).await;
    let session_arn = "arn:aws:sts::111111111111:assumed-role/reader/s1";
    assert_eq!(reply.element("Arn").as_deref(), Some(session_arn));
    assert_eq!(reply.element("Expiration").as_deref(), Some("2026-01-01T00:15:00Z"));
    let (key, token) = keys(&reply);
    let token = [("x-amz-security-token", token.as_str())];
    let who = [("Action", "GetCallerIdentity")];
    let identity = ask(&world, &key, &token, &who).await;
    assert_eq!(identity.element("Arn").as_deref(), Some(session_arn));
    assert_eq!(identity.element("UserId"), reply.element("AssumedRoleId"));
    assert_eq!(identity.element("Account").as_deref(), Some(ACCOUNT));
    assert_eq!(ask(&world, &key, &[], &who).await.status, 403, "the token must be there");
    pass(&world, 900).await;
    assert_eq!(
        ask(&world, &key, &token, &who).await.element("Code").as_deref(),
        Some("ExpiredToken")
    );
}

#[tokio::test(start_paused = true)]
async fn each_service_has_its_own_words_for_bad_credentials() {
    let world = world_with_role();
    let reply = assume(&world, OTHER, &[]).await;
    let (key, token) = keys(&reply);
    let token = [("x-amz-security-token", token.as_str())];
    for (service, status, code) in [
        ("s3", 403, "InvalidAccessKeyId"),
        ("ec2", 401, "AuthFailure"),
        ("sts", 403, "InvalidClientTokenId"),
        ("sqs", 403, "InvalidClientTokenId"),
        ("kms", 403, "InvalidClientTokenId"),
    ] {
        let reply = call(&world, "AKIAUNKNOWN", service, &[], "").await;
        assert_eq!(reply.status, status, "{service}");
        assert!(reply.text.contains(code), "{service}: {}", reply.text);
    }
    sts::revoke_sessions(&mut world.lock(), &ROLE.parse().unwrap());
    for (service, status, code) in [
        ("s3", 403, "AccessDenied"),
        ("ec2", 403, "UnauthorizedOperation"),
        ("sts", 403, "AccessDenied"),
        ("sqs", 400, "AccessDeniedException"),
        ("kms", 400, "AccessDeniedException"),
    ] {
        let reply = call(&world, &key, service, &token, "").await;
        assert_eq!(reply.status, status, "{service}");
        assert!(reply.text.contains(code), "{service}: {}", reply.text);
    }
    let now = world.now();
    sts::expire_sessions(&mut world.lock(), &ROLE.parse().unwrap(), now);
    for (service, status, code) in [
        ("s3", 400, "ExpiredToken"),
        ("ec2", 400, "RequestExpired"),
        ("sts", 403, "ExpiredToken"),
        ("sqs", 400, "ExpiredTokenException"),
        ("kms", 400, "ExpiredTokenException"),
    ] {
        let reply = call(&world, &key, service, &token, "").await;
        assert_eq!(reply.status, status, "{service}");
        assert!(reply.text.contains(code), "{service}: {}", reply.text);
    }
    assert_eq!(assume(&world, OTHER, &[]).await.status, 200, "later sessions work");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_checked_before_anything_else() {
    let world = world_with_role();
    for (parameter, status, code) in [
        (("RoleArn", "reader"), 400, "ValidationError"),
        (("RoleArn", "arn:aws:iam::111111111111:user/x"), 400, "ValidationError"),
        (("RoleSessionName", "x"), 400, "ValidationError"),
        (("RoleSessionName", "with space"), 400, "ValidationError"),
        (("ExternalId", "x"), 400, "ValidationError"),
        (("DurationSeconds", "899"), 400, "ValidationError"),
        (("DurationSeconds", "43201"), 400, "ValidationError"),
        (("DurationSeconds", "7201"), 400, "ValidationError"),
        (("Policy", "{"), 400, "MalformedPolicyDocument"),
        (("Policy", &" ".repeat(2049)), 400, "PackedPolicyTooLarge"),
        (("Tags.member.1.Key", "k"), 501, "NotImplemented"),
        (("ExternalId", "wrong"), 403, "AccessDenied"),
        (("RoleArn", "arn:aws:iam::111111111111:role/absent"), 403, "AccessDenied"),
    ] {
        let reply = assume(&world, OTHER, &[parameter]).await;
        assert_eq!(reply.status, status, "{parameter:?}: {}", reply.text);
        assert_eq!(reply.element("Code").as_deref(), Some(code), "{parameter:?}");
    }
    assert_eq!(assume(&world, "333333333333", &[]).await.status, 403, "not trusted");
}

#[tokio::test(start_paused = true)]
async fn an_absent_role_is_refused_in_the_words_of_a_refusing_one() {
    let world = world_with_role();
    let refused = assume(&world, OTHER, &[("ExternalId", "wrong")]).await;
    let absent = assume(&world, OTHER, &[("RoleArn", &format!("{ROLE}2"))]).await;
    let message = "User: arn:aws:iam::222222222222:root is not authorized to perform: sts:AssumeRole on resource: ";
    assert_eq!(refused.element("Message"), Some(format!("{message}{ROLE}")));
    assert_eq!(absent.element("Message"), Some(format!("{message}{ROLE}2")));
}

#[tokio::test(start_paused = true)]
async fn a_chained_session_lasts_an_hour_at_most_and_asking_for_more_fails() {
    let world = world_with_role();
    let (key, token) = keys(&assume(&world, OTHER, &[("DurationSeconds", "7200")]).await);
    let chain = |seconds: &'static str| {
        let parameters = [
            ("Action", "AssumeRole"),
            ("RoleArn", ROLE),
            ("RoleSessionName", "s2"),
            ("ExternalId", "secret"),
            ("DurationSeconds", seconds),
        ];
        let (world, key, token) = (&world, &key, &token);
        async move { ask(world, key, &[("x-amz-security-token", token)], &parameters).await }
    };
    assert_eq!(chain("3600").await.status, 200);
    let refused = chain("3601").await;
    assert_eq!(refused.element("Code").as_deref(), Some("ValidationError"));
    assert!(refused.text.contains("role chaining"), "{}", refused.text);
}

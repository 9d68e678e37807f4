//! STS through the wire, and what the other services say to its credentials.

use crate::World;
use crate::iam::{self, RoleSpec, create_role};
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
        ("kms", 400, "UnrecognizedClientException"),
    ] {
        let reply = call(&world, "AKIAUNKNOWN", service, &[], "").await;
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
        (("SerialNumber", "k"), 501, "NotImplemented"),
        (("Tags.member.1.Key", "aws:k"), 400, "ValidationError"),
        (("Tags.member.1.Key", "k"), 403, "AccessDenied"),
        (("SourceIdentity", "x"), 400, "ValidationError"),
        (("SourceIdentity", "jo"), 403, "AccessDenied"),
        (("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/Some"), 400, "ValidationError"),
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

#[tokio::test(start_paused = true)]
async fn a_revoked_session_is_denied_everything_but_to_ask_who_it_is() {
    let world = world_with_role();
    let (key, token) = keys(&assume(&world, OTHER, &[]).await);
    let token = [("x-amz-security-token", token.as_str())];
    sts::revoke_sessions(&mut world.lock(), &ROLE.parse().unwrap());
    assert_eq!(ask(&world, &key, &token, &[("Action", "GetCallerIdentity")]).await.status, 200);
    let listing = [token[0], ("x-amz-target", "AmazonSQS.ListQueues")];
    let aliases = [token[0], ("x-amz-target", "TrentService.ListAliases")];
    for (service, headers, body, status, code) in [
        ("ec2", &token[..], "Action=DescribeImages", 403, "UnauthorizedOperation"),
        ("sqs", &listing[..], "{}", 400, "AccessDenied"),
        ("kms", &aliases[..], "{}", 400, "AccessDeniedException"),
    ] {
        let reply = call(&world, &key, service, headers, body).await;
        assert_eq!(reply.status, status, "{service}: {}", reply.text);
        assert!(reply.text.contains(code), "{service}: {}", reply.text);
        let words = "with an explicit deny in an identity-based policy";
        assert!(reply.text.contains(words), "{service}: {}", reply.text);
    }
    assert_eq!(assume(&world, OTHER, &[]).await.status, 200, "later sessions work");
}

#[tokio::test(start_paused = true)]
async fn tags_and_source_identity_need_their_own_permission_and_go_through_a_chain() {
    let world = world_with_role();
    let trust = TRUST.replace(
        r#""sts:AssumeRole""#,
        r#"["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]"#,
    );
    let trust =
        trust.replace("arn:aws:iam::111111111111:root", "arn:aws:iam::111111111111:role/reader");
    let role =
        RoleSpec { name: "reader", trust_json: &trust, permissions_json: ALL, max_session: 7200 };
    create_role(&mut world.lock(), &ACCOUNT.parse().unwrap(), &role).unwrap();
    let more = [
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "dr"),
        ("TransitiveTagKeys.member.1", "team"),
        ("SourceIdentity", "jo"),
    ];
    let reply = assume(&world, OTHER, &more).await;
    assert_eq!(reply.element("SourceIdentity").as_deref(), Some("jo"));
    let (key, token) = keys(&reply);
    let chain = |extra: (&'static str, &'static str)| {
        let parameters = [
            ("Action", "AssumeRole"),
            ("RoleArn", ROLE),
            ("RoleSessionName", "s2"),
            ("ExternalId", "secret"),
            extra,
        ];
        let (world, key, token) = (&world, &key, &token);
        async move { ask(world, key, &[("x-amz-security-token", token)], &parameters).await }
    };
    let chained = chain(("DurationSeconds", "900")).await;
    assert_eq!(chained.element("SourceIdentity").as_deref(), Some("jo"), "{}", chained.text);
    let other = chain(("SourceIdentity", "al")).await;
    assert_eq!(other.element("Code").as_deref(), Some("AccessDenied"), "{}", other.text);
    let again = chain(("Tags.member.1.Key", "Team")).await;
    assert_eq!(again.element("Code").as_deref(), Some("InvalidParameterValue"), "{}", again.text);
}

#[tokio::test(start_paused = true)]
async fn policy_arns_bound_a_session_like_its_policy() {
    let world = world_with_role();
    let arn = "arn:aws:iam::aws:policy/OnlyImages";
    let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:DescribeImages","Resource":"*"}}"#;
    iam::put_managed_policy(&mut world.lock(), &ACCOUNT.parse().unwrap(), arn, only).unwrap();
    let (key, token) = keys(&assume(&world, OTHER, &[("PolicyArns.member.1.arn", arn)]).await);
    let token = [("x-amz-security-token", token.as_str())];
    for (action, status) in [("DescribeImages", 200), ("DescribeSnapshots", 403)] {
        let reply = call(&world, &key, "ec2", &token, &format!("Action={action}")).await;
        assert_eq!(reply.status, status, "{action}: {}", reply.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_users_key_carries_its_permissions_until_the_user_is_gone() {
    let world = world();
    let account = ACCOUNT.parse().unwrap();
    let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:DescribeImages","Resource":"*","Condition":{"StringEquals":{"aws:username":"jo"}}}}"#;
    let issued = iam::create_user(&mut world.lock(), &account, "jo", only).unwrap();
    let who = ask(&world, &issued.access_key, &[], &[("Action", "GetCallerIdentity")]).await;
    assert_eq!(who.element("Arn").as_deref(), Some("arn:aws:iam::111111111111:user/jo"));
    for (action, status) in [("DescribeImages", 200), ("DescribeSnapshots", 403)] {
        let reply = call(&world, &issued.access_key, "ec2", &[], &format!("Action={action}")).await;
        assert_eq!(reply.status, status, "{action}: {}", reply.text);
    }
    assert!(iam::delete_user(&mut world.lock(), &account, "jo"));
    let gone = ask(&world, &issued.access_key, &[], &[("Action", "GetCallerIdentity")]).await;
    assert_eq!(gone.element("Code").as_deref(), Some("InvalidClientTokenId"));
}

#[tokio::test(start_paused = true)]
async fn a_request_signed_at_another_time_is_refused_in_the_words_of_each_service() {
    let world = world_with_role();
    let (key, token) = keys(&assume(&world, OTHER, &[]).await);
    for (date, late) in [
        ("20260101T001459Z", false),
        ("20251231T234501Z", false),
        ("20260101T001501Z", true),
        ("20251231T234459Z", true),
    ] {
        let headers = [("x-amz-security-token", token.as_str()), ("x-amz-date", date)];
        for (service, code) in [
            ("s3", "RequestTimeTooSkewed"),
            ("ec2", "RequestExpired"),
            ("sts", "SignatureDoesNotMatch"),
            ("sqs", "InvalidSignatureException"),
            ("kms", "InvalidSignatureException"),
        ] {
            let reply = call(&world, &key, service, &headers, "").await;
            assert_eq!(reply.text.contains(code), late, "{service} {date}: {}", reply.text);
            let root = call(&world, OTHER, service, &headers[1..], "").await;
            assert!(!root.text.contains(code), "the shortcut's clock is not looked at");
        }
    }
    world.lock().settings.sts.request_times = sts::RequestTimes::Everyone;
    let root = call(&world, OTHER, "s3", &[("x-amz-date", "20250101T000000Z")], "").await;
    assert_eq!(root.element("Code").as_deref(), Some("RequestTimeTooSkewed"));
}

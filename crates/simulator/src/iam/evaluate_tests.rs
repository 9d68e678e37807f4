//! The evaluation of policies as a table: principal, policies, result.

use jiff::Timestamp;

use super::*;
use crate::iam::{RoleSpec, create_role};
use crate::principal::SessionContext;
use crate::{Settings, SimClock, World};

const OWNER: &str = "111111111111";
const OTHER: &str = "222222222222";
const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:q";
const EVERYTHING: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const NOTHING: &str = r#"{"Statement":[]}"#;
const DENY: &str = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
    {"Effect":"Deny","Action":"sqs:Send*","Resource":"*"}]}"#;

fn resource(principal: &str, effect: &str) -> String {
    format!(
        r#"{{"Statement":{{"Effect":"{effect}","Principal":{principal},"Action":"*","Resource":"*"}}}}"#
    )
}

fn session(account: &str, policy: Option<&str>) -> Principal {
    let kind = PrincipalKind::Session {
        role: "worker".to_owned(),
        session: "s".to_owned(),
        expires: Timestamp::MAX,
        policy: policy.map(str::to_owned),
        context: SessionContext::default(),
    };
    Principal { account: account.parse().unwrap(), kind }
}

fn root(account: &str) -> Principal {
    Principal::root(account.parse().unwrap())
}

fn ask(
    caller: &Principal,
    role_policy: &str,
    action: &str,
    resource_policy: Option<&str>,
) -> Result<(), Denial> {
    let world = World::new(SimClock::starting_at(Timestamp::UNIX_EPOCH, 1), Settings::default());
    let mut state = world.lock();
    let trust = r#"{"Statement":[]}"#;
    create_role(
        &mut state,
        &caller.account,
        &RoleSpec {
            name: "worker",
            trust_json: trust,
            permissions_json: role_policy,
            max_session: 3600,
        },
    )
    .unwrap();
    state.iam.entry(OTHER.parse().unwrap()).or_default().organisation = Some("o-1".to_owned());
    let policy = resource_policy.map(|json| Policy::parse(json).unwrap());
    authorize(
        &state,
        caller,
        &Access {
            action,
            resource: QUEUE,
            owner: &OWNER.parse().unwrap(),
            resource_policy: policy.as_ref(),
            context: &[("aws:SourceAccount", OWNER.to_owned())],
        },
    )
}

/// Name, caller, policy of its role, action, resource policy, start of the reason of the denial.
type Row<'a> = (&'a str, Principal, &'a str, &'a str, Option<String>, Option<&'a str>);

#[tokio::test]
async fn every_combination_of_sides_is_decided_as_iam_does() {
    let root_arn = |account: &str| format!(r#"{{"AWS":"arn:aws:iam::{account}:root"}}"#);
    let role_arn = |account: &str| format!(r#"{{"AWS":"arn:aws:iam::{account}:role/worker"}}"#);
    let session_arn = r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/worker/s"}"#;
    let (send, kms) = ("sqs:SendMessage", "kms:Decrypt");
    let identity = Some("because no identity-based policy allows the");
    let by_resource = Some("because no resource-based policy allows the");
    let by_session = Some("because no session policy allows the");
    let allow = |principal: &str| Some(resource(principal, "Allow"));
    let deny = |principal: &str| Some(resource(principal, "Deny"));
    let table: Vec<Row<'_>> = vec![
        ("own root", root(OWNER), NOTHING, send, None, None),
        (
            "own root, denied",
            root(OWNER),
            NOTHING,
            send,
            deny(r#""*""#),
            Some("with an explicit deny in a resource-based policy"),
        ),
        ("own root, key silent", root(OWNER), NOTHING, kms, allow(&role_arn(OWNER)), by_resource),
        ("own root, key allows", root(OWNER), NOTHING, kms, allow(&root_arn(OWNER)), None),
        ("own role", session(OWNER, None), EVERYTHING, send, None, None),
        ("own role, silent", session(OWNER, None), NOTHING, send, None, identity),
        (
            "own role, denied",
            session(OWNER, None),
            DENY,
            send,
            allow(&role_arn(OWNER)),
            Some("with an explicit deny in an identity-based policy"),
        ),
        (
            "own role by resource",
            session(OWNER, None),
            NOTHING,
            send,
            allow(&role_arn(OWNER)),
            None,
        ),
        (
            "own account by resource",
            session(OWNER, None),
            NOTHING,
            send,
            allow(&root_arn(OWNER)),
            identity,
        ),
        (
            "own role, key names account",
            session(OWNER, None),
            EVERYTHING,
            kms,
            allow(OWNER_ACCOUNT),
            None,
        ),
        (
            "own role, key silent",
            session(OWNER, None),
            EVERYTHING,
            kms,
            allow(&role_arn(OTHER)),
            by_resource,
        ),
        (
            "session policy silent",
            session(OWNER, Some(NOTHING)),
            EVERYTHING,
            send,
            None,
            by_session,
        ),
        ("session policy allows", session(OWNER, Some(EVERYTHING)), EVERYTHING, send, None, None),
        (
            "session policy allows, role silent",
            session(OWNER, Some(EVERYTHING)),
            NOTHING,
            send,
            None,
            identity,
        ),
        (
            "session policy denies",
            session(OWNER, Some(DENY)),
            EVERYTHING,
            send,
            None,
            Some("with an explicit deny in a session policy"),
        ),
        (
            "session policy limits role grant",
            session(OWNER, Some(NOTHING)),
            NOTHING,
            send,
            allow(&role_arn(OWNER)),
            by_session,
        ),
        (
            "session grant is not limited",
            session(OWNER, Some(NOTHING)),
            NOTHING,
            send,
            allow(session_arn),
            None,
        ),
        ("other root", root(OTHER), NOTHING, send, None, by_resource),
        ("other root allowed", root(OTHER), NOTHING, send, allow(&root_arn(OTHER)), None),
        ("other role, both", session(OTHER, None), EVERYTHING, send, allow(&role_arn(OTHER)), None),
        ("other role, everyone", session(OTHER, None), EVERYTHING, send, allow(r#""*""#), None),
        (
            "other role, resource only",
            session(OTHER, None),
            NOTHING,
            send,
            allow(&role_arn(OTHER)),
            identity,
        ),
        (
            "other role, identity only",
            session(OTHER, None),
            EVERYTHING,
            send,
            allow(&root_arn(OWNER)),
            by_resource,
        ),
        (
            "other role, key both",
            session(OTHER, None),
            EVERYTHING,
            kms,
            allow(&root_arn(OTHER)),
            None,
        ),
    ];
    for (name, caller, role_policy, action, resource_policy, expected) in table {
        let outcome = ask(&caller, role_policy, action, resource_policy.as_deref());
        match (outcome, expected) {
            (Ok(()), None) => {}
            (Err(denial), Some(why)) => {
                let start = format!(
                    "User: {} is not authorized to perform: {action} on resource: {QUEUE} {why}",
                    caller.arn()
                );
                assert!(denial.message.starts_with(&start), "{name}: {}", denial.message);
                assert_eq!(denial.explicit, why.contains("explicit"), "{name}");
            }
            (outcome, expected) => panic!("{name}: {outcome:?} instead of {expected:?}"),
        }
    }
}

const OWNER_ACCOUNT: &str = r#"{"AWS":"111111111111"}"#;

#[tokio::test]
async fn a_service_gets_in_by_the_resource_policy_and_its_conditions_only() {
    let service = Principal {
        account: OWNER.parse().unwrap(),
        kind: PrincipalKind::Service("events.amazonaws.com".to_owned()),
    };
    let policy = |service: &str, account: &str| {
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sqs:SendMessage","Resource":"{QUEUE}","Condition":{{"StringEquals":{{"aws:SourceAccount":"{account}"}}}}}}}}"#
        )
    };
    for (policy, allowed) in [
        (Some(policy("events.amazonaws.com", OWNER)), true),
        (Some(policy("events.amazonaws.com", OTHER)), false),
        (Some(policy("s3.amazonaws.com", OWNER)), false),
        (Some(resource(OWNER_ACCOUNT, "Allow")), false),
        (None, false),
    ] {
        let outcome = ask(&service, NOTHING, "sqs:SendMessage", policy.as_deref());
        assert_eq!(outcome.is_ok(), allowed, "{policy:?}");
    }
}

#[tokio::test]
async fn the_organisation_of_the_caller_is_a_condition_key() {
    let policy = |organisation: &str| {
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{{"StringEquals":{{"aws:PrincipalOrgID":"{organisation}"}}}}}}}}"#
        )
    };
    assert!(ask(&root(OTHER), NOTHING, "sqs:SendMessage", Some(&policy("o-1"))).is_ok());
    assert!(ask(&root(OTHER), NOTHING, "sqs:SendMessage", Some(&policy("o-2"))).is_err());
}

#[tokio::test]
async fn the_opposites_of_principal_action_and_resource_mean_everything_else() {
    let deny_but = |principals: &[&str]| {
        let listed: Vec<String> = principals.iter().map(|name| format!("\"{name}\"")).collect();
        format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}},
               {{"Effect":"Deny","NotPrincipal":{{"AWS":[{}]}},"Action":"*","Resource":"*"}}]}}"#,
            listed.join(",")
        )
    };
    let account = "arn:aws:iam::111111111111:root";
    let role = "arn:aws:iam::111111111111:role/worker";
    let this = "arn:aws:sts::111111111111:assumed-role/worker/s";
    for (principals, allowed) in [
        (&[account, role, this][..], true),
        (&[account, role][..], false),
        (&[this][..], false),
        (&["arn:aws:iam::222222222222:root"][..], false),
    ] {
        let policy = deny_but(principals);
        let outcome = ask(&session(OWNER, None), EVERYTHING, "sqs:SendMessage", Some(&policy));
        assert_eq!(outcome.is_ok(), allowed, "{principals:?}");
    }
    for (statement, action, allowed) in [
        (r#""NotAction":"kms:*","Resource":"*""#, "sqs:SendMessage", true),
        (r#""NotAction":"sqs:Send*","Resource":"*""#, "sqs:SendMessage", false),
        (r#""Action":"*","NotResource":"arn:aws:s3:::*""#, "sqs:SendMessage", true),
        (r#""Action":"*","NotResource":"arn:aws:sqs:*""#, "sqs:SendMessage", false),
        (
            r#""Action":"*","Resource":"arn:aws:sqs:*:${aws:PrincipalAccount}:q""#,
            "sqs:SendMessage",
            true,
        ),
        (
            r#""Action":"*","Resource":"arn:aws:sqs:*:${aws:PrincipalTag/x}:q""#,
            "sqs:SendMessage",
            false,
        ),
    ] {
        let policy =
            format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",{statement}}}}}"#);
        let outcome = ask(&session(OWNER, None), &policy, action, None);
        assert_eq!(outcome.is_ok(), allowed, "{statement}");
    }
}

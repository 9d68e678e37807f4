//! What queue policies say, row by row.

use serde_json::{Value, json};

use super::*;

const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:amiferry-source";
const WORKER: &str = "arn:aws:sts::111111111111:assumed-role/worker/session";
const RULE: &str = "arn:aws:events:us-east-1:111111111111:rule/amiferry-images";

fn policy(statements: &[Value]) -> QueuePolicy {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    QueuePolicy::read(&QUEUE.parse().unwrap(), &document.to_string()).unwrap()
}

fn allow(condition: Value) -> Value {
    json!({
        "Sid": "A", "Effect": "Allow", "Principal": { "Service": EVENT_BRIDGE },
        "Action": "sqs:SendMessage", "Resource": QUEUE, "Condition": condition,
    })
}

fn deny(principal: Value, action: &str, condition: Value) -> Value {
    json!({
        "Sid": "D", "Effect": "Deny", "Principal": principal, "Action": action,
        "Resource": "*", "Condition": condition,
    })
}

fn named(name: &str) -> BTreeSet<String> {
    [format!("statement {name}")].into()
}

#[test]
fn a_condition_on_the_source_lets_rules_send_where_a_rule_can_meet_it() {
    let of_rules = "arn:aws:events:us-east-1:111111111111:rule/amiferry-*";
    let unclear = || Sending::Unclear(named("A"));
    for (condition, expected) in [
        (json!({}), Sending::Allowed),
        (json!({ "ArnLike": { "aws:SourceArn": of_rules } }), Sending::Allowed),
        (json!({ "ArnEquals": { "AWS:sourcearn": ["arn:aws:s3:::x", RULE] } }), Sending::Allowed),
        (json!({ "StringLike": { "aws:SourceArn": "arn:aws:events:*" } }), Sending::Allowed),
        (json!({ "StringLike": { "aws:SourceArn": "*" } }), Sending::Allowed),
        (json!({ "StringEquals": { "aws:SourceAccount": "111111111111" } }), Sending::Allowed),
        (json!({ "Bool": { "aws:SecureTransport": true } }), Sending::Allowed),
        (json!({ "Bool": { "aws:PrincipalIsAWSService": "true" } }), Sending::Allowed),
        (json!({ "ArnLike": { "aws:SourceArn": "arn:aws:s3:::staging" } }), Sending::NotAllowed),
        (
            json!({ "ArnLike": { "aws:SourceArn": "arn:aws:events:eu-west-1:*:rule/*" } }),
            Sending::NotAllowed,
        ),
        (
            json!({ "ArnLike": { "aws:SourceArn": "arn:aws:events:*:*:event-bus/*" } }),
            Sending::NotAllowed,
        ),
        (json!({ "Bool": { "aws:SecureTransport": "false" } }), Sending::NotAllowed),
        (json!({ "StringEquals": { "aws:SourceAccount": "333333333333" } }), unclear()),
        (
            json!({ "ArnLike": { "aws:SourceArn": "arn:aws:events:us-east-1:333333333333:rule/x" } }),
            unclear(),
        ),
        (json!({ "StringEquals": { "aws:SourceOrgID": "o-1" } }), unclear()),
        (json!({ "ForAnyValue:StringEquals": { "aws:SourceAccount": "111111111111" } }), unclear()),
        (json!({ "StringEquals": { "aws:SourceAccount": "${aws:PrincipalAccount}" } }), unclear()),
        (json!({ "StringEquals": 5 }), unclear()),
    ] {
        assert_eq!(policy(&[allow(condition.clone())]).sending(None), expected, "{condition}");
    }
}

#[test]
fn a_rule_that_is_known_is_compared_with_the_conditions_as_it_is() {
    let pattern = "arn:aws:events:us-east-1:111111111111:rule/amiferry-*";
    let only = policy(&[allow(json!({ "ArnLike": { "aws:SourceArn": pattern } }))]);
    assert_eq!(only.sending(Some(RULE)), Sending::Allowed);
    assert_eq!(only.sending(Some(&RULE.replace("amiferry-", "own-"))), Sending::NotAllowed);
    let other =
        policy(&[allow(json!({ "StringEquals": { "aws:SourceAccount": "333333333333" } }))]);
    assert_eq!(other.sending(Some(RULE)), Sending::NotAllowed);
}

#[test]
fn who_is_admitted_counts_in_every_form_and_nothing_else_does() {
    let but = |name: &str, value: Value| {
        let mut statement = allow(json!({}));
        statement[name] = value;
        policy(&[statement]).sending(None)
    };
    for everyone in [
        json!("*"),
        json!({ "AWS": "*" }),
        json!({ "Service": ["s3.amazonaws.com", EVENT_BRIDGE] }),
    ] {
        assert_eq!(but("Principal", everyone.clone()), Sending::Allowed, "{everyone}");
    }
    for other in [json!({ "Service": "s3.amazonaws.com" }), json!({ "AWS": "111111111111" })] {
        assert_eq!(but("Principal", other.clone()), Sending::NotAllowed, "{other}");
    }
    assert_eq!(but("Action", json!(["SQS:sendmessage"])), Sending::Allowed);
    assert_eq!(but("Action", json!("sqs:*")), Sending::Allowed);
    assert_eq!(but("Action", json!("sqs:ReceiveMessage")), Sending::NotAllowed);
    assert_eq!(but("Resource", json!("arn:aws:sqs:*:*:amiferry-*")), Sending::Allowed);
    assert_eq!(
        but("Resource", json!("arn:aws:sqs:us-east-1:111111111111:other")),
        Sending::NotAllowed
    );
    for odd in [json!(5), json!({ "Odd": "x" }), json!("someone")] {
        assert_eq!(but("Principal", odd.clone()), Sending::Unclear(named("A")), "{odd}");
    }
    assert_eq!(policy(&[]).sending(None), Sending::NotAllowed);
    let by_s3 = policy(&[json!({
        "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" }, "Action": "sqs:*",
        "Resource": "*",
    })]);
    assert_eq!(by_s3.other_senders(), ["s3.amazonaws.com"].into());
}

#[test]
fn a_denial_stops_rules_only_where_it_is_certain_to_meet_them() {
    for (principal, condition, expected) in [
        (json!("*"), json!({}), Sending::Denied(named("D"))),
        (json!({ "Service": EVENT_BRIDGE }), json!({}), Sending::Denied(named("D"))),
        (json!({ "AWS": "111111111111" }), json!({}), Sending::Allowed),
        (json!("*"), json!({ "Bool": { "aws:SecureTransport": "false" } }), Sending::Allowed),
        (
            json!("*"),
            json!({ "ArnNotLike": { "aws:SourceArn": "arn:aws:events:*:*:rule/*" } }),
            Sending::Allowed,
        ),
        (
            json!("*"),
            json!({ "ArnNotEquals": { "aws:SourceArn": "arn:aws:s3:::staging" } }),
            Sending::Denied(named("D")),
        ),
        (
            json!("*"),
            json!({
                "StringNotEquals": { "aws:PrincipalOrgID": "o-1" },
                "Bool": { "aws:PrincipalIsAWSService": "false" },
            }),
            Sending::Allowed,
        ),
        (
            json!("*"),
            json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-1" } }),
            Sending::Unclear(named("D")),
        ),
    ] {
        let deny = deny(principal, "sqs:SendMessage", condition.clone());
        let found = policy(&[allow(json!({})), deny]).sending(Some(RULE));
        assert_eq!(found, expected, "{condition}");
    }
    let nothing = policy(&[deny(json!("*"), "sqs:SendMessage", json!({ "Odd": { "x": "y" } }))]);
    assert_eq!(nothing.sending(None), Sending::NotAllowed);
}

#[test]
fn a_worker_is_denied_its_queue_by_what_names_it_and_by_what_it_cannot_meet() {
    let role = "arn:aws:iam::111111111111:role/worker";
    let in_path = "arn:aws:iam::111111111111:role/people/worker";
    for (principal, condition, certain, unclear) in [
        (json!("*"), json!({}), true, false),
        (json!({ "AWS": "111111111111" }), json!({}), true, false),
        (json!({ "AWS": "arn:aws:iam::111111111111:root" }), json!({}), true, false),
        (json!({ "AWS": [role] }), json!({}), true, false),
        (json!({ "AWS": in_path }), json!({}), true, false),
        (json!({ "AWS": WORKER }), json!({}), true, false),
        (json!({ "AWS": "arn:aws:iam::111111111111:role/other" }), json!({}), false, false),
        (json!({ "AWS": "222222222222" }), json!({}), false, false),
        (json!({ "AWS": "AROAEXAMPLE" }), json!({}), false, true),
        (json!({ "Service": EVENT_BRIDGE }), json!({}), false, false),
        (json!("*"), json!({ "Bool": { "aws:SecureTransport": "false" } }), false, false),
        (json!("*"), json!({ "ArnNotEquals": { "aws:PrincipalArn": role } }), false, false),
        (
            json!("*"),
            json!({ "ArnNotEquals": { "aws:PrincipalArn": "arn:aws:iam::111111111111:role/x" } }),
            true,
            false,
        ),
        (
            json!("*"),
            json!({ "ArnNotLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/people/*" } }),
            false,
            true,
        ),
        (
            json!("*"),
            json!({ "StringNotEquals": { "aws:PrincipalAccount": "111111111111" } }),
            false,
            false,
        ),
        // A worker's call has no source, so it differs from every one.
        (json!("*"), json!({ "ArnNotLike": { "aws:SourceArn": "arn:aws:events:*" } }), true, false),
        (json!("*"), json!({ "ArnLike": { "aws:SourceArn": "arn:aws:events:*" } }), false, false),
        (json!("*"), json!({ "StringNotEquals": { "aws:SourceVpce": "vpce-1" } }), false, true),
    ] {
        let found = policy(&[deny(principal.clone(), "sqs:ReceiveMessage", condition.clone())]);
        let found = found.denials(WORKER);
        let told = BTreeSet::from(["statement D denies sqs:ReceiveMessage".to_owned()]);
        assert_eq!(
            found.certain,
            if certain { told.clone() } else { BTreeSet::new() },
            "{principal} {condition}"
        );
        assert_eq!(
            found.unclear,
            if unclear { told } else { BTreeSet::new() },
            "{principal} {condition}"
        );
    }
}

#[test]
fn a_denial_of_the_question_that_was_answered_does_not_concern_the_worker() {
    let elsewhere = json!({ "StringNotEquals": { "aws:SourceVpce": "vpce-1" } });
    let whole = policy(&[deny(json!("*"), "sqs:*", elsewhere)]);
    assert_eq!(whole.denials(WORKER), Denials::default());
}

#[test]
fn what_is_no_policy_is_said_and_an_empty_one_allows_nothing() {
    let queue = QUEUE.parse().unwrap();
    assert_eq!(QueuePolicy::read(&queue, " ").unwrap().sending(None), Sending::NotAllowed);
    for (text, why) in [
        ("{", "not JSON"),
        ("{}", "no statements"),
        (r#"{"Statement":[{"Effect":"Maybe"}]}"#, "neither allows nor denies"),
        (r#"{"Statement":["x"]}"#, "neither allows nor denies"),
    ] {
        let error = QueuePolicy::read(&queue, text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

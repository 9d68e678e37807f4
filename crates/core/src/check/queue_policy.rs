//! What a queue's policy means for its worker: whether EventBridge may send, and whether it takes away the
//! worker's own actions.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Finding, Hop, Level};
use crate::ids::Arn;
use crate::model::{QueuePolicy, Sending};
use crate::refusal::Statement;

/// Judges the policy of a worker's queue as SQS shows it; `None` where the queue has none. Gives a finding
/// about EventBridge and one about `caller`, the worker.
///
/// That no event may come is a warning, because sweeps find the work. A policy that keeps the worker from
/// its messages is a failure. Where it depends on what is not understood, nothing is claimed.
pub fn queue_policy(queue: &Arn, policy: Option<&str>, caller: &str) -> [Finding; 2] {
    let (sending, own) = (sending_need(queue), own_need(queue));
    match QueuePolicy::read(queue, policy.unwrap_or_default()) {
        Ok(read) => [judge_sending(queue, &read, sending), judge_own(queue, &read, own, caller)],
        Err(why) => [sending, own].map(|need| {
            let cause = format!("the queue's policy is not understood: {why}");
            Finding::unknown(Hop::Queue, need, cause, read_it(queue))
        }),
    }
}

/// The statement that lets rules with these names send to a queue, as `deploy/iam/queue.json` has it.
/// `rules` is the part of their ARN behind `rule/`, and may be a pattern.
pub fn rules_send(queue: &Arn, rules: &str) -> Statement {
    let mut parts = queue.as_str().split(':').skip(1);
    let partition = parts.next().unwrap_or("aws");
    let region = parts.nth(1).unwrap_or("*");
    let account = parts.next().unwrap_or("*");
    Statement {
        into: format!("the policy of queue {queue}"),
        statement: json!({
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": queue.as_str(),
            "Condition": {
                "ArnLike": {
                    "aws:SourceArn": format!("arn:{partition}:events:{region}:{account}:rule/{rules}"),
                },
                "StringEquals": { "aws:SourceAccount": account },
            },
        }),
    }
}

fn sending_need(queue: &Arn) -> String {
    format!("a policy of {queue} that lets EventBridge send to it")
}

fn own_need(queue: &Arn) -> String {
    format!("a policy of {queue} that denies the worker none of its work")
}

fn judge_sending(queue: &Arn, policy: &QueuePolicy, need: String) -> Finding {
    match policy.sending(None) {
        Sending::Allowed => Finding::ok(Hop::Queue, need, "its policy admits events.amazonaws.com"),
        Sending::NotAllowed => {
            let others: Vec<&str> = policy.other_senders().into_iter().collect();
            let others = match others[..] {
                [] => String::new(),
                _ => format!(" (it names {} as a sender)", others.join(" and ")),
            };
            let cause = format!(
                "no statement lets events.amazonaws.com send{others}: no event of a rule reaches the \
                 queue, and only sweeps find work"
            );
            let remedy = "add the statement to the queue's policy, with the names of your rules. If events \
                          come another way, such as through SNS, nothing has to change";
            let statements = vec![rules_send(queue, "amiferry-*")];
            Finding { statements, ..Finding::warn(Hop::Queue, need, cause, remedy) }
        }
        Sending::Denied(names) => {
            let cause = format!(
                "{} of the queue's policy denies sqs:SendMessage to EventBridge: only sweeps find work",
                list(&names)
            );
            let remedy = "narrow what it denies: leave out events.amazonaws.com, for example by the further \
                          condition \"Bool\": {\"aws:PrincipalIsAWSService\": \"false\"}";
            Finding::warn(Hop::Queue, need, cause, remedy)
        }
        Sending::Unclear(names) => {
            let cause = format!(
                "it depends on {} of the queue's policy, which check does not understand",
                list(&names)
            );
            let settled_by = "an event that arrives: amiferry_events_total counts it";
            Finding::unknown(Hop::Queue, need, cause, settled_by)
        }
    }
}

fn judge_own(queue: &Arn, policy: &QueuePolicy, need: String, caller: &str) -> Finding {
    let denials = policy.denials(caller);
    let principal = Some(caller.to_owned()).filter(|caller| caller.starts_with("arn:"));
    if !denials.certain.is_empty() {
        let cause = format!("in the queue's policy {}", list(&denials.certain));
        let remedy = format!(
            "narrow what it denies, so that it spares {caller}, for example by a condition ArnNotEquals on \
             aws:PrincipalArn: the worker gets no message, or gets it again and again"
        );
        let warned = Finding::warn(Hop::Queue, need, cause, remedy);
        return Finding { level: Level::Fail, principal, ..warned };
    }
    if denials.unclear.is_empty() {
        return Finding::ok(
            Hop::Queue,
            need,
            "its policy denies this principal nothing that it needs",
        );
    }
    let cause = format!(
        "in the queue's policy {}, under what check does not understand",
        list(&denials.unclear)
    );
    let settled_by = format!(
        "a worker that takes messages from {queue}: the metric amiferry_aws_api_requests_total counts what is \
         denied"
    );
    Finding { principal, ..Finding::unknown(Hop::Queue, need, cause, settled_by) }
}

fn read_it(queue: &Arn) -> String {
    format!(
        "aws sqs get-queue-attributes --attribute-names Policy with the URL of {queue}: it should let \
         events.amazonaws.com call sqs:SendMessage, and deny the worker nothing"
    )
}

fn list(all: &BTreeSet<String>) -> String {
    all.iter().map(String::as_str).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const QUEUE: &str = "arn:aws-cn:sqs:cn-north-1:111111111111:amiferry-source";
    const WORKER: &str = "arn:aws-cn:sts::111111111111:assumed-role/worker/session";

    fn queue() -> Arn {
        QUEUE.parse().unwrap()
    }

    fn judged(statements: &Value) -> [Finding; 2] {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        queue_policy(&queue(), Some(&policy), WORKER)
    }

    fn levels(findings: &[Finding; 2]) -> [Level; 2] {
        [findings[0].level, findings[1].level]
    }

    fn deny(principal: &str, action: &str, condition: Value) -> Value {
        json!({
            "Sid": "Shut", "Effect": "Deny", "Principal": principal, "Action": action,
            "Resource": "*", "Condition": condition,
        })
    }

    #[test]
    fn the_statement_to_paste_is_that_of_the_templates_and_mends_what_it_is_printed_for() {
        let text = include_str!("../../../../deploy/iam/queue.json");
        let rules = "arn:aws-cn:events:cn-north-1:111111111111:rule/amiferry-*";
        let filled = [("Queue", QUEUE), ("Rules", rules), ("QueueAccount", "111111111111")];
        let filled = filled.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
        });
        let file: Value = serde_json::from_str(&filled).unwrap();
        let mut of_file = file["Statement"][0].clone();
        of_file.as_object_mut().unwrap().remove("Sid");
        for empty in [None, Some(""), Some(r#"{"Statement":[]}"#)] {
            let found = queue_policy(&queue(), empty, WORKER);
            assert_eq!(levels(&found), [Level::Warn, Level::Ok], "{found:#?}");
            let [Statement { into, statement }] = &found[0].statements[..] else { panic!() };
            assert_eq!(
                (into.as_str(), statement),
                (&*format!("the policy of queue {QUEUE}"), &of_file)
            );
            let mended = judged(&json!([statement]));
            assert_eq!(levels(&mended), [Level::Ok, Level::Ok], "{mended:#?}");
            assert_eq!((&mended[0].need, &mended[1].need), (&found[0].need, &found[1].need));
        }
        assert_eq!(levels(&judged(&file["Statement"])), [Level::Ok, Level::Ok]);
    }

    #[test]
    fn what_is_denied_is_named_with_the_statement_that_denies_it() {
        let sends = rules_send(&queue(), "*").statement;
        let found = judged(&json!([sends, deny("*", "sqs:DeleteMessage", json!({}))]));
        assert_eq!(levels(&found), [Level::Ok, Level::Fail], "{found:#?}");
        assert!(found[1].cause.contains("statement Shut denies sqs:DeleteMessage"), "{found:#?}");
        assert!(found[1].remedy.as_deref().unwrap().contains(WORKER), "{found:#?}");
        let found = judged(&json!([sends, deny("*", "sqs:SendMessage", json!({}))]));
        assert_eq!(levels(&found), [Level::Warn, Level::Ok], "{found:#?}");
        assert!(found[0].cause.contains("statement Shut"), "{found:#?}");
        let odd = json!({ "StringNotEquals": { "aws:SourceVpc": "vpc-1" } });
        let found = judged(&json!([sends, deny("*", "sqs:ReceiveMessage", odd.clone())]));
        assert_eq!(levels(&found), [Level::Ok, Level::Unknown], "{found:#?}");
        let found = judged(&json!([sends, deny("*", "sqs:SendMessage", odd)]));
        assert_eq!(levels(&found), [Level::Unknown, Level::Ok], "{found:#?}");
    }

    #[test]
    fn a_policy_that_cannot_be_read_proves_nothing() {
        let found = queue_policy(&queue(), Some("{"), WORKER);
        assert_eq!(levels(&found), [Level::Unknown; 2], "{found:#?}");
    }
}

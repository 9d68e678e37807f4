//! What is said of rules, case by case.

use super::super::Level;
use super::*;

const QUEUE: &str = "arn:aws:sqs:us-west-2:222222222222:amiferry-target";
const SWEEP: Span = Span::from_secs(900);

fn scope(account: &str) -> SourceScope {
    SourceScope {
        account: account.parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        staging_bucket: "staging".parse().unwrap(),
        staging_prefix: "amiferry".to_owned(),
    }
}

fn vault() -> VaultId {
    VaultId { account: "222222222222".parse().unwrap(), region: "us-west-2".parse().unwrap() }
}

/// The target worker waits for two sources.
fn awaited() -> Awaited {
    let sources = [scope("111111111111"), scope("333333333333")];
    Awaited::staged(&QUEUE.parse().unwrap(), &vault(), &sources, SWEEP)
}

fn rule(name: &str, is_enabled: bool, takes: &[usize]) -> TestedRule {
    TestedRule {
        rule: EventRule {
            name: name.to_owned(),
            arn: format!("arn:aws:events:us-west-2:222222222222:rule/{name}"),
            is_enabled,
            pattern: Some("{}".to_owned()),
        },
        takes: takes.iter().copied().collect(),
    }
}

#[test]
fn rules_that_together_take_every_event_are_well() {
    let rules = [rule("a", true, &[0]), rule("b", true, &[1]), rule("other", true, &[])];
    let found = event_rules(&awaited(), &rules, None);
    assert_eq!((found.level, found.hop), (Level::Ok, Hop::EventRules), "{found:#?}");
    assert!(found.cause.contains("a, b") && !found.cause.contains("other"), "{found:#?}");
    assert!(not_brought(&awaited(), &rules, None).is_empty());
}

#[test]
fn what_stands_in_the_way_is_named_with_the_source_and_the_least_that_mends_it() {
    for (rules, words, fix) in [
        (vec![], "no rule of the default bus sends there", "aws events put-rule"),
        (
            vec![rule("a", true, &[0]), rule("b", false, &[1])],
            "disabled, though the pattern takes it: b",
            "aws events enable-rule --region us-west-2 --name b.",
        ),
        (
            vec![rule("a", true, &[0]), rule("c", true, &[])],
            "the pattern does not take it: a, c",
            "aws events put-rule --region us-west-2 --name amiferry-staged",
        ),
    ] {
        let found = event_rules(&awaited(), &rules, None);
        assert_eq!(found.level, Level::Warn, "{found:#?}");
        assert_eq!(found.need, awaited().need());
        assert!(found.cause.contains(words), "{found:#?}");
        assert!(found.cause.contains("333333333333/us-east-1"), "{found:#?}");
        assert!(found.cause.contains("up to 15m later"), "{found:#?}");
        assert_eq!(found.cause.contains("111111111111"), rules.is_empty(), "{found:#?}");
        assert!(found.remedy.as_deref().unwrap().contains(fix), "{found:#?}");
    }
}

#[test]
fn a_rule_that_the_queue_s_policy_keeps_out_gets_its_own_statement() {
    let queue: Arn = QUEUE.parse().unwrap();
    let policy = |rules: &str| {
        let statement = rules_send(&queue, rules).statement;
        QueuePolicy::read(&queue, &json!({ "Statement": [statement] }).to_string()).unwrap()
    };
    let rules = [rule("ours", true, &[0, 1])];
    let found = event_rules(&awaited(), &rules, Some(&policy("amiferry-*")));
    assert_eq!(found.level, Level::Warn, "{found:#?}");
    assert!(found.cause.contains("kept out by the queue's policy: ours"), "{found:#?}");
    assert_eq!(found.statements, [rules_send(&queue, "ours")]);
    let found = event_rules(&awaited(), &rules, Some(&policy("ours")));
    assert_eq!(found.level, Level::Ok, "{found:#?}");
    // That no rule may send is said of the policy already.
    let empty = QueuePolicy::read(&queue, "").unwrap();
    assert_eq!(event_rules(&awaited(), &rules, Some(&empty)).level, Level::Ok);
}

/// The pattern in a printed command.
fn printed(finding: &Finding) -> Value {
    let remedy = finding.remedy.as_deref().unwrap();
    let (_, after) = remedy.split_once("--event-pattern '").unwrap();
    serde_json::from_str(after.split_once('\'').unwrap().0).unwrap()
}

/// A file of `deploy/events`, with its placeholders filled in.
fn file(text: &str) -> Value {
    let names = [
        ("SourceAccounts", "111111111111"),
        ("SourceAccount", "111111111111"),
        ("StagingBucket", "staging"),
    ];
    let filled = names
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
    serde_json::from_str(&filled).unwrap()
}

#[test]
fn the_commands_make_the_rules_of_the_templates() {
    let source = scope("111111111111");
    let (queue, bus) = (
        QUEUE.parse().unwrap(),
        "arn:aws:events:us-west-2:222222222222:event-bus/default".parse().unwrap(),
    );
    for (awaited, text) in [
        (
            Awaited::images(&queue, &source, SWEEP),
            include_str!("../../../../deploy/events/image-states.json"),
        ),
        (
            Awaited::forwarded(&bus, &source, SWEEP),
            include_str!("../../../../deploy/events/staged.json"),
        ),
        (
            Awaited::staged(&queue, &vault(), [&source], SWEEP),
            include_str!("../../../../deploy/events/forwarded.json"),
        ),
        (
            Awaited::restored(&queue, &vault(), SWEEP),
            include_str!("../../../../deploy/events/image-states.json"),
        ),
    ] {
        let found = event_rules(&awaited, &[], None);
        assert_eq!(printed(&found), file(text), "{found:#?}");
        let remedy = found.remedy.unwrap();
        assert!(remedy.contains(&format!("Arn={}", awaited.target)), "{remedy}");
        assert_eq!(remedy.contains("RoleArn"), awaited.target == bus, "{remedy}");
    }
}

#[test]
fn a_long_list_of_sources_is_cut_and_counted() {
    let sources: Vec<SourceScope> =
        (0..12).map(|number| scope(&format!("1111111111{number:02}"))).collect();
    let awaited = Awaited::staged(&QUEUE.parse().unwrap(), &vault(), &sources, SWEEP);
    let found = event_rules(&awaited, &[], None);
    assert!(found.cause.contains("and 7 more"), "{found:#?}");
}

#[test]
fn a_bucket_that_tells_others_is_not_to_be_overwritten() {
    let source = scope("111111111111");
    assert_eq!(bucket_events(&source, true, 1, SWEEP).level, Level::Ok);
    let alone = bucket_events(&source, false, 0, SWEEP);
    assert_eq!(alone.level, Level::Warn, "{alone:#?}");
    let command = "put-bucket-notification-configuration --bucket staging --notification-configuration \
                   '{\"EventBridgeConfiguration\":{}}'";
    assert!(alone.remedy.unwrap().contains(command));
    let shared = bucket_events(&source, false, 2, SWEEP).remedy.unwrap();
    assert!(shared.contains("get-bucket-notification-configuration"), "{shared}");
    assert!(!shared.contains("--notification-configuration"), "{shared}");
}

//! The table of permissions is complete, and its page agrees with it and with the policies.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use amiferry_core::refusal::permissions::{CALLS, needs_of};

use crate::check::check;
use crate::policies::with_table;
use crate::repository::{files, read};

const PAGE: &str = "docs/permissions.md";
const MADE: &str = "<!-- From here on made from crates/core/src/refusal/permissions.rs by \
                    tests/tests/tidy/permissions.rs. -->\n";
const SERVICES: [&str; 10] =
    ["ebs", "ec2", "events", "imagebuilder", "kms", "s3", "servicequotas", "sqs", "ssm", "sts"];

/// What stands between these signs and is `service:Name`.
fn names_in(text: &str, sign: char) -> BTreeSet<&str> {
    let is_name = |text: &&str| {
        text.split_once(':').is_some_and(|(service, name)| {
            SERVICES.contains(&service)
                && name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'*')
        })
    };
    text.split(sign).filter(is_name).collect()
}

#[test]
fn every_call_of_the_adapters_is_in_the_table_of_permissions() {
    let sources: Vec<String> = files("crates/aws/src", "rs")
        .iter()
        .filter(|path| !path.contains("tests") && !path.contains("simulated"))
        .map(|path| read(path))
        .collect();
    let called: BTreeSet<&str> = sources.iter().flat_map(|text| names_in(text, '"')).collect();
    let listed: BTreeSet<&str> = CALLS.iter().map(|call| call.operation).collect();
    assert_eq!(called, listed);
}

#[test]
fn the_page_of_permissions_names_every_action_that_a_call_needs_and_no_other() {
    let page = read(PAGE);
    let (by_principal, _) = page.split_once("\n## ").unwrap();
    let named = names_in(by_principal, '`');
    let fits = |name: &str, action: &str| match name.strip_suffix('*') {
        Some(start) => action.starts_with(start),
        None => name == action,
    };
    let needed: BTreeSet<&str> =
        CALLS.iter().flat_map(|call| call.needs).map(|need| need.action).collect();
    for action in &needed {
        assert!(named.iter().any(|name| fits(name, action)), "{PAGE} lacks {action}");
    }
    for name in &named {
        assert!(needed.iter().any(|action| fits(name, action)), "no call needs {name} of {PAGE}");
    }
}

#[test]
fn the_page_of_permissions_shows_the_policies_and_lists_the_actions_of_every_call() {
    let page = read(PAGE);
    let (by_hand, _) = page.split_once(MADE).unwrap();
    let by_hand = with_table(by_hand);
    let mut whole = format!("{by_hand}{MADE}\n| call | needs |\n|---|---|\n");
    for call in CALLS {
        let actions: Vec<String> =
            needs_of(call.operation).iter().map(|need| format!("`{}`", need.action)).collect();
        let actions = if actions.is_empty() { "nothing".to_owned() } else { actions.join(", ") };
        writeln!(whole, "| `{}` | {actions} |", call.operation).unwrap();
    }
    check(PAGE, &whole);
}

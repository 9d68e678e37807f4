//! Judges the lifecycle rules of a staging bucket: staged objects must outlast their copies, and must go
//! some day.

use crate::model::LifecycleRule;

/// The fewest days after which staged objects may expire: those that wait for a quota over a weekend are
/// stored again, and that is all.
pub const LEAST_DAYS: u32 = 2;

/// The most days for which it makes sense to keep what a vault has meanwhile.
pub const MOST_DAYS: u32 = 60;

/// What is wrong with the rules about objects whose keys begin with `prefix`, in words, if anything is.
pub fn doubt(rules: &[LifecycleRule], prefix: &str) -> Option<String> {
    let touches =
        |rule: &&LifecycleRule| prefix.starts_with(&rule.prefix) || rule.prefix.starts_with(prefix);
    let covers = |rule: &&LifecycleRule| prefix.starts_with(&rule.prefix) && !rule.is_narrow;
    let touching: Vec<&LifecycleRule> = rules.iter().filter(touches).collect();
    if let Some(days) = touching.iter().filter_map(|rule| rule.archives_after).min() {
        return Some(format!(
            "a lifecycle rule archives staged objects after {days} days, and what is archived cannot be copied"
        ));
    }
    let soonest = touching.iter().filter_map(|rule| rule.expires_after).min();
    if let Some(days) = soonest.filter(|days| *days < LEAST_DAYS) {
        return Some(format!(
            "a lifecycle rule expires staged objects after {days} days, which a copy may take"
        ));
    }
    let covering: Vec<&LifecycleRule> = rules.iter().filter(covers).collect();
    let Some(days) = covering.iter().filter_map(|rule| rule.expires_after).min() else {
        return Some("no lifecycle rule expires staged objects, so they stay for ever".to_owned());
    };
    if days > MOST_DAYS {
        return Some(format!(
            "staged objects stay for {days} days, and a vault has them meanwhile"
        ));
    }
    match covering.iter().filter_map(|rule| rule.deletes_after).min() {
        Some(_) => None,
        None => Some(
            "no lifecycle rule deletes noncurrent versions, so what has expired stays for ever"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "amiferry/us-east-1/";

    fn rule(prefix: &str, expires: u32) -> LifecycleRule {
        LifecycleRule {
            prefix: prefix.to_owned(),
            expires_after: Some(expires),
            deletes_after: Some(1),
            ..LifecycleRule::default()
        }
    }

    #[test]
    fn staged_objects_must_outlast_their_copies_and_go_some_day() {
        let narrow = |rule| LifecycleRule { is_narrow: true, ..rule };
        let archiving = LifecycleRule { archives_after: Some(30), ..LifecycleRule::default() };
        let kept = LifecycleRule { deletes_after: None, ..rule("", 7) };
        for (rules, doubted) in [
            (vec![], Some("stay for ever")),
            (vec![rule("", 7)], None),
            (vec![rule("amiferry/", 7)], None),
            (vec![rule(PREFIX, 2)], None),
            (vec![rule("other/", 7)], Some("no lifecycle rule expires")),
            (vec![rule("other/", 1), rule("", 7)], None),
            (vec![rule("", 1)], Some("expires staged objects after 1 days")),
            (vec![rule("", 7), rule("amiferry/us-east-1/ami-", 0)], Some("after 0 days")),
            (vec![narrow(rule("", 7))], Some("no lifecycle rule expires")),
            (vec![narrow(rule("", 1)), rule("", 7)], Some("after 1 days")),
            (vec![rule("", 365)], Some("stay for 365 days")),
            (vec![rule("", 365), rule("amiferry/", 7)], None),
            (vec![kept.clone()], Some("noncurrent versions")),
            (vec![kept, LifecycleRule { expires_after: None, ..rule("", 0) }], None),
            (vec![rule("", 7), archiving], Some("archives staged objects after 30 days")),
        ] {
            let said = doubt(&rules, PREFIX);
            match doubted {
                None => assert_eq!(said, None, "{rules:?}"),
                Some(why) => {
                    assert!(said.as_ref().is_some_and(|s| s.contains(why)), "{rules:?}: {said:?}")
                }
            }
        }
    }
}

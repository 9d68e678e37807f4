//! What is proven about policies, and that every proof is right.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::decide::tests::fixture::{With as _, image, policy};

fn sources() -> Vec<SourceId> {
    [("111111111111", "us-east-1"), ("111111111111", "eu-west-1"), ("333333333333", "us-east-1")]
        .map(|(account, region)| SourceId {
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
        })
        .into()
}

/// Policies with these keys, named `a`, `b`, `c` in their order.
fn policies(all: &[Value]) -> Policies {
    let named = all.iter().zip("abcdefgh".chars()).map(|(keys, name)| {
        let text = json!({
            "name": name.to_string(), "select": {"names": ["*"]}, "family": {"fixed": "all"},
            "target_regions": ["us-west-2"], "rpo": "24h",
        });
        policy(and(text, keys.clone()))
    });
    Policies(named.collect(), Vec::new())
}

/// All keys of two tables; those of the second replace those of the first.
fn and(mut one: Value, other: Value) -> Value {
    let (Value::Object(keys), Value::Object(more)) = (&mut one, other) else { panic!("no table") };
    keys.extend(more);
    one
}

/// What is proven of the last of these policies, in words.
fn proven(all: &[Value]) -> String {
    let policies = policies(all);
    let idle = policies.idle(&sources());
    let last = idle.into_iter().find(|(position, _)| position + 1 == all.len());
    match last.map(|(_, idle)| idle) {
        None => "-".to_owned(),
        Some(Idle::NoSource) => "no source".to_owned(),
        Some(Idle::Nothing) => "nothing".to_owned(),
        Some(Idle::Same(policy)) => format!("same {}", policy.name),
        Some(Idle::Shadowed(policies)) => {
            let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
            format!("shadowed {}", names.join(" "))
        }
    }
}

fn names(patterns: &[&str]) -> Value {
    json!({"select": {"names": patterns}})
}

fn tags(key: &str, value: &str) -> Value {
    json!({"select": {"tags": {key: value}}})
}

#[test]
fn a_policy_that_former_ones_shadow_wholly_is_found_with_their_names() {
    for (all, expected, comment) in [
        (vec![names(&["*"]), names(&["web-*"])], "shadowed a", "everything before something"),
        (vec![names(&["web-*"]), names(&["*"])], "-", "the right way round"),
        (vec![names(&["web-*"]), names(&["web-1", "web-2-*"])], "shadowed a", "both names"),
        (vec![names(&["web-*"]), names(&["web-1", "db-1"])], "-", "one name is left"),
        (
            vec![names(&["web-*"]), names(&["db-*"]), names(&["web-1", "db-1"])],
            "shadowed a b",
            "each name by another",
        ),
        (
            vec![names(&["web-*"]), names(&["db-*"]), names(&["*"]), names(&["web-1", "db-1"])],
            "shadowed a b",
            "the first of those that take it",
        ),
        (vec![names(&["*"]), tags("app", "shop")], "shadowed a", "a tag and any name"),
        (vec![names(&["a*"]), tags("app", "shop")], "-", "a tag and any name"),
        (vec![tags("app", "*"), tags("app", "sh*")], "shadowed a", "a wider value"),
        (vec![tags("app", "sh*"), tags("app", "s*")], "-", "a narrower value"),
        (vec![tags("app", "*"), tags("team", "*")], "-", "another tag"),
        (
            vec![tags("app", "shop"), json!({"select": {"tags": {"app": "shop", "team": "a"}}})],
            "shadowed a",
            "one more condition",
        ),
        (
            vec![json!({"select": {"tags": {"app": "shop"}, "names": ["web"]}}), names(&["web"])],
            "-",
            "one condition less",
        ),
        (vec![names(&["web-*"]), names(&["web-*"])], "same a", "word for word"),
        (vec![names(&["a", "b"]), names(&["b", "a"])], "same a", "in another order"),
        (vec![names(&["*"]), names(&["**"])], "same a", "written in another way"),
        (vec![names(&["a", "b*"]), names(&["b*", "a", "bc"])], "same a", "one name says less"),
        (vec![names(&["x"]), names(&["web"]), names(&["web"])], "same b", "the one that is equal"),
    ] {
        assert_eq!(proven(&all), expected, "{comment}: {all:?}");
    }
}

#[test]
fn the_sources_that_a_policy_speaks_about_count() {
    let account = |account: &str| json!({"accounts": [account]});
    let region = |region: &str| json!({"regions": [region]});
    for (all, expected, comment) in [
        (vec![json!({}), account("111111111111")], "shadowed a", "all before one account"),
        (vec![account("111111111111"), json!({})], "-", "one account before all"),
        (vec![account("111111111111"), account("333333333333")], "-", "each its own"),
        (
            vec![account("111111111111"), account("333333333333"), json!({})],
            "shadowed a b",
            "each source by another",
        ),
        (vec![region("us-east-1"), region("eu-west-1"), json!({})], "shadowed a b", "all Regions"),
        (vec![region("us-east-1"), account("333333333333")], "shadowed a", "it is only there"),
        (vec![region("us-east-1"), account("111111111111")], "-", "it is elsewhere too"),
        (
            vec![region("eu-west-1"), and(region("eu-west-1"), account("111111111111"))],
            "same a",
            "no other account has a source in that Region",
        ),
        (vec![account("444444444444")], "no source", "no such account"),
        (
            vec![and(region("eu-west-1"), account("333333333333"))],
            "no source",
            "this account has no source in that Region",
        ),
    ] {
        assert_eq!(proven(&all), expected, "{comment}: {all:?}");
    }
}

#[test]
fn exceptions_count_on_both_sides() {
    let except_names = |patterns: &[&str]| json!({"exclude": {"names": patterns}});
    let except_tag = |key: &str, value: &str| json!({"exclude": {"tags": {key: value}}});
    for (all, expected, comment) in [
        (vec![except_names(&["web-*"]), names(&["web-1"])], "-", "left to the second"),
        (vec![except_names(&["web-*"]), names(&["w*"])], "-", "in part"),
        (vec![except_names(&["web-*"]), names(&["db-*"])], "shadowed a", "it excepts others"),
        (vec![except_names(&["*-tmp"]), names(&["web-*"])], "-", "both match web-tmp"),
        (vec![except_names(&["a"]), except_names(&["a", "b"])], "shadowed a", "excepts more"),
        (vec![except_names(&["a", "b"]), except_names(&["a"])], "-", "excepts less"),
        (vec![except_names(&["web-1"]), except_names(&["web-*"])], "shadowed a", "a wider one"),
        (vec![except_names(&["a"]), except_names(&["a"])], "same a", "the same"),
        (vec![except_tag("app", "x*"), tags("app", "shop")], "shadowed a", "another value"),
        (vec![except_tag("app", "s*"), tags("app", "shop")], "-", "its value"),
        (vec![except_tag("app", "x"), tags("team", "a")], "-", "it may carry that tag too"),
        (
            vec![except_tag("app", "x"), and(tags("team", "a"), except_tag("app", "*"))],
            "shadowed a",
            "it excepts that tag itself",
        ),
        (vec![except_names(&["*"])], "nothing", "every name is excepted"),
        (vec![and(names(&["web-1"]), except_names(&["web-*"]))], "nothing", "its only name"),
        (vec![and(names(&["web-1", "db"]), except_names(&["web-*"]))], "-", "one name is left"),
        (vec![and(tags("app", "shop"), except_tag("app", "*"))], "nothing", "its only value"),
        (vec![and(tags("app", "*"), except_tag("app", "shop"))], "-", "other values are left"),
        (
            vec![names(&["db"]), and(names(&["web-1", "db"]), except_names(&["web-*"]))],
            "same a",
            "what is left is the same",
        ),
    ] {
        assert_eq!(proven(&all), expected, "{comment}: {all:?}");
    }
}

#[test]
fn what_would_take_too_long_to_prove_is_not_said() {
    let many: Vec<String> = (0..3_000).map(|n| format!("{n}-{}*", "x".repeat(20))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let reversed: Vec<&str> = many.iter().rev().copied().collect();
    assert_eq!(proven(&[names(&many), names(&reversed)]), "-");
    assert_eq!(proven(&[names(&many[..20]), names(&reversed[2_980..])]), "same a");
}

const TEXTS: [&str; 5] = ["", "a", "b", "ab", "ba"];

fn pattern() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["*", "a", "b", "a*", "*b", "*a*", "ab", ""])
}

fn spoken_of() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({}),
        json!({"accounts": ["111111111111"]}),
        json!({"accounts": ["333333333333"]}),
        json!({"regions": ["us-east-1"]}),
        json!({"regions": ["eu-west-1"]}),
    ])
}

fn conditions() -> impl Strategy<Value = Value> {
    (
        prop::collection::btree_map(prop::sample::select(vec!["t", "u"]), pattern(), 0..3),
        prop::collection::vec(pattern(), 0..3),
    )
        .prop_filter("no condition", |(tags, names)| !tags.is_empty() || !names.is_empty())
        .prop_map(|(tags, names)| json!({"tags": tags, "names": names}))
}

fn any_policy() -> impl Strategy<Value = Value> {
    (conditions(), prop::option::of(conditions()), spoken_of()).prop_map(
        |(select, exclude, mut keys)| {
            keys["select"] = select;
            if let Some(exclude) = exclude {
                keys["exclude"] = exclude;
            }
            keys
        },
    )
}

/// A tag with each value, and no tag.
fn values(key: &'static str) -> impl Iterator<Item = Option<(String, String)>> {
    let tagged = TEXTS.into_iter().map(move |value| Some((key.to_owned(), value.to_owned())));
    std::iter::once(None).chain(tagged)
}

/// Images of each name, with each value of both tags and without them.
fn images() -> Vec<crate::model::Image> {
    let mut images = Vec::new();
    for name in TEXTS {
        for t in values("t") {
            for u in values("u") {
                let tags = t.clone().into_iter().chain(u).collect();
                images.push(image().named(name).with(|image| image.tags = tags));
            }
        }
    }
    images
}

proptest! {
    #[test]
    fn what_is_proven_is_so_for_every_image(all in prop::collection::vec(any_policy(), 1..5)) {
        let (policies, sources) = (policies(&all), sources());
        let idle = policies.idle(&sources);
        for (image, source) in images().iter().flat_map(|i| sources.iter().map(move |s| (i, s))) {
            let selects = |policy: &Policy| policy.selects(source, image);
            for (position, idle) in &idle {
                let policy = &policies.0[*position];
                match idle {
                    Idle::NoSource | Idle::Nothing => prop_assert!(!selects(policy)),
                    Idle::Same(same) => prop_assert_eq!(selects(policy), selects(same)),
                    Idle::Shadowed(former) => {
                        let taken = former.iter().any(|former| selects(former));
                        prop_assert!(taken || !selects(policy));
                    }
                }
                let governing = policies.governing(source, image);
                prop_assert!(!governing.is_some_and(|governing| std::ptr::eq(governing, policy)));
            }
        }
    }

    #[test]
    fn a_policy_after_one_like_it_is_always_found(keys in any_policy(), other in any_policy()) {
        let found = proven(&[keys.clone(), other, keys]);
        prop_assert!(found != "-", "not found");
    }
}

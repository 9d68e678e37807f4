//! Which images a policy selects of which sources, in which families, and for which vaults.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::decide::tests::fixture::{With as _, image, policy};

/// A policy for everything, with these keys more or different.
fn with(keys: Value) -> Policy {
    policy(text_with(keys))
}

fn text_with(keys: Value) -> Value {
    let mut text = json!({
        "name": "daily", "select": {"names": ["*"]}, "family": {"tag": "app"},
        "target_regions": ["us-west-2"], "rpo": "24h",
    });
    let (Value::Object(all), Value::Object(keys)) = (&mut text, keys) else { panic!("no table") };
    all.extend(keys);
    text
}

fn source(account: &str, region: &str) -> SourceId {
    SourceId { account: account.parse().unwrap(), region: region.parse().unwrap() }
}

fn vault(text: &str) -> VaultId {
    text.parse().unwrap()
}

/// The ordinary source.
fn here() -> SourceId {
    source("111111111111", "us-east-1")
}

#[test]
fn an_image_is_selected_if_all_conditions_hold_and_no_exception_does() {
    // It is named `web 2026-01-15`, with the tags Name=web, app=shop, backup=daily.
    for (keys, expected, comment) in [
        (json!({}), true, "every name"),
        (json!({"select": {"tags": {"app": "shop"}, "names": ["web*"]}}), true, "both hold"),
        (json!({"select": {"tags": {"app": "shop"}, "names": ["db*"]}}), false, "only the tag"),
        (json!({"select": {"tags": {"app": "x"}, "names": ["web*"]}}), false, "only the name"),
        (json!({"select": {"tags": {"app": "*", "backup": "d*"}}}), true, "both tags"),
        (json!({"select": {"tags": {"app": "*", "stage": "*"}}}), false, "one tag is not there"),
        (json!({"select": {"names": ["db*", "web*"]}}), true, "one of the names"),
        (json!({"exclude": {"tags": {"app": "sh*"}}}), false, "excluded by its tag"),
        (json!({"exclude": {"tags": {"app": "x"}}}), true, "another value"),
        (json!({"exclude": {"tags": {"stage": "*"}}}), true, "a tag that it has not"),
        (json!({"exclude": {"tags": {"stage": "*", "app": "*"}}}), false, "any tag is enough"),
        (json!({"exclude": {"names": ["db*", "web*"]}}), false, "any name is enough"),
        (json!({"exclude": {"tags": {"app": "x"}, "names": ["web*"]}}), false, "the name alone"),
        (json!({"exclude": {"tags": {"app": "shop"}, "names": ["x"]}}), false, "the tag alone"),
        (json!({"accounts": ["111111111111"]}), true, "its account"),
        (json!({"accounts": ["333333333333", "111111111111"]}), true, "one of the accounts"),
        (json!({"accounts": ["333333333333"]}), false, "another account"),
        (json!({"regions": ["us-east-1"]}), true, "its Region"),
        (json!({"regions": ["eu-west-1"]}), false, "another Region"),
        (
            json!({"accounts": ["111111111111"], "regions": ["eu-west-1"]}),
            false,
            "its account in another Region",
        ),
    ] {
        assert_eq!(with(keys.clone()).selects(&here(), &image()), expected, "{comment}: {keys}");
    }
}

#[test]
fn the_first_policy_that_speaks_about_the_source_and_selects_governs() {
    let named = |name: &str, keys: Value| {
        let mut text = text_with(keys);
        text["name"] = json!(name);
        policy(text)
    };
    let all = Policies(
        vec![
            named("west", json!({"regions": ["us-west-1"]})),
            named("third", json!({"accounts": ["333333333333"]})),
            named("no-web", json!({"exclude": {"names": ["web*"]}})),
            named("rest", json!({})),
        ],
        Vec::new(),
    );
    let governing = |source: SourceId, name: &str| {
        all.governing(&source, &image().named(name)).map(|policy| policy.name.to_string())
    };
    for (account, region, name, expected) in [
        ("111111111111", "us-east-1", "db", "no-web"),
        ("111111111111", "us-east-1", "web", "rest"),
        ("111111111111", "us-west-1", "web", "west"),
        ("333333333333", "us-east-1", "web", "third"),
        ("333333333333", "us-west-1", "web", "west"),
    ] {
        assert_eq!(governing(source(account, region), name).as_deref(), Some(expected));
    }
}

#[test]
fn a_policy_covers_every_vault_of_its_regions_and_those_that_it_names() {
    let both = json!({"target_regions": ["us-west-2"], "vaults": ["222222222222/eu-west-1"]});
    let named = json!({"target_regions": [], "vaults": ["222222222222/us-west-2"]});
    for (keys, vaults) in [
        (json!({}), ["222222222222/us-west-2", "444444444444/us-west-2"].as_slice()),
        (named, &["222222222222/us-west-2"]),
        (both, &["222222222222/eu-west-1", "222222222222/us-west-2", "444444444444/us-west-2"]),
    ] {
        let policy = with(keys.clone());
        let all = ["222222222222", "444444444444"]
            .map(|account| ["eu-west-1", "us-west-2"].map(|region| format!("{account}/{region}")));
        let covered: Vec<String> =
            all.concat().into_iter().filter(|text| policy.covers(&vault(text))).collect();
        assert_eq!(covered, vaults, "{keys}");
    }
}

#[test]
fn a_family_is_a_tag_an_instance_or_one_name_for_all() {
    let of = |family: Value, image: &Image| with(json!({"family": family})).family.of(image);
    let web = image();
    let made_of = image().with(|image| image.source_instance = Some("i-0abcdef1".to_owned()));
    for (family, image, expected) in [
        (json!({"tag": "app"}), &web, "shop"),
        (json!({"tag": "team"}), &web, "web 2026-01-15"),
        (json!({"fixed": "all"}), &web, "all"),
        (json!({"instance": true}), &made_of, "i-0abcdef1"),
        (json!({"instance": true}), &web, "web 2026-01-15"),
        (json!({"tag": "app"}), &made_of, "shop"),
    ] {
        assert_eq!(of(family.clone(), image), expected, "{family}");
    }
}

#[test]
fn what_a_policy_leaves_out_has_its_default() {
    let policy = with(json!({}));
    assert_eq!(policy.exclude, Exclusion::default());
    assert_eq!((policy.accounts, policy.regions, policy.vaults), (vec![], vec![], vec![]));
    assert_eq!((policy.backfill, policy.max_age), (Backfill::All, None));
}

#[test]
fn a_key_that_means_nothing_is_refused_with_what_was_expected() {
    for (keys, expected) in [
        (json!({"accounts": []}), "an empty list names none"),
        (json!({"regions": []}), "an empty list names none"),
        (json!({"accounts": ["1"]}), "12 digits"),
        (json!({"vaults": ["us-west-2"]}), "expected account/region"),
        (json!({"exclude": {}}), "exclude needs tags or names"),
        (json!({"exclude": {"tag": {}}}), "unknown field `tag`"),
        (json!({"family": {"instance": false}}), "instance = false says nothing"),
        (json!({"family": {"instances": true}}), "unknown variant `instances`"),
        (json!({"backfill": "some"}), "expected \"all\", \"none\" or how many"),
        (json!({"max_age": "0s"}), "longer than nothing"),
    ] {
        let refused = serde_json::from_value::<Policy>(text_with(keys.clone())).unwrap_err();
        assert!(refused.to_string().contains(expected), "{keys}: {refused}");
    }
}

/// Short texts of few letters, so that patterns meet them.
const TEXT: &str = "[ab]{0,4}";
const PATTERN: &str = "[ab*]{1,4}";

proptest! {
    #[test]
    fn an_exception_only_takes_away_and_takes_what_meets_any_part_of_it(
        name in TEXT,
        value in TEXT,
        select in PATTERN,
        except_name in PATTERN,
        except_value in PATTERN,
    ) {
        let image = image().named(&name).tagged("app", &value);
        let plain = with(json!({"select": {"names": [select]}}));
        let excepting = with(json!({
            "select": {"names": [select]},
            "exclude": {"tags": {"app": except_value}, "names": [except_name]},
        }));
        let excepted = Pattern::new(except_name).matches(&name)
            || Pattern::new(except_value).matches(&value);
        let selected = excepting.selects(&here(), &image);
        prop_assert_eq!(selected, plain.selects(&here(), &image) && !excepted);
    }

    #[test]
    fn an_image_is_governed_by_a_policy_that_selects_it_and_no_former_one_does(
        name in TEXT,
        patterns in proptest::collection::vec((PATTERN, 0..3usize), 1..5),
    ) {
        let sources = [here(), source("333333333333", "us-east-1")];
        let policies = Policies(patterns.into_iter().map(|(pattern, speaks)| {
            let select = json!({"names": [pattern]});
            match speaks {
                0 => with(json!({"select": select})),
                1 => with(json!({"select": select, "accounts": ["111111111111"]})),
                _ => with(json!({"exclude": select, "regions": ["us-east-1"]})),
            }
        }).collect(), Vec::new());
        let image = image().named(&name);
        for source in sources {
            let governing = policies.governing(&source, &image);
            let expected = policies.0.iter().find(|policy| policy.selects(&source, &image));
            prop_assert!(governing.map(std::ptr::from_ref) == expected.map(std::ptr::from_ref));
        }
    }
}

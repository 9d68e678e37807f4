//! Where else a person may restore, and what such a place may not be.

use super::*;

/// The example with this destination.
fn beside(destination: &str) -> Result<Config, ConfigError> {
    let (before, after) = EXAMPLE.split_once("[[policy]]").unwrap();
    parse(&format!("{before}[[destination]]\n{destination}\n[[policy]]{after}"))
}

const FAR: &str = r#"account = "222222222222"
region = "eu-central-1"
bucket = "amiferry-far"
key_arn = "arn:aws:kms:eu-central-1:222222222222:key/11111111-2222-3333-4444-555555555555"
"#;

#[test]
fn a_destination_has_the_defaults_of_a_vault_and_is_found_by_its_place() {
    let config = beside(FAR).unwrap();
    let far = &config.destinations[0];
    assert_eq!((far.prefix.as_str(), far.restore_quota_gb.get()), ("amiferry", 600));
    assert_eq!((far.restore_calls, &far.role_arn), (CallRate::default(), &None));
    for name in ["222222222222/eu-central-1", "eu-central-1", "222222222222"] {
        assert_eq!(config.destination(name).unwrap().id(), far.id(), "{name}");
    }
    let refused = config.destination("eu-west-9").unwrap_err().to_string();
    assert!(refused.contains("no [[destination]] matches \"eu-west-9\""), "{refused}");
    assert!(refused.ends_with("222222222222/eu-central-1"), "{refused}");
}

#[test]
fn a_destination_in_another_account_has_a_role_there_and_also_one_of_a_source_is_allowed() {
    let there = |account: &str, role: &str| {
        let text = FAR.replace("222222222222", account);
        beside(&format!("{text}role_arn = \"arn:aws:iam::{role}:role/amiferry-destination\"\n"))
    };
    for account in ["444444444444", "111111111111"] {
        assert!(there(account, account).is_ok(), "{account}");
    }
    assert!(there("444444444444", "333333333333").is_err());
}

#[test]
fn what_a_destination_may_not_be_is_said_at_its_key() {
    let foreign = FAR.replace("222222222222", "444444444444");
    let in_vault = FAR.replace("eu-central-1", "us-west-2");
    let key = "arn:aws:kms:eu-central-1:222222222222";
    let cases = [
        (in_vault, "region", "222222222222/us-west-2 is a vault"),
        (format!("{FAR}[[destination]]\n{FAR}"), "region", "is configured twice"),
        (FAR.replace("amiferry-far", "amiferry-vault-222222222222"), "bucket", "used twice"),
        (foreign.clone(), "account", "there is no role_arn"),
        (FAR.replace(key, "arn:aws:kms:us-west-2:222222222222"), "key_arn", "destination's Region"),
        (FAR.replace(":key/", ":alias/"), "key_arn", "not the ARN of a KMS key"),
        (format!("{FAR}prefix = \"/x\"\n"), "prefix", "slash"),
        (format!("{FAR}restore_quota_gb = 9000000000\n"), "restore_quota_gb", "more than AWS"),
        (
            format!("{foreign}role_arn = \"arn:aws:iam::444444444444:user/x\"\n"),
            "role_arn",
            "not the ARN of a role",
        ),
    ];
    for (text, key, words) in cases {
        let problems = beside(&text).unwrap_err().problems;
        let found = problems.iter().find(|problem| problem.message.contains(words));
        let found = found.unwrap_or_else(|| panic!("{words}: {problems:#?}"));
        let line = found.place.as_ref().unwrap().line;
        let shown = format!("{found:?}");
        assert!(line > 0 && shown.contains(key), "{key}: {shown}");
    }
    let missing = beside("account = \"222222222222\"\n").unwrap_err();
    assert!(missing.problems.iter().any(|problem| problem.message.contains("`region`")));
}

#[test]
fn a_person_who_has_only_the_vault_keeps_the_destinations_whatever_is_wrong_elsewhere() {
    let (before, after) = EXAMPLE.split_once("[[policy]]").unwrap();
    let text = format!("{before}[[destination]]\n{FAR}\n[[policy]]{after}");
    let broken = text.replacen("name = \"production\"", "name = \"?\"", 1);
    for text in [&text, &broken] {
        let config = Config::parse_vaults(text, "amiferry.toml", &BTreeMap::new()).unwrap();
        assert_eq!((config.vaults.len(), config.destinations.len()), (1, 1));
    }
}

//! What is allowed in a configuration and warned of.

use super::*;

/// A configuration whose external id is there.
fn known(text: &str) -> Result<Config, ConfigError> {
    let env = BTreeMap::from([("AMIFERRY_EXTERNAL_ID".to_owned(), "hush-0123456789a".to_owned())]);
    Config::parse(text, "amiferry.toml", &env)
}

/// The messages of the warnings, each with the beginning of its line.
fn warnings(text: &str) -> Vec<(String, String)> {
    let warnings = known(text).unwrap().warnings;
    let shown = |problem: &Problem| {
        assert!(problem.fix.is_some(), "{problem:?}");
        let source = &problem.place.as_ref().unwrap().source;
        (problem.message.clone(), source.split(' ').next().unwrap_or_default().to_owned())
    };
    warnings.problems.iter().map(shown).collect()
}

#[test]
fn what_is_probably_not_meant_is_warned_of_at_its_place() {
    let (policy, second) = ("name = \"everything-else\"\n", "select = { names = [\"*\"] }");
    for (from, to, expected) in [
        ("rpo", "rpo", vec![]),
        (
            "select = { tags = { environment = \"production\" }, names = [\"*\"] }",
            "select = { names = [\"*\"] }",
            vec![("the policy everything-else selects the same images as production", "select")],
        ),
        (
            "select = { tags = { environment = \"production\" }, names = [\"*\"] }\n",
            "select = { tags = { environment = \"*\" } }\n",
            vec![],
        ),
        (
            &format!("{policy}{second}"),
            &format!(
                "{policy}select = {{ tags = {{ environment = \"production\", app = \"x\" }} }}"
            ),
            vec![(
                "the policy everything-else governs nothing: an earlier policy selects all its \
                 images: production",
                "select",
            )],
        ),
        (
            &format!("{policy}{second}"),
            &format!("{policy}{second}\nexclude = {{ names = [\"*\"] }}"),
            vec![(
                "the policy everything-else selects nothing: its exclude removes every image",
                "exclude",
            )],
        ),
        (
            "# accounts = [\"111111111111\"]",
            "accounts = [\"111111111111\", \"333333333333\"]",
            vec![(
                "accounts names 333333333333, and no [[source]] has it: no image of it is \
                 protected by this policy",
                "accounts",
            )],
        ),
        (
            "# regions = [\"us-east-1\"]",
            "regions = [\"eu-west-1\"]",
            vec![(
                "regions names eu-west-1, and no [[source]] has it: no image of it is protected \
                 by this policy",
                "regions",
            )],
        ),
        (
            "# vaults = [\"222222222222/us-west-2\"]",
            "vaults = [\"222222222222/eu-west-1\"]",
            vec![(
                "vaults names 222222222222/eu-west-1, and no [[vault]] is there: nothing is \
                 copied to it",
                "vaults",
            )],
        ),
    ] {
        assert!(EXAMPLE.contains(from), "the example has no {from:?}");
        let found = warnings(&EXAMPLE.replacen(from, to, 1));
        let found: Vec<(&str, &str)> =
            found.iter().map(|(message, line)| (message.as_str(), line.as_str())).collect();
        assert_eq!(found, expected, "{to}");
    }
}

#[test]
fn a_policy_about_an_account_and_a_region_that_no_source_has_together_is_warned_of_once() {
    let source = EXAMPLE.split_once("[[vault]]").map(|(source, _)| source).unwrap();
    let second = source.replace("111111111111", "333333333333").replace("us-east-1", "eu-west-1");
    let text = EXAMPLE
        .replace("# accounts = [\"111111111111\"]", "accounts = [\"111111111111\"]")
        .replace("# regions = [\"us-east-1\"]", "regions = [\"eu-west-1\"]");
    let warnings = known(&format!("{text}\n{second}")).unwrap().warnings;
    let shown = warnings.to_string();
    let told = "warning: the policy production applies to no configured [[source]]\n";
    assert_eq!(warnings.problems.len(), 1, "{shown}");
    assert!(shown.contains(told), "{shown}");
    assert!(shown.ends_with("from: 111111111111/us-east-1, 333333333333/eu-west-1"), "{shown}");
    assert!(shown.contains("| regions = [\"eu-west-1\"]\n"), "{shown}");
}

#[test]
fn copies_that_are_lost_with_their_originals_are_warned_of() {
    let same_account = EXAMPLE.replace("222222222222", "111111111111");
    let expected = "the vault is in account 111111111111, like the source \
                    111111111111/us-east-1: whoever controls that account controls the copies too";
    assert_eq!(warnings(&same_account), [(expected.to_owned(), "account".to_owned())]);
    let same_region = EXAMPLE.replace("us-west-2", "us-east-1");
    let expected = "the vault is in Region us-east-1, like the source 111111111111/us-east-1: an \
                    outage of the Region takes both";
    assert_eq!(warnings(&same_region), [(expected.to_owned(), "region".to_owned())]);
    let meant = same_region.replace("allow_same_region = false", "allow_same_region = true");
    assert_eq!(warnings(&meant), []);
    // A vault near a source that it gets nothing of is no doubt.
    let source = EXAMPLE.split_once("[[vault]]").map(|(source, _)| source).unwrap();
    let second = source.replace("111111111111", "333333333333").replace("us-east-1", "us-west-2");
    let only = "accounts = [\"111111111111\"]";
    let text = EXAMPLE.replace(&format!("# {only}"), only).replace(
        "select = { names = [\"*\"] }",
        &format!("select = {{ names = [\"*\"] }}\n{only}"),
    );
    assert_eq!(warnings(&format!("{text}\n{second}")), []);
}

#[test]
fn an_rpo_that_no_sweep_can_keep_is_warned_of() {
    let text = EXAMPLE.replacen("rpo = \"24h\"", "rpo = \"10m\"", 1);
    let expected = "the RPO of 10m is shorter than the sweep_interval of 15m: if the event of an \
                    image is lost, its RPO breaks before a sweep finds it";
    assert_eq!(warnings(&text), [(expected.to_owned(), "rpo".to_owned())]);
    let often = text.replace("sweep_interval = \"15m\"", "sweep_interval = \"10m\"");
    assert_eq!(warnings(&often), []);
}

#[test]
fn an_external_id_whose_variable_is_unset_is_warned_of() {
    let warnings = parse(EXAMPLE).unwrap().warnings;
    let [warning] = &warnings.problems[..] else { panic!("{warnings}") };
    assert_eq!(warning.message, "the environment variable AMIFERRY_EXTERNAL_ID is not set here");
    let source = &warning.place.as_ref().unwrap().source;
    assert!(source.starts_with("external_id_env"), "{source}");
}

#[test]
fn of_many_warnings_the_first_are_shown_and_the_others_counted() {
    let many: Vec<String> = (0..100).map(|number| format!("\"{number:012}\"")).collect();
    let text = EXAMPLE
        .replace("# accounts = [\"111111111111\"]", &format!("accounts = [{}]", many.join(",")));
    let warnings = known(&text).unwrap().warnings;
    assert_eq!(warnings.problems.len(), 50);
    assert!(warnings.to_string().contains("there are 51 more problems"), "{warnings}");
}

#[test]
fn thousands_of_policies_are_compared_in_bounded_effort() {
    let policy = |number: usize| {
        format!(
            "[[policy]]\nname = \"p{number}\"\nselect = {{ names = [\"*{number}*\"] }}\n\
             family = {{ tag = \"a\" }}\ntarget_regions = [\"us-west-2\"]\nrpo = \"24h\"\n"
        )
    };
    let head = EXAMPLE.split_once("[[policy]]").map(|(head, _)| head).unwrap();
    let policies: String = (0..6_000).map(policy).collect();
    let config = parse(&format!("{head}{policies}")).unwrap();
    assert_eq!(config.policies.0.len(), 6_000);
    // Later ones that match more digits come after the shorter ones that match them all.
    assert_eq!(config.warnings.problems.len(), 50);
}

#[test]
fn a_retired_family_that_nothing_can_have_is_warned_of_and_mistakes_are_refused() {
    let with = |entry: &str| format!("{EXAMPLE}\n[[retired]]\n{entry}\n");
    let since = "since = \"2026-11-30\"\nreason = \"closed\"";
    for (entry, expected) in [
        (format!("family = \"shop\"\npolicy = \"production\"\n{since}"), vec![]),
        (format!("family = \"shop\"\n{since}"), vec![]),
        (
            format!("family = \"shop\"\npolicy = \"everything-else\"\n{since}"),
            vec![("no policy has a family \"shop\": this retires nothing", "family")],
        ),
        (
            format!("family = \"shop\"\npolicy = \"gone\"\n{since}"),
            vec![(
                "there is no [[policy]] named \"gone\": this retires only what was recorded under it",
                "policy",
            )],
        ),
        (
            format!("family = \"shop\"\nsource = \"333333333333/us-east-1\"\n{since}"),
            vec![(
                "there is no [[source]] 333333333333/us-east-1: this retires only what the vaults \
                 have of it",
                "source",
            )],
        ),
    ] {
        let found = warnings(&with(&entry));
        let found: Vec<(&str, &str)> =
            found.iter().map(|(message, line)| (message.as_str(), line.as_str())).collect();
        assert_eq!(found, expected, "{entry}");
    }
    for (entry, expected) in [
        ("family = \"shop\"\nsince = \"30.11.2026\"\nreason = \"closed\"", "a day in quotes"),
        ("family = \"shop\"\nsince = 2026-11-30\nreason = \"closed\"", "a day in quotes"),
        ("family = \"shop\"\nsince = \"2026-11-30\"\nreason = \" \"", "the reason is empty"),
        (
            "family = \"\"\nsince = \"2026-11-30\"\nreason = \"closed\"",
            "no family has an empty name",
        ),
        ("family = \"shop\"\nsince = \"2026-11-30\"", "missing field `reason`"),
        ("name = \"shop\"\nsince = \"2026-11-30\"\nreason = \"closed\"", "unknown field `name`"),
    ] {
        let refused = known(&with(entry)).unwrap_err().to_string();
        assert!(refused.contains(expected), "{entry}: {refused}");
    }
    let twice = format!("family = \"shop\"\n{since}\n[[retired]]\nfamily = \"shop\"\n{since}");
    let refused = known(&with(&twice)).unwrap_err().to_string();
    assert!(refused.contains("shop is retired twice"), "{refused}");
}

#[test]
fn what_is_doubtful_is_told_beside_what_is_wrong_unless_it_depends_on_it() {
    let beside = |text: &str| {
        let refused = parse(text).unwrap_err();
        let told = refused.to_string();
        let shown = refused.warnings.iter().map(|doubt| doubt.message.clone());
        let shown: Vec<String> = shown.collect();
        for doubt in &shown {
            assert!(told.contains(&format!(": warning: {doubt}\n")), "{told}");
        }
        shown
    };
    let unset = "the environment variable AMIFERRY_EXTERNAL_ID is not set here";
    let rpo = "the RPO of 10m is shorter than the sweep_interval of 15m: if the event of an image is \
               lost, its RPO breaks before a sweep finds it";
    let account = "accounts names 333333333333, and no [[source]] has it: no image of it is protected \
                   by this policy";
    let doubtful = EXAMPLE.replacen("rpo = \"24h\"", "rpo = \"10m\"", 1).replacen(
        "# accounts = [\"111111111111\"]",
        "accounts = [\"111111111111\", \"333333333333\"]",
        1,
    );
    for (from, to, expected) in [
        ("kms:us-west-2", "kms:us-east-1", &[unset, account, rpo][..]),
        ("batch = 100", "batch = \"many\"", &[unset, account]),
        ("sweep_interval = \"15m\"", "sweep_interval = \"often\"", &[unset, account]),
        ("store_quota_gb = 1200", "store_quota_gb = 0", &[rpo]),
        ("rpo = \"7d\"", "rpo = \"soon\"", &[unset, rpo]),
        ("region = \"us-west-2\"", "region = \"the west\"", &[unset, rpo]),
    ] {
        assert!(doubtful.contains(from), "the example has no {from:?}");
        assert_eq!(beside(&doubtful.replacen(from, to, 1)), expected, "{to}");
    }
}

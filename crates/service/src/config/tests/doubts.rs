//! What is allowed in a configuration and warned of.

use super::*;

/// The messages of the warnings, each with the beginning of its line.
fn warnings(text: &str) -> Vec<(String, String)> {
    let warnings = parse(text).unwrap().warnings;
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
    let warnings = parse(&format!("{text}\n{second}")).unwrap().warnings;
    let shown = warnings.to_string();
    let told = "warning: the policy production applies to no configured [[source]]\n";
    assert_eq!(warnings.problems.len(), 1, "{shown}");
    assert!(shown.contains(told), "{shown}");
    assert!(shown.ends_with("from: 111111111111/us-east-1, 333333333333/eu-west-1"), "{shown}");
    assert!(shown.contains("| regions = [\"eu-west-1\"]\n"), "{shown}");
}

#[test]
fn of_many_warnings_the_first_are_shown_and_the_others_counted() {
    let many: Vec<String> = (0..100).map(|number| format!("\"{number:012}\"")).collect();
    let text = EXAMPLE
        .replace("# accounts = [\"111111111111\"]", &format!("accounts = [{}]", many.join(",")));
    let warnings = parse(&text).unwrap().warnings;
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

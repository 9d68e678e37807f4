//! Which crate may depend on which: the arrows of ARCHITECTURE.md, read from every `Cargo.toml`.

use std::collections::BTreeSet;

use crate::repository::{read, toml};

/// Each workspace member, and those of ours that it may name as a normal dependency.
const MAY_USE: &[(&str, &[&str])] = &[
    ("crates/core", &[]),
    ("crates/aws", &["core"]),
    ("crates/service", &["core"]),
    ("crates/source-worker", &["core", "service", "aws"]),
    ("crates/target-worker", &["core", "service", "aws", "audit"]),
    ("crates/audit", &["core"]),
    ("crates/recovery", &["core", "service", "aws", "audit", "target-worker"]),
    ("crates/prune", &["core", "service", "aws", "audit", "target-worker"]),
    ("crates/hostile", &["core", "service"]),
    ("crates/simulator", &["core"]),
    ("crates/cli", EVERYTHING),
    ("tests", EVERYTHING),
];

const EVERYTHING: &[&str] = &[
    "core",
    "aws",
    "service",
    "source-worker",
    "target-worker",
    "audit",
    "recovery",
    "prune",
    "simulator",
    "cli",
];

/// What core must be without: runtimes, the SDK, the network, and every source of randomness.
const IMPURE: &[&str] =
    &["tokio", "aws", "hyper", "http", "rand", "fastrand", "getrandom", "uuid", "chrono"];

/// The names in one table of a member's manifest.
fn dependencies(member: &str, table: &str) -> BTreeSet<String> {
    let manifest = toml(&format!("{member}/Cargo.toml"));
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    assert!(targets.is_none(), "{member}: platform tables are not read by this test");
    let table = manifest.get(table).and_then(|table| table.as_table());
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn of_ours(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().filter_map(|name| name.strip_prefix("amiferry-")).collect()
}

/// The names of all crates as Rust spells them.
pub fn crate_names() -> BTreeSet<String> {
    let names = MAY_USE.iter().map(|(member, _)| member.rsplit('/').next().unwrap_or(member));
    names.map(|name| format!("amiferry_{}", name.replace('-', "_"))).collect()
}

#[test]
fn every_member_of_the_workspace_has_its_row_in_the_rules() {
    let manifest = toml("Cargo.toml");
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<&str> = members.iter().map(|member| member.as_str().unwrap()).collect();
    let ruled: BTreeSet<&str> = MAY_USE.iter().map(|(member, _)| *member).collect();
    assert_eq!(members, ruled);
}

#[test]
fn a_crate_depends_only_on_those_it_may_use() {
    for (member, allowed) in MAY_USE {
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        for table in ["dependencies", "build-dependencies"] {
            let used = dependencies(member, table);
            let extra: Vec<_> = of_ours(&used).difference(&allowed).copied().collect();
            assert!(extra.is_empty(), "{member} may not depend on {extra:?}");
        }
        // Its tests may also use the simulated AWS, which is the one fake there is.
        let in_tests = dependencies(member, "dev-dependencies");
        let extra: Vec<_> = of_ours(&in_tests)
            .into_iter()
            .filter(|name| *name != "simulator" && !allowed.contains(name))
            .collect();
        assert!(extra.is_empty(), "the tests of {member} may not depend on {extra:?}");
    }
}

#[test]
fn core_has_no_runtime_no_sdk_no_network_and_no_randomness() {
    for name in dependencies("crates/core", "dependencies") {
        let impure =
            IMPURE.iter().find(|word| name == **word || name.starts_with(&format!("{word}-")));
        assert!(impure.is_none(), "core depends on {name}");
    }
}

#[test]
fn only_the_aws_crate_names_the_sdk() {
    for (member, _) in MAY_USE.iter().filter(|(member, _)| *member != "crates/aws") {
        for name in dependencies(member, "dependencies") {
            let sdk = name.starts_with("aws-sdk-") || name == "aws-config";
            assert!(!sdk, "{member} depends on {name}; only crates/aws may");
        }
    }
    assert!(dependencies("crates/aws", "dependencies").contains("aws-sdk-ec2"));
}

#[test]
fn versions_stand_in_the_workspace_table_and_nowhere_else() {
    for (member, _) in MAY_USE {
        let manifest = toml(&format!("{member}/Cargo.toml"));
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(table).and_then(|table| table.as_table()) else {
                continue;
            };
            for (name, value) in table {
                let inherited = value.get("workspace").is_some_and(|w| w.as_bool() == Some(true));
                assert!(inherited, "{member}: {name} gives its own version or path");
            }
        }
    }
}

#[test]
fn mistakes_can_be_planted_only_where_a_test_asks_for_it() {
    for (member, _) in MAY_USE {
        let manifest = toml(&format!("{member}/Cargo.toml"));
        let features = manifest.get("features").and_then(|features| features.as_table());
        let names: Vec<&str> =
            features.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let expected: &[&str] = match *member {
            "crates/core" | "tests" => &["planted-bugs"],
            _ => &[],
        };
        assert_eq!(names, expected, "{member}: no default feature, and none that passes it on");
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in
                manifest.get(table).and_then(|table| table.as_table()).into_iter().flatten()
            {
                let features = value.get("features").map(ToString::to_string).unwrap_or_default();
                assert!(!features.contains("planted"), "{member} asks {name} for it");
            }
        }
    }
    let workspace = toml("Cargo.toml")["workspace"]["dependencies"].to_string();
    assert!(!workspace.contains("planted"), "the workspace's table asks for it");
    // A binary with the feature does not compile.
    assert!(read("crates/cli/src/main.rs").contains("assert!(!amiferry_core::planted::POSSIBLE)"));
}

#[test]
fn the_code_map_has_a_row_for_every_member_and_names_no_other_crate() {
    let page = read("ARCHITECTURE.md");
    for (member, _) in MAY_USE {
        assert!(page.contains(&format!("`{member}`")), "ARCHITECTURE.md has no row for {member}");
    }
    for quoted in page.split('`').skip(1).step_by(2) {
        if let Some(rest) = quoted.strip_prefix("crates/") {
            let member = format!("crates/{}", rest.split('/').next().unwrap());
            let known = MAY_USE.iter().any(|(known, _)| *known == member);
            assert!(known, "ARCHITECTURE.md names {quoted}, and there is no {member}");
        }
    }
}

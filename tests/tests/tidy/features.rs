//! Both commands of the README build every third-party crate with the same features, so that the
//! second compiles none of them again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::repository::root;

/// The third-party crates of a selection of members, each with the sets of features that it is built
/// with: one for programs, and perhaps another for macros and build scripts.
fn features(selection: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["tree", "--locked", "--offline", "--prefix=none"]);
    let output = cargo.args(["--format={p}\t{f}", "--no-dedupe"]).args(selection).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{selection:?}: {complaint}");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some((name, features)) = line.split_once('\t') else { continue };
        if !name.contains(" (/") {
            found.entry(name.to_owned()).or_default().insert(features.to_owned());
        }
    }
    found
}

#[test]
fn the_demo_and_the_tests_build_every_third_party_crate_with_the_same_features() {
    let demo = features(&["--edges=normal,build"]);
    let tests = features(&["--workspace", "--edges=normal,build,dev"]);
    assert!(demo.len() > 100, "{} crates: are they read?", demo.len());
    for (name, features) in demo {
        assert_eq!(tests.get(&name), Some(&features), "{name}: tests and demo");
    }
}

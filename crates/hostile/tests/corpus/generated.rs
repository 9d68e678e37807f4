//! Runs every body that the mutators make from the valid ones through its parser's check.

use std::collections::BTreeMap;

use amiferry_hostile::{
    Checked, Mutator, Outcome, bytes, check_config, check_event, check_manifest, check_note,
    check_tags, config, event, lines, manifest, note, tags, tree,
};

/// Most violations that one test shows.
const SHOWN: usize = 5;

/// Counts of one mutator.
#[derive(Default)]
struct Count {
    bodies: usize,
    refused: usize,
    accepted: usize,
}

/// What a parser did with everything that these mutators make of its valid bodies.
#[derive(Default)]
struct Corpus {
    counts: BTreeMap<&'static str, Count>,
    codes: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Corpus {
    fn run(&mut self, body: &str, mutators: &[Mutator], check: fn(&[u8]) -> Checked) {
        for mutator in mutators {
            for made in (mutator.make)(body) {
                let count = self.counts.entry(mutator.name).or_default();
                count.bodies += 1;
                match check(&made) {
                    Ok(Outcome::Refused(code)) => {
                        count.refused += 1;
                        *self.codes.entry(code).or_default() += 1;
                    }
                    Ok(outcome) => {
                        count.accepted += usize::from(outcome == Outcome::Accepted);
                        if mutator.refused {
                            self.wrong(mutator, &made, "it was not refused");
                        }
                    }
                    Err(what) => self.wrong(mutator, &made, &what),
                }
            }
        }
    }

    fn wrong(&mut self, mutator: &Mutator, body: &[u8], what: &str) {
        let body: String = String::from_utf8_lossy(body).chars().take(1500).collect();
        let what: String = what.chars().take(600).collect();
        self.wrong.push(format!("{}: {what}\n  in {body}", mutator.name));
    }

    /// Prints the counts; fails on any violation and on a corpus that has become small.
    fn end(self, parser: &str, least: usize) {
        println!("{parser}:");
        for (name, Count { bodies, refused, accepted }) in &self.counts {
            println!("  {name:36} {bodies:6} bodies, {refused:6} refused, {accepted:6} accepted");
            assert!(*bodies > 0, "{name} makes nothing");
        }
        println!("  refused by code: {:?}", self.codes);
        let sum: usize = self.counts.values().map(|count| count.bodies).sum();
        println!("  {sum} in all");
        let shown: Vec<&String> = self.wrong.iter().take(SHOWN).collect();
        assert!(self.wrong.is_empty(), "{} are wrong, among them {shown:#?}", self.wrong.len());
        assert!(sum >= least, "{parser}: only {sum} bodies");
    }
}

#[test]
fn no_message_made_of_a_valid_one_is_accepted_outside_the_configuration() {
    let mut corpus = Corpus::default();
    for (name, body) in event::VALID {
        // Without line breaks, so that a cut or a flip meets what is read.
        let body = serde_json::from_str::<serde_json::Value>(body).unwrap().to_string();
        let valid = check_event(body.as_bytes()).unwrap();
        // This one tells of a copy into an account that is not configured.
        let foreign = Outcome::Refused("foreign_account".to_owned());
        assert!(valid != foreign || name == "copy_job", "{name} is refused");
        for mutators in [bytes::ALL, bytes::CLOSED, tree::ALL, tree::LARGE] {
            // A test event has no list and no identity to change.
            corpus.run(&body, mutators, check_event);
        }
    }
    corpus.end("events", 5000);
}

#[test]
fn no_manifest_made_of_the_valid_one_is_complete_with_other_facts() {
    let body = manifest::valid().unwrap();
    assert_eq!(check_manifest(body.as_bytes()), Ok(Outcome::Accepted));
    let body = serde_json::from_str::<serde_json::Value>(&body).unwrap().to_string();
    let mut corpus = Corpus::default();
    for mutators in [bytes::ALL, bytes::CLOSED, tree::ALL, tree::LARGE] {
        corpus.run(&body, mutators, check_manifest);
    }
    corpus.end("manifests", 5000);
}

#[test]
fn no_note_made_of_the_valid_one_leads_to_another_copy_than_it_tells_of() {
    let body = note::valid().unwrap();
    assert_eq!(check_note(body.as_bytes()), Ok(Outcome::Accepted));
    let body = serde_json::from_str::<serde_json::Value>(&body).unwrap().to_string();
    let mut corpus = Corpus::default();
    for mutators in [bytes::ALL, bytes::CLOSED, tree::ALL, tree::LARGE] {
        corpus.run(&body, mutators, check_note);
    }
    corpus.end("notes", 5000);
}

#[test]
fn no_configuration_made_of_the_example_is_accepted_against_its_rules() {
    // Comments would only add mutations of text that no parser reads.
    let body: String = config::valid()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(check_config(body.as_bytes()), Ok(Outcome::Accepted));
    let mut corpus = Corpus::default();
    corpus.run(&body, bytes::ALL, check_config);
    corpus.run(&body, lines::TOML, check_config);
    corpus.end("configurations", 5000);
}

#[test]
fn no_tags_made_of_ours_pass_for_ours() {
    assert_eq!(check_tags(tags::VALID.as_bytes()), Ok(Outcome::Accepted));
    let mut corpus = Corpus::default();
    corpus.run(tags::VALID, bytes::ALL, check_tags);
    corpus.run(tags::VALID, lines::TAGS, check_tags);
    corpus.end("tags", 3000);
}

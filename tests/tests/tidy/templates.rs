//! The policies and patterns in the templates are those of `deploy/iam` and `deploy/events`.
//!
//! A line such as `PolicyDocument: # deploy/iam/queue.json` says which file stands below it.

use std::fmt::Write as _;

use crate::check::check;
use crate::document::Document;
use crate::repository::{files, read};

const ALL: [(&str, &[(&str, &str)]); 3] = [
    ("deploy/cloudformation/vault.yaml", VAULT),
    ("deploy/cloudformation/source.yaml", SOURCE),
    ("deploy/cloudformation/destination.yaml", DESTINATION),
];

/// What the placeholders are in the vault's stack.
const VAULT: &[(&str, &str)] = &[
    ("BreakGlassRole", "arn:aws:iam::${AWS::AccountId}:role/${BreakGlassRoleName}"),
    ("ExternalIdSecret", "${ExternalIdSecret}"),
    ("ListenTokenSecret", "${ListenTokenSecret}"),
    ("LogGroup", "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${LogGroup}:*"),
    ("MaxRetentionDays", "${MaxRetentionDays}"),
    (
        "MetricsLogGroup",
        "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${MetricsLogGroup}:*",
    ),
    ("Queue", "${VaultQueue.Arn}"),
    ("QueueAccount", "${AWS::AccountId}"),
    ("Rules", "arn:aws:events:${AWS::Region}:${AWS::AccountId}:rule/amiferry-*"),
    ("TaskAccount", "${AWS::AccountId}"),
    ("VaultAccount", "${AWS::AccountId}"),
    ("VaultBucket", "${VaultBucket}"),
    ("VaultBus", "arn:aws:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"),
    ("VaultKey", "${VaultKey.Arn}"),
    ("VaultQueue", "${VaultQueue.Arn}"),
    ("VaultRegion", "${AWS::Region}"),
];

/// What they are in the stack of a source.
const SOURCE: &[(&str, &str)] = &[
    ("ExternalId", "${ExternalId}"),
    ("ListenTokenSecret", "${ListenTokenSecret}"),
    ("LogGroup", "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${LogGroup}:*"),
    (
        "MetricsLogGroup",
        "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${MetricsLogGroup}:*",
    ),
    ("Queue", "${SourceQueue.Arn}"),
    ("QueueAccount", "${AWS::AccountId}"),
    ("Rules", "arn:aws:events:${AWS::Region}:${AWS::AccountId}:rule/amiferry-*"),
    ("SourceAccount", "${AWS::AccountId}"),
    ("SourceQueue", "${SourceQueue.Arn}"),
    ("SourceRegion", "${AWS::Region}"),
    ("StagingBucket", "${StagingBucket}"),
    ("StagingKey", "${StagingKey.Arn}"),
    ("TaskAccount", "${AWS::AccountId}"),
    ("VaultAccount", "${VaultAccount}"),
    ("VaultBucket", "amiferry-vault-${VaultAccount}-${VaultRegion}"),
    ("VaultBus", "arn:aws:events:${VaultRegion}:${VaultAccount}:event-bus/default"),
    ("VaultReaders", "arn:aws:iam::${VaultAccount}:role/amiferry-vault-*"),
];

/// What they are in the stack of a destination.
const DESTINATION: &[(&str, &str)] = &[
    ("DestinationAccount", "${AWS::AccountId}"),
    ("DestinationBucket", "${DestinationBucket}"),
    ("DestinationKey", "${DestinationKey.Arn}"),
    ("DestinationRegion", "${AWS::Region}"),
    ("VaultAccount", "${VaultAccount}"),
];

/// The parameters of the vault's stack that are lists.
const LISTS: [&str; 2] = ["${SourceAccounts}", "${DestinationAccounts}"];

/// How the template writes a text that stands for a whole list.
fn reference(text: &str) -> Option<String> {
    let name = LISTS.iter().find(|list| **list == text)?;
    Some(format!("!Ref {}", name.trim_start_matches("${").trim_end_matches('}')))
}

/// A text of a document as the template writes it.
fn scalar(text: &str, names: &[(&str, &str)]) -> String {
    if let Some(list) = reference(text) {
        return list;
    }
    let (mut written, mut is_filled) = (String::new(), false);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap();
        written.push_str(before);
        if name.contains(':') {
            // A policy variable, which CloudFormation must leave alone.
            write!(written, "${{!{name}}}").unwrap();
        } else {
            let value = names.iter().find(|(known, _)| *known == name);
            written.push_str(value.unwrap_or_else(|| panic!("no stack fills {name} in {text}")).1);
            is_filled = true;
        }
        rest = after;
    }
    written.push_str(rest);
    if is_filled { format!("!Sub \"{written}\"") } else { format!("\"{text}\"") }
}

/// The lines of a value below its key.
fn lines(document: &Document, indent: usize, names: &[(&str, &str)]) -> Vec<String> {
    let margin = " ".repeat(indent);
    let mut written = Vec::new();
    match document {
        Document::Text(text) => written.push(format!("{margin}{}", scalar(text, names))),
        Document::Object(entries) => {
            for (key, value) in entries {
                // YAML reads a bare Null as no text.
                let bare = key != "Null" && !key.contains(':');
                let key = if bare { key.clone() } else { format!("\"{key}\"") };
                match value {
                    Document::Text(text) => {
                        written.push(format!("{margin}{key}: {}", scalar(text, names)));
                    }
                    nested => match nested.texts_if_list().as_slice() {
                        [text] if reference(text).is_some() => {
                            written.push(format!("{margin}{key}: {}", scalar(text, names)));
                        }
                        _ => {
                            written.push(format!("{margin}{key}:"));
                            written.extend(lines(nested, indent + 2, names));
                        }
                    },
                }
            }
        }
        Document::List(entries) => {
            for entry in entries {
                let mut below = lines(entry, indent + 2, names);
                below[0] = format!("{margin}- {}", below[0].trim_start());
                written.extend(below);
            }
        }
    }
    written
}

impl Document {
    /// The texts of a list of texts; none of any other.
    fn texts_if_list(&self) -> Vec<&str> {
        match self {
            Self::List(entries) if entries.iter().all(|one| matches!(one, Self::Text(_))) => {
                self.texts()
            }
            Self::Text(_) | Self::List(_) | Self::Object(_) => Vec::new(),
        }
    }
}

/// The file that a line names, and whether only its statement without the Sid stands below it.
fn named(line: &str) -> Option<(&str, bool)> {
    let (_, comment) = line.split_once(": # deploy/")?;
    let (path, more) = comment.split_once(".json")?;
    assert!(more.is_empty() || more == " the only statement", "{line}");
    let start = line.len() - comment.len() - "deploy/".len();
    Some((&line[start..start + "deploy/".len() + path.len() + ".json".len()], !more.is_empty()))
}

/// The template with what stands below each such line made from the file.
fn made(template: &str, names: &[(&str, &str)]) -> (String, Vec<String>) {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let text = read(template);
    let (mut whole, mut used) = (String::new(), Vec::new());
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        writeln!(whole, "{line}").unwrap();
        let Some((path, alone)) = named(line) else { continue };
        while rest.next_if(|next| !next.trim().is_empty() && depth(next) > depth(line)).is_some() {}
        let mut document = Document::read(path);
        if alone {
            let [statement] = document.statements() else { panic!("{path}: one statement") };
            let Document::Object(mut entries) = statement.clone() else { panic!("{path}") };
            entries.retain(|(key, _)| key != "Sid");
            document = Document::Object(entries);
        }
        // An element of a list begins two columns further right.
        let list = if line.trim_start().starts_with("- ") { 2 } else { 0 };
        for below in lines(&document, depth(line) + list + 2, names) {
            writeln!(whole, "{below}").unwrap();
        }
        used.push(path.to_owned());
    }
    (whole, used)
}

#[test]
fn the_templates_have_the_policies_and_patterns_of_the_files() {
    let mut used = Vec::new();
    for (template, names) in ALL {
        let (whole, paths) = made(template, names);
        check(template, &whole);
        used.extend(paths);
    }
    let files: Vec<String> =
        ["deploy/iam", "deploy/events"].iter().flat_map(|folder| files(folder, "json")).collect();
    for file in &files {
        assert!(used.contains(file), "no template has {file}");
    }
}

#[test]
fn no_policy_stands_in_a_template_by_hand() {
    for (template, _) in ALL {
        for line in read(template).lines() {
            let element = line.trim_start().trim_start_matches("- ");
            let begins =
                ["PolicyDocument:", "AssumeRolePolicyDocument:", "KeyPolicy:", "EventPattern:"];
            if begins.iter().any(|begin| element.starts_with(begin)) {
                assert!(named(line).is_some(), "{template}: {line}: name the file that it is from");
            }
        }
    }
}

//! The files of `deploy/iam`: the simulator's landscape and the page of permissions are made from
//! them.

use std::fmt::Write as _;

use crate::document::Document;
use crate::repository::{files, read};

const BEGIN: &str = "<!-- From here on made from deploy/iam by tests/tests/tidy/policies.rs. -->\n";
const END: &str = "<!-- Until here. -->\n";

/// The only principal that may delete.
const PRUNE: &str = "vault-prune";

/// The policies of principals, in the order of the page.
const PRINCIPALS: [(&str, &str); 8] = [
    ("source worker", "source-worker"),
    ("target worker", "vault-worker"),
    ("read role, which the vault assumes in a source", "source-read"),
    ("restore operator: `amiferry restore`, `lookup`, `rebuild`", "vault-restore"),
    ("the same for a destination: `restore --into` copies to it", "destination-copy"),
    ("who makes images in a destination: the operator, or a role there", "destination-restore"),
    ("retention: `amiferry prune`", PRUNE),
    ("auditor: `amiferry status`, `audit`, `show`", "vault-audit"),
];

/// Files that only templates use: the simulator has neither tasks nor roles of rules.
const ONLY_IN_TEMPLATES: [&str; 7] = [
    "forward-events",
    "forward-events.trust",
    "task-metrics",
    "task-secret",
    "task-start",
    "task-token",
    "task.trust",
];

fn code(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

/// A condition block as the page shows it.
fn conditions(statement: &Document) -> String {
    let Some(Document::Object(operators)) = statement.get("Condition") else {
        return String::new();
    };
    let mut shown = Vec::new();
    for (operator, keys) in operators {
        let Document::Object(keys) = keys else { panic!("{operator} has keys") };
        for (key, values) in keys {
            // Not as code: the page's code of this form is an action.
            shown.push(format!("{key} {operator} {}", code(&values.texts())));
        }
    }
    shown.join(" and ")
}

/// Whether a statement takes away what others allow.
fn denies(statement: &Document) -> bool {
    statement.get("Effect").unwrap().texts() == ["Deny"]
}

/// The page of permissions with a new table of principals.
pub fn with_table(page: &str) -> String {
    let (before, rest) = page.split_once(BEGIN).expect("the page has its table of principals");
    let (_, after) = rest.split_once(END).expect("the table of principals has an end");
    let mut whole = format!("{before}{BEGIN}\n| principal | may | on | if |\n|---|---|---|---|\n");
    for (name, file) in PRINCIPALS {
        let path = format!("deploy/iam/{file}.json");
        for (n, statement) in Document::read(&path).statements().iter().enumerate() {
            let principal =
                if n == 0 { format!("{name}: [{file}](../{path})") } else { String::new() };
            let denied = if denies(statement) { "**not** " } else { "" };
            let actions = code(&statement.get("Action").unwrap().texts());
            let resources = code(&statement.get("Resource").unwrap().texts());
            let conditions = conditions(statement);
            writeln!(whole, "| {principal} | {denied}{actions} | {resources} | {conditions} |")
                .unwrap();
        }
    }
    format!("{whole}\n{END}{after}")
}

#[test]
fn the_landscape_is_made_from_every_policy_that_it_can_have() {
    let landscape = read("crates/simulator/src/landscape/policies.rs");
    for path in files("deploy/iam", "json") {
        let name = path.strip_prefix("deploy/iam/").unwrap();
        let taken = landscape.contains(&format!("file!(\"iam/{name}\")"));
        let stem = name.strip_suffix(".json").unwrap();
        assert_ne!(taken, ONLY_IN_TEMPLATES.contains(&stem), "{path}");
    }
    assert!(!landscape.contains("Effect"), "a policy is written down in the landscape");
}

#[test]
fn no_principal_but_retention_may_delete_and_none_may_share_or_destroy() {
    let forbidden = [
        "ec2:DeregisterImage",
        "ec2:DeleteSnapshot",
        "ec2:ModifySnapshotAttribute",
        "ec2:DisableImageDeregistrationProtection",
        "kms:DisableKey",
        "kms:PutKeyPolicy",
        "kms:ScheduleKeyDeletion",
        "s3:BypassGovernanceRetention",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutBucketPolicy",
        "s3:PutBucketVersioning",
        "s3:PutLifecycleConfiguration",
    ];
    // What a prune deletes, it deletes for good, and nothing else.
    let pruned = [
        "ec2:DeregisterImage",
        "ec2:DeleteSnapshot",
        "ec2:DisableImageDeregistrationProtection",
        "s3:DeleteObjectVersion",
    ];
    for (_, file) in PRINCIPALS {
        let forbidden = forbidden.iter().filter(|one| file != PRUNE || !pruned.contains(one));
        let document = Document::read(&format!("deploy/iam/{file}.json"));
        let allowed = document.statements().iter().filter(|one| !denies(one));
        for action in allowed.flat_map(|one| one.get("Action").unwrap().texts()) {
            let start = action.strip_suffix('*').unwrap_or(action);
            let hit = forbidden.clone().find(|one| {
                if start.len() < action.len() { one.starts_with(start) } else { **one == action }
            });
            assert!(hit.is_none(), "{file} allows {action}");
        }
    }
}

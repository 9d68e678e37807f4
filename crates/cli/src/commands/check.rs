//! `amiferry check`: what a deployment lacks, and what to paste where.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use amiferry_audit::page::view::Tone;
use amiferry_audit::render::{self, Look, behind, wrapped};
use amiferry_core::check::{Finding, Hop, Level, worst};
use amiferry_core::ids::AccountId;
use amiferry_core::refusal::Statement;
use amiferry_service::config::{Config, ProcessEnv};
use amiferry_service::preflight::{Findings, UnmetKind};
use amiferry_service::telemetry::{self, LogFormat};
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use anyhow::Context;
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::json;

use super::session;
use crate::args::{self, Check, DemoOutput};
use crate::exit::Exit;
use crate::runtime;
use crate::terminal::{look, print, tell};

/// The version of the JSON.
const SCHEMA_VERSION: u32 = 1;

/// Parts that are checked at once.
const PARTS_AT_ONCE: usize = 8;

/// All findings.
#[derive(Debug, Serialize)]
struct Checked {
    schema_version: u32,
    worst: Level,
    parts: Vec<Part>,
}

/// The findings of one worker.
#[derive(Debug, Serialize)]
struct Part {
    /// `source` or `target`.
    worker: &'static str,
    account: AccountId,
    region: amiferry_core::ids::Region,
    findings: Vec<Finding>,
    /// Why the worker would not start, by kind.
    #[serde(skip)]
    stopped_by: Option<UnmetKind>,
}

/// Runs `amiferry check`.
///
/// # Errors
/// A bad configuration, or a directory that cannot be written.
pub fn check(check: &Check) -> anyhow::Result<ExitCode> {
    // What the workers log about their start is among the findings.
    telemetry::start(LogFormat::Human, "off", &ProcessEnv)?;
    let config = Config::load(&check.file.config)?;
    let parts = runtime::until_signal(parts(&config, check))?;
    let worst = worst(parts.iter().flat_map(|part| &part.findings));
    let checked = Checked { schema_version: SCHEMA_VERSION, worst, parts };
    if let Some(dir) = &check.fix_dir {
        write_statements(&checked, dir)?;
    }
    print(&match check.output {
        DemoOutput::Table => table(&checked, look()),
        DemoOutput::Json => render::json(&checked)?,
    })?;
    Ok(exit(&checked).into())
}

async fn parts(config: &Config, check: &Check) -> anyhow::Result<Vec<Part>> {
    let part = check.part;
    let accounts: Vec<&AccountId> = config
        .sources
        .iter()
        .map(|source| &source.account)
        .chain(config.vaults.iter().map(|vault| &vault.account))
        .collect();
    let mut found = Vec::new();
    let sources = config.sources.iter().filter(|_| part != args::Part::Target);
    let asked: Vec<_> = sources
        .map(|source| async {
            let session = session::source(config, source).await?;
            let findings = source_worker::preflight::examine(config, source, &session).await;
            let named = config.source_profile(source).is_some();
            anyhow::Ok(Part {
                worker: "source",
                account: source.account.clone(),
                region: source.region.clone(),
                stopped_by: findings.stopped_by(),
                findings: reworded(findings, &source.account, &accounts, named),
            })
        })
        .collect();
    let mut answers = stream::iter(asked).buffered(PARTS_AT_ONCE);
    while let Some(part) = answers.next().await {
        found.push(part?);
    }
    for vault in config.vaults.iter().filter(|_| part != args::Part::Source) {
        let session = session::vault(config, vault).await?;
        let observer = target_worker::assemble::observer(config, vault, &session);
        let findings =
            target_worker::preflight::examine(config, vault, &session, &observer, check.canary)
                .await;
        let named = config.vault_profile(vault).is_some();
        found.push(Part {
            worker: "target",
            account: vault.account.clone(),
            region: vault.region.clone(),
            stopped_by: findings.stopped_by(),
            findings: reworded(findings, &vault.account, &accounts, named),
        });
    }
    Ok(found)
}

/// The credentials of one account of the deployment do not prove anything about another one: that is no
/// failure of this part, unless its configuration names a profile.
fn reworded(
    findings: Findings,
    account: &AccountId,
    accounts: &[&AccountId],
    has_profile: bool,
) -> Vec<Finding> {
    let mut all = findings.all;
    let [finding] = &mut all[..] else { return all };
    let is_other = |other: &&AccountId| {
        *other != account && finding.cause == format!("credentials of account {other}")
    };
    if finding.hop == Hop::Identity && !has_profile && accounts.iter().any(is_other) {
        let settled_by = format!(
            "run it again with credentials of account {account}, or name a profile for it in the configuration"
        );
        let (need, cause) = (finding.need.clone(), finding.cause.clone());
        *finding = Finding::unknown(Hop::Identity, need, cause, settled_by);
    }
    all
}

fn exit(checked: &Checked) -> Exit {
    let is_failed = |part: &&Part| worst(&part.findings) == Level::Fail;
    let stops = || checked.parts.iter().filter(is_failed).map(|part| part.stopped_by);
    match checked.worst {
        Level::Ok => Exit::Ok,
        Level::Unknown | Level::Warn => Exit::Partial,
        Level::Fail if stops().any(|kind| matches!(kind, None | Some(UnmetKind::Resource))) => {
            Exit::Resource
        }
        Level::Fail if stops().flatten().any(UnmetKind::is_of_caller) => Exit::Identity,
        Level::Fail => Exit::Unavailable,
    }
}

/// The findings for people: one a line, and what to do below it.
fn table(checked: &Checked, look: Look) -> String {
    let width = look.width.max(80);
    let mut text = String::new();
    for part in &checked.parts {
        text.push_str(&format!("{} {}/{}\n", part.worker, part.account, part.region));
        for finding in &part.findings {
            let head = format!("{:<8} {:<15} ", finding.level.as_str(), finding.hop.as_str());
            let indent = " ".repeat(head.len());
            let level = finding.level.as_str();
            let lines = behind(&head, &finding.need, width);
            text.push_str(&look.paint(level, Some(tone(finding.level))));
            text.push_str(lines.strip_prefix(level).unwrap_or(&lines));
            if finding.level == Level::Ok {
                let note = finding.remedy.iter().map(|note| format!("note: {note}"));
                note.for_each(|note| text.push_str(&wrapped(&note, &indent, width)));
                continue;
            }
            text.push_str(&wrapped(&format!("why: {}", finding.cause), &indent, width));
            if let Some(principal) = &finding.principal {
                text.push_str(&wrapped(&format!("principal: {principal}"), &indent, width));
            }
            if let Some(remedy) = &finding.remedy {
                let verb = if finding.level == Level::Unknown { "settled by" } else { "to do" };
                text.push_str(&wrapped(&format!("{verb}: {remedy}"), &indent, width));
            }
            for Statement { into, statement } in &finding.statements {
                text.push_str(&wrapped(&format!("paste into {into}:"), &indent, width));
                let json = serde_json::to_string_pretty(statement).unwrap_or_default();
                json.lines().for_each(|line| text.push_str(&format!("{indent}  {line}\n")));
            }
        }
        text.push('\n');
    }
    let count = |level| {
        let all = checked.parts.iter().flat_map(|part| &part.findings);
        all.filter(|finding| finding.level == level).count()
    };
    text.push_str(&format!(
        "{} OK, {} UNKNOWN, {} WARN, {} FAIL.\n",
        count(Level::Ok),
        count(Level::Unknown),
        count(Level::Warn),
        count(Level::Fail)
    ));
    text
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Ok => Tone::Good,
        Level::Unknown => Tone::Unknown,
        Level::Warn => Tone::Warn,
        Level::Fail => Tone::Bad,
    }
}

/// Writes a policy document for each policy, with all statements that go into it. Those of an earlier run
/// go: what they allowed may be allowed by now.
fn write_statements(checked: &Checked, dir: &Path) -> anyhow::Result<()> {
    let mut policies: BTreeMap<&str, Vec<&serde_json::Value>> = BTreeMap::new();
    let findings = checked.parts.iter().flat_map(|part| &part.findings);
    for Statement { into, statement } in findings.flat_map(|finding| &finding.statements) {
        let statements = policies.entry(into).or_default();
        if !statements.contains(&statement) {
            statements.push(statement);
        }
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for old in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let old = old.with_context(|| format!("cannot read {}", dir.display()))?.path();
        if old.file_name().and_then(|name| name.to_str()).is_some_and(is_document) {
            fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    for (into, statements) in policies {
        let path = dir.join(format!("{}.json", file_name(into)));
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        let text = serde_json::to_string_pretty(&document)? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        tell(&format!("{}: for {into}", path.display()));
    }
    Ok(())
}

/// Whether a file is a document of an earlier run, by how [`file_name`] names those.
fn is_document(name: &str) -> bool {
    let begins = ["a-policy-of-", "the-policy-of-", "the-trust-policy-of-"];
    name.ends_with(".json") && begins.iter().any(|begin| name.starts_with(begin))
}

/// A file name that says which policy it is for.
fn file_name(into: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    into.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_an_earlier_run_are_told_from_the_files_of_others() {
        for into in [
            "a policy of arn:aws:iam::222222222222:role/vault",
            "the policy of bucket staging",
            "the trust policy of arn:aws:iam::111111111111:role/read",
        ] {
            assert!(is_document(&format!("{}.json", file_name(into))), "{into}");
        }
        for other in ["mended.json", "the-policy-of-bucket-staging.json.bak", "policy.json"] {
            assert!(!is_document(other), "{other}");
        }
    }

    fn checked() -> Checked {
        let finding =
            |level, need: &str| Finding { level, ..Finding::ok(Hop::Queue, need, "seen") };
        let levels = [Level::Ok, Level::Unknown, Level::Warn, Level::Fail];
        let findings = levels.map(|level| finding(level, "the queue")).to_vec();
        let part = Part {
            worker: "source",
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            findings,
            stopped_by: None,
        };
        Checked { schema_version: SCHEMA_VERSION, worst: Level::Fail, parts: vec![part] }
    }

    #[test]
    fn each_level_has_its_colour_where_colours_are_wanted_and_the_text_stays_the_same() {
        let plain = table(&checked(), Look::PLAIN);
        let colourful = table(&checked(), Look { colour: true, ..Look::PLAIN });
        for (level, code) in [("OK", 32), ("UNKNOWN", 35), ("WARN", 33), ("FAIL", 31)] {
            let painted = format!("\u{1b}[{code}m{level}\u{1b}[0m ");
            assert!(colourful.contains(&painted), "{level}: {colourful:?}");
            assert!(plain.contains(&format!("\n{level:<8} ")), "{level}: {plain}");
        }
        let stripped = [32, 35, 33, 31, 0]
            .iter()
            .fold(colourful, |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
        assert_eq!(stripped, plain);
    }
}

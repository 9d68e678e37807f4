//! `amiferry explain`: what a message would do and why, or what a reason code means.

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use amiferry_audit::render;
use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::event::{self, Parsed, Reject};
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::reconcile::{Prospect, Role};
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use anyhow::{Context, bail};
use serde::Serialize;

use super::meaning::Meaning;
use super::session;
use crate::args::{DemoOutput, Explain};
use crate::exit::Exit;
use crate::runtime;
use crate::terminal::print;

/// The largest message that is read, in bytes: a little more than SQS allows, so that the parser
/// refuses one that is too long.
const LARGEST: u64 = 2 << 20;

/// What a message would do.
#[derive(Debug, Serialize)]
struct Explanation {
    schema_version: u32,
    #[serde(flatten)]
    meaning: Meaning,
}

/// Runs the command.
///
/// # Errors
/// An unknown code, an unreadable file, a bad configuration, or AWS not answering.
pub fn run(what: &Explain) -> anyhow::Result<ExitCode> {
    if let Some(code) = &what.code {
        return explain_code(code);
    }
    let Some(file) = &what.event else { bail!("name a CODE or --event FILE") };
    let body = read(file)?;
    let meaning = explain_event(&body, what)?;
    print(&match what.output {
        DemoOutput::Json => render::json(&Explanation { schema_version: 1, meaning })?,
        DemoOutput::Table => table(&meaning),
    })?;
    Ok(Exit::Ok.into())
}

fn explain_code(text: &str) -> anyhow::Result<ExitCode> {
    let code: Code = text.parse().with_context(|| {
        let names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        format!("the codes are: {}", names.join(", "))
    })?;
    print(&format!("{code}\n  means: {}\n  to do: {}\n", code.meaning(), code.remedy()))?;
    Ok(Exit::Ok.into())
}

fn read(file: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file == "-" {
        std::io::stdin()
            .lock()
            .take(LARGEST)
            .read_to_end(&mut bytes)
            .context("cannot read stdin")?;
    } else {
        let file_handle =
            std::fs::File::open(file).with_context(|| format!("cannot open {file}"))?;
        file_handle
            .take(LARGEST)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {file}"))?;
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn explain_event(body: &str, what: &Explain) -> anyhow::Result<Meaning> {
    let parsed = match event::parse(body) {
        Ok(parsed) => parsed,
        Err(reject) => return Ok(Meaning::unreadable(&reject)),
    };
    let Some(path) = &what.config else {
        if what.ask_aws {
            bail!("--ask-aws needs --config");
        }
        return Ok(unpinned(&parsed));
    };
    let config = Config::load(path)?;
    runtime::until_signal(pinned(body, &parsed, &config, what.ask_aws))
}

/// Without a configuration: what the message names, nothing about whether it is ours.
fn unpinned(parsed: &Parsed) -> Meaning {
    if parsed.hints.is_empty() {
        let reason = "the message names no image and no staged object";
        return Meaning::new(parsed, "ignore", "names_nothing", reason);
    }
    let reason = "a worker looks at what the message names, if the configuration allows it; \
                  give --config to find out";
    Meaning::new(parsed, "look", "not_compared", reason)
}

async fn pinned(
    body: &str,
    parsed: &Parsed,
    config: &Config,
    ask_aws: bool,
) -> anyhow::Result<Meaning> {
    let mut refused = None;
    let mut named_ours = false;
    for source in &config.sources {
        let session = session::source(config, source).await;
        let role = source_worker::assemble::role(config, source, &session, Arc::new(SystemClock));
        if let Some(found) =
            ask(&role, body, parsed, ask_aws, &mut refused, &mut named_ours).await?
        {
            return Ok(found);
        }
    }
    for vault in &config.vaults {
        let session = session::vault(config, vault).await;
        let role = target_worker::assemble::role(config, vault, &session, Arc::new(SystemClock))?;
        if let Some(found) =
            ask(&role, body, parsed, ask_aws, &mut refused, &mut named_ours).await?
        {
            return Ok(found);
        }
    }
    Ok(match refused {
        Some(reject) if !named_ours => Meaning::refused(parsed, &reject),
        Some(_) | None => Meaning::nothing(parsed),
    })
}

/// What one role would do; `None` when the message names nothing for it.
async fn ask<R: Role>(
    role: &R,
    body: &str,
    parsed: &Parsed,
    ask_aws: bool,
    refused: &mut Option<Reject>,
    named_ours: &mut bool,
) -> anyhow::Result<Option<Meaning>> {
    let keys = match role.interpret(body).prospect() {
        Prospect::Look(keys) => keys,
        Prospect::Quarantine(reject) => {
            refused.get_or_insert(reject);
            return Ok(None);
        }
        Prospect::Ignore => {
            *named_ours = true;
            return Ok(None);
        }
    };
    let Some(key) = keys.first() else { return Ok(None) };
    if !ask_aws {
        return Ok(Some(Meaning::look(parsed, key)));
    }
    // The worker's own look: its decision about this key is what the message would cause.
    let looked = role.look(std::slice::from_ref(key)).await?;
    let Some((_, decision)) = looked.decisions.into_iter().next() else {
        bail!("AWS gave no answer about {key}");
    };
    let (decision, code, reason) = in_words(role, decision?);
    Ok(Some(Meaning::new(parsed, &decision, &code, &reason)))
}

fn in_words<R: Role>(role: &R, decision: Decision<R::Effect>) -> (String, String, String) {
    match decision {
        Decision::Act(effect) => {
            let stage = role.stage(&effect).to_string();
            (stage.clone(), "act".to_owned(), format!("the next effect is: {stage}"))
        }
        Decision::Wait { code, detail, .. } => coded("wait", code, &detail),
        Decision::Park { code, detail, .. } => coded("park", code, &detail),
        Decision::Ineligible { code, detail } => coded("ineligible", code, &detail),
        Decision::Done(code) => coded("done", code, ""),
    }
}

fn coded(decision: &str, code: Code, detail: &str) -> (String, String, String) {
    let reason = match detail {
        "" => code.meaning().to_owned(),
        detail => format!("{}: {detail}", code.meaning()),
    };
    (decision.to_owned(), code.to_string(), reason)
}

fn table(meaning: &Meaning) -> String {
    let mut text = format!("kind      {}\n", meaning.kind.unwrap_or("unreadable"));
    for image in &meaning.image_ids {
        text.push_str(&format!("image     {image}\n"));
    }
    for object in &meaning.objects {
        text.push_str(&format!("object    {}/{}\n", object.bucket, object.key));
    }
    let Meaning { decision, code, reason, .. } = meaning;
    text + &format!("decision  {decision}\ncode      {code}\nreason    {reason}\n")
}

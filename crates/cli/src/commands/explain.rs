//! `amiferry explain`: what a message would do and why, or what a reason code means.

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use amiferry_audit::render;
use amiferry_aws::Session;
use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::event::{self, Hint, Parsed, Reject};
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::reconcile::Role;
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use anyhow::{Context, bail};
use serde::Serialize;

use super::print;
use crate::args::{DemoOutput, Explain};
use crate::exit::Exit;
use crate::runtime;

/// The largest message that is read, in bytes: a little more than SQS allows, so that the answer
/// about one that is too long is the parser's.
const LARGEST: u64 = 2 << 20;

/// What a message would do.
#[derive(Debug, Serialize)]
struct Explanation {
    schema_version: u32,
    /// Its shape; `null` when it cannot be read.
    kind: Option<&'static str>,
    /// The images it names.
    image_ids: Vec<String>,
    /// The objects it names.
    objects: Vec<Object>,
    /// `look`, `ignore`, `quarantine`; with `--ask-aws` also what would be done now.
    decision: String,
    /// The stable reason.
    code: String,
    /// The particulars.
    reason: String,
}

#[derive(Debug, Serialize)]
struct Object {
    bucket: String,
    key: String,
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
    let explanation = explain_event(&body, what)?;
    print(&match what.output {
        DemoOutput::Json => render::json(&explanation)?,
        DemoOutput::Table => table(&explanation),
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

fn explain_event(body: &str, what: &Explain) -> anyhow::Result<Explanation> {
    let parsed = match event::parse(body) {
        Ok(parsed) => parsed,
        Err(reject) => return Ok(quarantined(None, &reject)),
    };
    let Some(path) = &what.config else {
        if what.ask_aws {
            bail!("--ask-aws needs --config");
        }
        return Ok(unpinned(&parsed));
    };
    let config = Config::load(path)?;
    runtime::block_on(pinned(body, &parsed, &config, what.ask_aws))
}

/// Without a configuration: what the message names, nothing about whether it is ours.
fn unpinned(parsed: &Parsed) -> Explanation {
    let explanation = named(parsed);
    if parsed.hints.is_empty() {
        return Explanation {
            decision: "ignore".to_owned(),
            code: "names_nothing".to_owned(),
            reason: "the message names no image and no staged object".to_owned(),
            ..explanation
        };
    }
    Explanation {
        decision: "look".to_owned(),
        code: "not_compared".to_owned(),
        reason: "a worker looks at what it names, if the configuration allows; give --config"
            .to_owned(),
        ..explanation
    }
}

async fn pinned(
    body: &str,
    parsed: &Parsed,
    config: &Config,
    ask_aws: bool,
) -> anyhow::Result<Explanation> {
    let mut refused = None;
    let mut named_ours = false;
    for source in &config.sources {
        let aws = &config.aws;
        let profile = aws.source_profile.as_deref();
        let session =
            Session::from_environment(&source.region, profile, aws.endpoint_url.as_deref()).await;
        let role = source_worker::assemble::role(config, source, &session, Arc::new(SystemClock));
        if let Some(found) =
            ask(&role, body, parsed, ask_aws, &mut refused, &mut named_ours).await?
        {
            return Ok(found);
        }
    }
    for vault in &config.vaults {
        let aws = &config.aws;
        let profile = aws.vault_profile.as_deref();
        let session =
            Session::from_environment(&vault.region, profile, aws.endpoint_url.as_deref()).await;
        let role = target_worker::assemble::role(config, vault, &session, Arc::new(SystemClock))?;
        if let Some(found) =
            ask(&role, body, parsed, ask_aws, &mut refused, &mut named_ours).await?
        {
            return Ok(found);
        }
    }
    Ok(match refused {
        Some(reject) if !named_ours => quarantined(Some(parsed), &reject),
        Some(_) | None => Explanation {
            decision: "ignore".to_owned(),
            code: "names_nothing".to_owned(),
            reason: "the message names nothing that a worker would look at".to_owned(),
            ..named(parsed)
        },
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
) -> anyhow::Result<Option<Explanation>> {
    let interpreted = role.interpret(body);
    if let Some(reject) = interpreted.rejected.into_iter().next() {
        refused.get_or_insert(reject);
    } else {
        *named_ours = true;
    }
    let Some(key) = interpreted.keys.first() else { return Ok(None) };
    let (decision, code, reason) = if ask_aws {
        // The worker's own look: what it decides about this key is what the message would do.
        let looked = role.look(std::slice::from_ref(key)).await?;
        let Some((_, decision)) = looked.into_iter().next() else {
            bail!("AWS gave no answer about {key}");
        };
        in_words(role, decision)
    } else {
        let reason = format!("a worker looks at {key} in AWS and decides by what it finds");
        ("look".to_owned(), "ours".to_owned(), reason)
    };
    Ok(Some(Explanation { decision, code, reason, ..named(parsed) }))
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

fn quarantined(parsed: Option<&Parsed>, reject: &Reject) -> Explanation {
    let empty = Parsed { kind: event::EventKind::Other, hints: Vec::new() };
    Explanation {
        kind: parsed.map(|parsed| parsed.kind.as_str()),
        decision: "quarantine".to_owned(),
        code: reject.code.to_string(),
        reason: reject.detail.clone(),
        ..named(parsed.unwrap_or(&empty))
    }
}

fn named(parsed: &Parsed) -> Explanation {
    let mut image_ids = Vec::new();
    let mut objects = Vec::new();
    for hint in &parsed.hints {
        match hint {
            Hint::Image(hint) => image_ids.push(hint.image.to_string()),
            Hint::Object(hint) => {
                objects.push(Object { bucket: hint.bucket.to_string(), key: hint.key.to_string() })
            }
        }
    }
    Explanation {
        schema_version: 1,
        kind: Some(parsed.kind.as_str()),
        image_ids,
        objects,
        decision: String::new(),
        code: String::new(),
        reason: String::new(),
    }
}

fn table(explanation: &Explanation) -> String {
    let mut text = format!("kind      {}\n", explanation.kind.unwrap_or("unreadable"));
    for image in &explanation.image_ids {
        text.push_str(&format!("image     {image}\n"));
    }
    for object in &explanation.objects {
        text.push_str(&format!("object    {}/{}\n", object.bucket, object.key));
    }
    let Explanation { decision, code, reason, .. } = explanation;
    text + &format!("decision  {decision}\ncode      {code}\nreason    {reason}\n")
}

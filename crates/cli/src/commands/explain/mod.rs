//! `amiferry explain`: what a message or the id of an image would do and why, or what a code means.

mod codes;
mod image;

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use amiferry_audit::render;
use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::encoding::{NotUtf8, utf8};
use amiferry_core::event::{self, Parsed, Reject};
use amiferry_core::ids::ImageId;
use amiferry_core::text::visible;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::reconcile::{Prospect, Role};
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use amiferry_target_worker::pin::OwnImage;
use anyhow::{Context, bail};
use serde::Serialize;

use super::meaning::{ACT, Meaning, NAMES_NOTHING, NOT_COMPARED};
use super::session;
use crate::args::{DemoOutput, Explain};
use crate::exit::Exit;
use crate::runtime;
use crate::terminal::{self, print};

/// The largest text that is read, in bytes: ten messages of the size that SQS allows, with every
/// quote in them escaped.
const LARGEST: u64 = 32 << 20;

/// The longest id of a message that is shown.
const LONGEST_CELL: usize = 100;

/// What a message would do.
#[derive(Debug, Serialize)]
struct Explanation {
    schema_version: u32,
    #[serde(flatten)]
    message: Explained,
}

/// What each message of an answer of `ReceiveMessage` would do.
#[derive(Debug, Serialize)]
struct Explanations {
    schema_version: u32,
    messages: Vec<Explained>,
}

#[derive(Debug, Serialize)]
struct Explained {
    /// SQS's id, where the text named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(flatten)]
    meaning: Meaning,
}

/// Runs the command.
///
/// # Errors
/// An unknown code or image, an unreadable file, a bad configuration, or AWS not answering.
pub fn run(what: &Explain) -> anyhow::Result<ExitCode> {
    let text = match (&what.what, &what.event) {
        (Some(word), _) => match word.parse::<ImageId>() {
            Ok(image) => explain_image(&image, what)?,
            Err(_) if what.ask_aws => {
                bail!("--ask-aws asks about a message or the id of an image, not about a code")
            }
            Err(_) => explain_code(word, what.output)?,
        },
        (None, Some(file)) => explain_file(file, what)?,
        (None, None) => bail!("name a code, the id of an image, or --event FILE"),
    };
    print(&text)?;
    Ok(Exit::Ok.into())
}

fn explain_code(word: &str, output: DemoOutput) -> anyhow::Result<String> {
    let code = codes::find(word)?;
    Ok(match output {
        DemoOutput::Json => render::json(&code)?,
        DemoOutput::Table => code.table(terminal::look().width),
    })
}

/// What a worker does when a person sends it the id of an image.
fn explain_image(image: &ImageId, what: &Explain) -> anyhow::Result<String> {
    let body = serde_json::json!({ "image_id": image }).to_string();
    let meaning = match &what.config {
        Some(path) if what.ask_aws => {
            let config = Config::load(path)?;
            runtime::until_signal(image::ask(image, &body, &config))?
        }
        _ => explain_event(&body, what)?,
    };
    one(Explained { message_id: None, meaning }, what.output)
}

fn explain_file(file: &str, what: &Explain) -> anyhow::Result<String> {
    let body = read(file)?;
    let Some(received) = event::received(&body) else {
        let meaning = explain_event(&body, what)?;
        return one(Explained { message_id: None, meaning }, what.output);
    };
    let mut messages = Vec::new();
    for message in received {
        let meaning = explain_event(message.body.trim_end(), what)?;
        messages.push(Explained { message_id: message.id, meaning });
    }
    if messages.len() == 1 {
        return messages.pop().map_or_else(|| Ok(String::new()), |only| one(only, what.output));
    }
    Ok(match what.output {
        DemoOutput::Json => render::json(&Explanations { schema_version: 1, messages })?,
        DemoOutput::Table if messages.is_empty() => "the answer holds no message\n".to_owned(),
        DemoOutput::Table => {
            let tables = messages.iter().map(|message| table(message, terminal::look().width));
            tables.collect::<Vec<_>>().join("\n")
        }
    })
}

fn one(message: Explained, output: DemoOutput) -> anyhow::Result<String> {
    Ok(match output {
        DemoOutput::Json => render::json(&Explanation { schema_version: 1, message })?,
        DemoOutput::Table => table(&message, terminal::look().width),
    })
}

fn read(file: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let name = if file == "-" { "standard input" } else { file };
    if file == "-" {
        std::io::stdin().lock().take(LARGEST).read_to_end(&mut bytes)
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot open {file}"))?;
        opened.take(LARGEST).read_to_end(&mut bytes)
    }
    .with_context(|| format!("cannot read {name}"))?;
    let is_cut = u64::try_from(bytes.len()).is_ok_and(|read| read >= LARGEST);
    match utf8(&bytes) {
        Ok(text) => Ok(text.trim_end().to_owned()),
        // The cut may split a character; the parser refuses what is too long anyway.
        Err(NotUtf8::Byte(_)) if is_cut => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(why) => Err(why).with_context(|| format!("cannot read {name}")),
    }
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
        return Meaning::new(parsed, "ignore", NAMES_NOTHING, reason);
    }
    let reason = "a worker looks at what the message names, if the configuration allows it; \
                  give --config to find out";
    Meaning::new(parsed, "look", NOT_COMPARED, reason)
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
        let session = session::source(config, source).await?;
        let role = source_worker::assemble::role(config, source, &session, Arc::new(SystemClock));
        if let Some(found) =
            ask(&role, body, parsed, ask_aws, &mut refused, &mut named_ours).await?
        {
            return Ok(found);
        }
    }
    for vault in &config.vaults {
        let session = session::vault(config, vault).await?;
        let role = target_worker::assemble::role(config, vault, &session, Arc::new(SystemClock));
        // A running worker knows what it is restoring, this one only what EC2 says.
        if let Some(image) = role.own_images(parsed).first() {
            if !ask_aws {
                return Ok(Meaning::of_vault(parsed, image));
            }
            return match role.own_image(image).await? {
                Some(OwnImage::RestoredFor(point)) => look(&role, parsed, &point).await,
                Some(OwnImage::Other) | None => Ok(Meaning::not_restored(parsed, image)),
            };
        }
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
    look(role, parsed, key).await.map(Some)
}

/// The worker's own look: its decision about this key is what the message would cause.
async fn look<R: Role>(role: &R, parsed: &Parsed, key: &R::Key) -> anyhow::Result<Meaning> {
    let looked = role.look(std::slice::from_ref(key)).await?;
    let Some((_, decision)) = looked.decisions.into_iter().next() else {
        bail!("AWS gave no answer about {key}");
    };
    Ok(meaning(role, parsed, decision?))
}

fn meaning<R: Role>(role: &R, parsed: &Parsed, decision: Decision<R::Effect>) -> Meaning {
    let (decision, code, reason) = in_words(role, decision);
    Meaning::new(parsed, &decision, &code, &reason)
}

fn in_words<R: Role>(role: &R, decision: Decision<R::Effect>) -> (String, String, String) {
    match decision {
        Decision::Act(effect) => {
            let stage = role.stage(&effect).to_string();
            (stage.clone(), ACT.to_owned(), format!("the next effect is: {stage}"))
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

fn table(message: &Explained, width: usize) -> String {
    let Explained { message_id, meaning } = message;
    let mut text = String::new();
    if let Some(id) = message_id {
        text.push_str(&format!("message   {}\n", visible(id, LONGEST_CELL)));
    }
    text.push_str(&format!("kind      {}\n", meaning.kind.unwrap_or("unreadable")));
    for image in &meaning.image_ids {
        text.push_str(&format!("image     {image}\n"));
    }
    for object in &meaning.objects {
        let place = format!("{}/{}", object.bucket, object.key);
        text.push_str(&render::behind("object    ", &visible(&place, usize::MAX), width));
    }
    let Meaning { decision, code, reason, .. } = meaning;
    text.push_str(&format!("decision  {decision}\ncode      {code}\n"));
    text + &render::behind("reason    ", reason, width)
}

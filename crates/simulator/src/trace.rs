//! What was asked and answered, as one rolling hash: equal runs have equal traces.
//!
//! Each call is one line: when it was asked and answered in simulated time, who asked, method,
//! URI, headers, and the hashes of both bodies. The hash runs over the lines in the order in
//! which the answers left. Synthetic content counts by its seed and range, so that a trace of
//! terabytes costs nothing.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::World;
use crate::faults::Break;
use crate::s3::content::Piece;
use crate::sts;
use crate::wire::scope;
use crate::wire::{Answer, AnswerBody, Incoming};

/// The trace of a world.
#[derive(Debug, Default)]
pub struct Trace {
    recording: Option<Recording>,
}

#[derive(Debug, Default)]
struct Recording {
    calls: u64,
    hash: Sha256,
    lines: Option<Vec<String>>,
}

/// What a trace comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many calls were traced.
    pub calls: u64,
    /// The hash over them, hexadecimal SHA-256.
    pub hash: String,
}

impl Trace {
    /// Starts over. With `lines`, it also keeps one line for each call, for comparison; that takes
    /// memory for every call.
    pub fn start(&mut self, lines: bool) {
        self.recording = Some(Recording { lines: lines.then(Vec::new), ..Recording::default() });
    }

    /// Ends the trace; returns its summary, if one was running.
    pub fn stop(&mut self) -> Option<Summary> {
        self.recording.take().map(|recording| recording.summary())
    }

    /// The summary so far; `None` while nothing is traced.
    pub fn summary(&self) -> Option<Summary> {
        self.recording.as_ref().map(Recording::summary)
    }

    /// The lines, if they are kept.
    pub fn lines(&self) -> &[String] {
        self.recording.as_ref().and_then(|recording| recording.lines.as_deref()).unwrap_or_default()
    }

    /// Whether calls are traced.
    pub fn is_on(&self) -> bool {
        self.recording.is_some()
    }
}

impl Recording {
    fn summary(&self) -> Summary {
        Summary { calls: self.calls, hash: hex::encode(self.hash.clone().finalize()) }
    }

    fn add(&mut self, line: String) {
        self.calls += 1;
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }
}

/// A call that is being traced.
#[derive(Debug)]
pub(crate) struct Begun {
    asked: Timestamp,
    question: String,
    body: Arc<Mutex<Sha256>>,
}

/// How a traced call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ended<'a> {
    Answered(&'a Answer),
    Cut(&'a Answer),
    Nothing(Break),
}

/// Notes the caller and the request; the body is hashed while it is read.
pub(crate) fn begin(world: &World, request: Request<Incoming>) -> (Request<Incoming>, Begun) {
    let (parts, body) = request.into_parts();
    let caller = scope::of(&parts).map_or_else(
        |_| "-".to_owned(),
        |scope| sts::caller(world, &scope).map_or(scope.access_key, |caller| caller.arn()),
    );
    let headers = written(&parts.headers);
    let question = format!("{caller} {} {} {headers}", parts.method, parts.uri);
    let request = Request::from_parts(parts, body);
    let body = Arc::new(Mutex::new(Sha256::new()));
    let hash = body.clone();
    let request = request.map(|body| {
        Incoming::new(body.map_frame(move |frame| {
            if let Some(bytes) = frame.data_ref() {
                let bytes: &Bytes = bytes;
                hash.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
            }
            frame
        }))
    });
    (request, Begun { asked: world.now(), question, body })
}

impl Begun {
    /// Writes the call's line.
    pub(crate) fn end(self, world: &World, ended: Ended<'_>) {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let body = hex::encode(body.finalize());
        let outcome = match ended {
            Ended::Answered(answer) => answered(answer),
            Ended::Cut(answer) => format!("cut {}", answered(answer)),
            Ended::Nothing(broken) => format!("{broken:?}"),
        };
        let (asked, now) = (self.asked, world.now());
        let line = format!("{asked} {} {body} -> {now} {outcome}", self.question);
        if let Some(recording) = &mut world.lock().trace.recording {
            recording.add(line);
        }
    }
}

fn answered(answer: &Answer) -> String {
    let mut hash = Sha256::new();
    match &answer.body {
        AnswerBody::Bytes(bytes) => hash.update(bytes),
        AnswerBody::Content(content) => {
            for piece in content.pieces() {
                match piece {
                    Piece::Bytes(bytes) => hash.update(bytes),
                    Piece::Synthetic(range) => hash.update(format!("{range:?}")),
                }
            }
        }
    }
    let hash = hex::encode(hash.finalize());
    format!("{} {} {hash}", answer.status, written(&answer.headers))
}

fn written(headers: &HeaderMap) -> String {
    let mut written: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}={:?}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    written.sort();
    written.join(";")
}

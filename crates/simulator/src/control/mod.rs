//! `/_amiferry/…`: the endpoints with which an HTTP client looks at the world, sets its clock,
//! and changes its faults.
//!
//! They are for people and test suites on this machine. A web page must not reach them, so a
//! request with an `Origin`, or with a `Host` that is not this machine's, is refused: any page can
//! use a name that resolves to 127.0.0.1.

mod clock;
mod credentials;
mod faults;
#[cfg(test)]
mod tests;
mod view;

use std::net::IpAddr;

use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::World;
use crate::wire::{Answer, Incoming};

const PREFIX: &str = "/_amiferry";

/// The largest request body.
const BODY_LIMIT: usize = 1 << 20;

const ENDPOINTS: &str = "GET health, GET world, GET credentials/ACCOUNT/ROLE, GET clock, POST clock, GET faults, POST faults, \
     DELETE faults, DELETE faults/ID, GET trace, POST trace, DELETE trace";

/// Whether a request is for these endpoints. One that is signed is for S3, whatever its path.
pub fn is_for<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    let ours = path.strip_prefix(PREFIX);
    let signed = request.headers().contains_key("authorization")
        || request.uri().query().is_some_and(|query| query.contains("X-Amz-Credential="));
    ours.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && !signed
}

/// Answers with JSON.
pub async fn answer(world: &World, request: Request<Incoming>) -> Answer {
    let (status, body) = match reply(world, request).await {
        Ok(body) => (200, body),
        Err(refusal) => (refusal.status, json!({ "error": refusal.why })),
    };
    let mut answer = Answer::ok("application/json", format!("{body:#}\n"));
    answer.status = status;
    answer.with("cache-control", "no-store")
}

/// Why a request is not answered.
#[derive(Debug)]
struct Refusal {
    status: u16,
    why: String,
}

fn refuse(status: u16, why: impl Into<String>) -> Refusal {
    Refusal { status, why: why.into() }
}

async fn reply(world: &World, request: Request<Incoming>) -> Result<Value, Refusal> {
    let (parts, body) = request.into_parts();
    check_neighbour(&parts.headers)?;
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default().trim_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["health"]) => Ok(view::health(world)),
        (&Method::GET, ["world"]) => Ok(view::world(world)),
        (&Method::GET, ["credentials", account, role]) => {
            credentials::of_task(world, account, role)
        }
        (&Method::GET, ["clock"]) => Ok(clock::read(world)),
        (&Method::POST, ["clock"]) => clock::advance(world, &parsed(body).await?),
        (&Method::GET, ["faults"]) => Ok(faults::read(world)),
        (&Method::POST, ["faults"]) => faults::add(world, parsed(body).await?),
        (&Method::DELETE, ["faults"]) => Ok(faults::clear(world)),
        (&Method::DELETE, ["faults", id]) => faults::remove(world, id),
        (&Method::GET, ["trace"]) => Ok(view::trace(world)),
        (&Method::POST, ["trace"]) => Ok(view::start_trace(world)),
        (&Method::DELETE, ["trace"]) => Ok(view::stop_trace(world)),
        (method, _) => Err(refuse(
            404,
            format!(
                "there is no {method} {PREFIX}/{path}; there are (all under {PREFIX}/): {ENDPOINTS}"
            ),
        )),
    }
}

fn check_neighbour(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key("origin") {
        return Err(refuse(403, "a request with an Origin comes from a web page: refused"));
    }
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_this_machine(host) {
        return Ok(());
    }
    Err(refuse(
        403,
        format!("Host {host:?} is not this machine's: use localhost or a loopback address"),
    ))
}

/// Whether a `Host` header names this machine: `localhost` or a loopback address, with or without
/// a port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn parsed<T: DeserializeOwned>(body: Incoming) -> Result<T, Refusal> {
    let body = Limited::new(body, BODY_LIMIT).collect().await;
    let body = body.map_err(|error| refuse(413, format!("the body: {error}")))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| refuse(400, format!("the body: {error}")))
}

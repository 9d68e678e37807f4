//! What the services' tests share: a world at a fixed time, and calls through the wire.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use crate::wire::{self, AnswerBody, Incoming};
use crate::{Settings, SimClock, World};

/// The account that most tests call from.
pub const ACCOUNT: &str = "111111111111";

/// Another account.
pub const OTHER: &str = "222222222222";

/// The Region of all calls here.
pub const REGION: &str = "us-east-1";

/// An answer, taken apart.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    pub headers: http::HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The JSON of an answer that must be a success.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The text of an XML element.
    pub fn element(&self, name: &str) -> Option<String> {
        let start = self.text.find(&format!("<{name}>"))? + name.len() + 2;
        let end = self.text[start..].find(&format!("</{name}>"))?;
        Some(self.text[start..start + end].to_owned())
    }
}

/// An empty world on 2026-01-01.
pub fn world() -> World {
    world_with(Settings::default())
}

/// An empty world with these settings.
pub fn world_with(settings: Settings) -> World {
    World::new(SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap(), 1), settings)
}

/// One call; `headers` beside the credential of `key`.
pub async fn call(
    world: &World,
    key: &str,
    service: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let mut request = Request::post("/").header("authorization", credential);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::from(body.to_owned())).map_err(|never| match never {});
    let answer = wire::answer(world, request.body(Incoming::new(body)).unwrap()).await;
    let AnswerBody::Bytes(bytes) = answer.body else { panic!("a streamed body") };
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Reply { status: answer.status, headers: answer.headers, text }
}

/// One call of a JSON protocol.
pub async fn json(world: &World, key: &str, service: &str, operation: &str, body: Value) -> Reply {
    let target = match service {
        "sqs" => format!("AmazonSQS.{operation}"),
        "events" => format!("AWSEvents.{operation}"),
        "servicequotas" => format!("ServiceQuotasV20190624.{operation}"),
        _ => format!("TrentService.{operation}"),
    };
    call(world, key, service, &[("x-amz-target", &target)], &body.to_string()).await
}

/// Lets simulated time pass.
pub async fn pass(world: &World, seconds: i64) {
    let until = world.now() + jiff::SignedDuration::from_secs(seconds);
    world.clock().sleep_until(until).await;
}

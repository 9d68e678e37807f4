//! One call with its faults: what reaches the caller, and whether the service does the work.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};

use super::body::FaultyBody;
use super::{Effect, KeepAlive, Outcome, Target};
use crate::World;
use crate::s3::content::Content;
use crate::sts;
use crate::trace::{self, Ended};
use crate::wire::scope::{self, Service};
use crate::wire::{self, Answer, AnswerBody, ApiError, Incoming};

/// What reaches the caller.
#[derive(Debug)]
pub enum Reply {
    /// The service's answer, or its refusal.
    Whole(Answer),
    /// Status and headers of an answer whose body suffers.
    Faulty(Answer, FaultyBody),
    /// No answer.
    Nothing(Break),
}

/// How a connection ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// It was not accepted.
    Refused,
    /// It was closed.
    Reset,
    /// It stays silent: the door lets the client wait.
    Silent,
    /// It stayed silent for as long as the client waits.
    TimedOut,
}

/// Lets the world answer one request, with the faults and the trace that it has.
///
/// `patience` is how long the client waits for the beginning of an answer, where the door knows.
pub async fn exchange(
    world: &World,
    request: Request<Incoming>,
    patience: Option<Duration>,
) -> Reply {
    let (faults, traced) = {
        let state = world.lock();
        (state.faults.concern_calls(), state.trace.is_on())
    };
    if !faults && !traced {
        return Reply::Whole(wire::answer(world, request).await);
    }
    let (request, begun) = if traced {
        let (request, begun) = trace::begin(world, request);
        (request, Some(begun))
    } else {
        (request, None)
    };
    let reply =
        if faults { faulty(world, request, patience).await } else { plain(world, request).await };
    if let Some(begun) = begun {
        let ended = match &reply {
            Reply::Whole(answer) => Ended::Answered(answer),
            Reply::Faulty(answer, _) => Ended::Cut(answer),
            Reply::Nothing(broken) => Ended::Nothing(*broken),
        };
        begun.end(world, ended);
    }
    reply
}

async fn plain(world: &World, request: Request<Incoming>) -> Reply {
    Reply::Whole(wire::answer(world, request).await)
}

async fn faulty(world: &World, request: Request<Incoming>, patience: Option<Duration>) -> Reply {
    let (parts, mut body) = request.into_parts();
    let Ok(scope) = scope::of(&parts) else {
        return plain(world, Request::from_parts(parts, body)).await;
    };
    let service = scope.service;
    let mut form = Bytes::new();
    // The query protocols name the operation in the body.
    if matches!(service, Service::Ec2 | Service::Sts) {
        (body, form) = match collected(body).await {
            Ok(collected) => collected,
            Err(broken) => return Reply::Nothing(broken),
        };
    }
    let operation = wire::operation(service, &parts, &form);
    let caller = sts::caller(world, &scope).ok();
    let target = Target {
        service,
        operation: &operation,
        account: caller.as_ref().map(|caller| &caller.account),
        region: &scope.region,
    };
    let effect = {
        let now = world.now();
        world.lock().faults.decide(now, &target)
    };
    let request = Request::from_parts(parts, body);
    match effect {
        None => plain(world, request).await,
        Some(effect) => {
            let head = request.method() == Method::HEAD;
            Suffering { world, service, patience, head }.call(effect, request).await
        }
    }
}

/// A body in memory, to be read twice.
async fn collected(body: Incoming) -> Result<(Incoming, Bytes), Break> {
    let bytes = body.collect().await.map_err(|_| Break::Reset)?.to_bytes();
    let again = Full::new(bytes.clone()).map_err(|never| match never {});
    Ok((Incoming::new(again), bytes))
}

struct Suffering<'a> {
    world: &'a World,
    service: Service,
    patience: Option<Duration>,
    /// An answer to HEAD never has a body, even with a fault.
    head: bool,
}

impl Suffering<'_> {
    async fn call(&self, effect: Effect, request: Request<Incoming>) -> Reply {
        if let Some(error) = effect.refusal(self.service) {
            return Reply::Whole(self.refused(&error));
        }
        match effect {
            Effect::ConnectionRefused => Reply::Nothing(Break::Refused),
            Effect::ConnectionReset => Reply::Nothing(Break::Reset),
            Effect::Timeout => Reply::Nothing(Break::Silent),
            Effect::ResponseLost => {
                self.applied(request).await;
                Reply::Nothing(Break::Reset)
            }
            Effect::ResponseTimeout => {
                self.applied(request).await;
                Reply::Nothing(Break::Silent)
            }
            Effect::DelayRequest(by) => self.delayed_request(by, request).await,
            Effect::DelayResponse(by) => {
                let answer = self.applied(request).await;
                if self.waits_out(by).await {
                    Reply::Whole(answer)
                } else {
                    Reply::Nothing(Break::TimedOut)
                }
            }
            Effect::Truncate(keep) => self.truncated(keep, request).await,
            Effect::Edit(edit) => {
                let mut answer = self.applied(request).await;
                let document = content(&answer).to_bytes();
                if answer.status == 200
                    && let Ok(document) = std::str::from_utf8(&document)
                {
                    answer.headers.remove(http::header::CONTENT_LENGTH);
                    answer.body = AnswerBody::Bytes(edit.apply(document).into());
                }
                Reply::Whole(answer)
            }
            Effect::EmptyBody => {
                let mut answer = self.applied(request).await;
                answer.status = 200;
                answer.headers.remove(http::header::CONTENT_LENGTH);
                answer.body = AnswerBody::Bytes(Bytes::new());
                Reply::Whole(answer)
            }
            Effect::ErrorIn200 => {
                let mut answer = self.refused(&late_error());
                answer.status = 200;
                Reply::Whole(answer)
            }
            Effect::KeepAlive(KeepAlive { span, then }) => {
                let mut answer = match then {
                    Outcome::Answer => self.applied(request).await,
                    Outcome::Error => self.refused(&late_error()),
                };
                answer.status = 200;
                answer.headers.remove(http::header::CONTENT_LENGTH);
                let document = content(&answer).to_bytes();
                let body = FaultyBody::kept_alive(self.world.clock(), &document, span);
                Reply::Faulty(answer, body)
            }
            // Refusals are answered above.
            Effect::Throttle
            | Effect::InternalError
            | Effect::Unavailable
            | Effect::ExpiredToken
            | Effect::AccessDenied
            | Effect::Refuse(_) => plain(self.world, request).await,
        }
    }

    async fn applied(&self, request: Request<Incoming>) -> Answer {
        wire::answer(self.world, request).await
    }

    fn refused(&self, error: &ApiError) -> Answer {
        let mut answer = error.written_for(self.service);
        answer.stamp(self.world.now(), self.world.next_answer());
        if self.head {
            answer.body = AnswerBody::Bytes(Bytes::new());
        }
        answer
    }

    /// The request travels independently: it arrives even if the client has given up.
    async fn delayed_request(&self, by: Duration, request: Request<Incoming>) -> Reply {
        let (parts, body) = request.into_parts();
        let body = match collected(body).await {
            Ok((body, _)) => body,
            Err(broken) => return Reply::Nothing(broken),
        };
        let request = Request::from_parts(parts, body);
        let world = self.world.clone();
        let arriving = tokio::spawn(async move {
            world.clock().sleep(by).await;
            wire::answer(&world, request).await
        });
        if !self.waits_out(by).await {
            return Reply::Nothing(Break::TimedOut);
        }
        match arriving.await {
            Ok(answer) => Reply::Whole(answer),
            Err(_) => Reply::Nothing(Break::Reset),
        }
    }

    async fn truncated(&self, keep: u64, request: Request<Incoming>) -> Reply {
        let answer = self.applied(request).await;
        let content = content(&answer);
        if content.is_empty() {
            return Reply::Nothing(Break::Reset);
        }
        // Never the whole: it would not be cut.
        let keep = keep.min(content.len() - 1);
        let body = FaultyBody::truncated(self.world.clock(), &content, keep);
        Reply::Faulty(answer, body)
    }

    /// Waits; whether the client does, too.
    async fn waits_out(&self, span: Duration) -> bool {
        let patience = self.patience.unwrap_or(Duration::MAX);
        self.world.clock().sleep(span.min(patience)).await;
        span < patience
    }
}

fn content(answer: &Answer) -> Content {
    match &answer.body {
        AnswerBody::Bytes(bytes) => Content::from(bytes.clone()),
        AnswerBody::Content(content) => content.clone(),
    }
}

/// What S3 writes under status 200 when it fails after that.
fn late_error() -> ApiError {
    let message = "We encountered an internal error. Please try again.";
    ApiError::new(500, "InternalError", message)
}

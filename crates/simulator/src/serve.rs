//! The door for every other client: HTTP/1.1 on a loopback address.

use std::io;
use std::net::SocketAddr;

use amiferry_core::endpoint;
use bytes::Bytes;
use http::Response;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::World;
use crate::control;
use crate::faults::{Break, Reply, exchange};
use crate::wire::{Answer, AnswerBody, Incoming};

/// Binds `address`, which must be loopback: the simulation checks no signature.
///
/// # Errors
/// `InvalidInput` for an address that other machines can reach; otherwise what the bind gives.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{address} is not a loopback address; the simulated AWS listens on no other"),
        ));
    }
    TcpListener::bind(address).await
}

/// Serves `world` until the future is dropped; connections end with it.
pub async fn serve(world: World, listener: TcpListener) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(world.clone(), stream));
                }
                Err(error) => tracing::warn!(%error, "could not accept a connection"),
            },
        }
    }
}

async fn connection(world: World, stream: TcpStream) {
    // Without it, Nagle's algorithm and delayed acknowledgements cost 40 ms a small answer.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let world = world.clone();
        async move { respond(&world, request).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The response to one request; an error closes the connection without one.
async fn respond(
    world: &World,
    request: http::Request<hyper::body::Incoming>,
) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
    let request = request.map(incoming);
    if control::is_for(&request) {
        return response(control::answer(world, request).await);
    }
    // A page of a foreign site can make a browser on this machine send requests under its own name.
    let host = request.headers().get(http::header::HOST).map(|host| host.to_str().unwrap_or(""));
    if !host.is_none_or(endpoint::is_loopback) {
        let why =
            Bytes::from_static(b"the simulated AWS answers only to 127.0.0.1 and localhost\n");
        let body = BoxBody::new(Full::new(why).map_err(|never| match never {}));
        return headed(421, http::HeaderMap::new(), body);
    }
    match exchange(world, request, None).await {
        Reply::Whole(answer) => response(answer),
        Reply::Faulty(answer, body) => headed(answer.status, answer.headers, BoxBody::new(body)),
        // The connection ends when the client gives up.
        Reply::Nothing(Break::Silent) => std::future::pending().await,
        Reply::Nothing(Break::Refused | Break::Reset | Break::TimedOut) => {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

fn response(answer: Answer) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
    let body = match answer.body {
        AnswerBody::Bytes(bytes) => BoxBody::new(Full::new(bytes).map_err(|never| match never {})),
        AnswerBody::Content(content) => {
            BoxBody::new(content.into_body().map_err(|never| match never {}))
        }
    };
    headed(answer.status, answer.headers, body)
}

fn headed<B>(status: u16, headers: http::HeaderMap, body: B) -> io::Result<Response<B>> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).map_err(io::Error::other)?;
    *response.headers_mut() = headers;
    Ok(response)
}

fn incoming(body: hyper::body::Incoming) -> Incoming {
    Incoming::new(body.map_err(io::Error::other))
}

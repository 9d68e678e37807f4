//! Listens, and serves a few connections at once, each for a bounded time: what the servers of this
//! crate have in common.
//!
//! `places` counts the connections and makes room, `connection` ends them, `access`
//! says whom they answer.

mod access;
mod connection;
mod places;

use std::net::SocketAddr;

use amiferry_core::endpoint;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

pub use self::access::Access;
use self::connection::Connection;
use self::places::Places;

/// A server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("{server} cannot listen on {address}: {why}; {fix}")]
pub struct ListenError {
    /// The server that cannot listen, as the error names it.
    pub server: &'static str,
    /// The address that was asked for.
    pub address: SocketAddr,
    /// Where to ask for another.
    pub fix: &'static str,
    /// Why.
    pub why: std::io::Error,
}

/// Binds an address, and says which it is.
pub(crate) async fn listen(
    server: &'static str,
    address: SocketAddr,
    fix: &'static str,
) -> Result<(TcpListener, SocketAddr), ListenError> {
    let refused = |why| ListenError { server, address, fix, why };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Serves a few connections at once, each for a bounded time, and answers only who may ask. On loopback
/// it answers only requests that name a host of this machine, too.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    access: Access,
) -> std::io::Result<()> {
    let router = router.layer(middleware::from_fn_with_state(access, access::guard));
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let router = match is_loopback {
        true => router.layer(middleware::from_fn(host_of_this_machine)),
        false => router,
    };
    axum::serve(Limited { listener, places: Places::default() }, router).await
}

/// Refuses a request that names another host. A page of a foreign site can make a browser on this machine
/// send requests to loopback under a name of its own (DNS rebinding), and would read the answers.
async fn host_of_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    if host.is_none_or(endpoint::is_loopback) {
        return next.run(request).await;
    }
    let why =
        "this server listens on loopback and answers only there: use 127.0.0.1 or localhost\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// A listener that makes room for each new connection.
struct Limited {
    listener: TcpListener,
    places: Places,
}

impl axum::serve::Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // axum's own listener waits out what passes, such as too many open files.
        let (stream, peer) = axum::serve::Listener::accept(&mut self.listener).await;
        (Connection::new(stream, self.places.take(peer.ip())), peer)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

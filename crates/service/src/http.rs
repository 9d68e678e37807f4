//! Listens, and serves a few connections at once, each for a bounded time: what the servers of this
//! crate have in common.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections served at once; a scraper and a few probes need a handful.
const CONNECTIONS: usize = 32;

/// A connection is closed after this long, so that forgotten ones do not use up the places.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60);

/// A server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("{server} cannot listen on {address}: {source}; {fix}")]
pub struct ListenError {
    /// The server that cannot listen, as the error names it.
    pub server: &'static str,
    /// The address that was asked for.
    pub address: SocketAddr,
    /// Where to ask for another.
    pub fix: &'static str,
    /// Why.
    pub source: std::io::Error,
}

/// Binds an address, and says which it is.
pub(crate) async fn listen(
    server: &'static str,
    address: SocketAddr,
    fix: &'static str,
) -> Result<(TcpListener, SocketAddr), ListenError> {
    let refused = |source| ListenError { server, address, fix, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Serves a few connections at once, each for a bounded time.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    let listener = Limited { listener, places: Arc::new(Semaphore::new(CONNECTIONS)) };
    axum::serve(listener, router).await
}

/// A listener that accepts only while there are places.
struct Limited {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl axum::serve::Listener for Limited {
    type Io = connection::Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        // axum's own listener waits out what passes, such as too many open files.
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        (connection::Connection::new(stream, place), address)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

mod connection {
    //! A connection that holds its place, and ends when its time is over.

    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::time::{Sleep, sleep};

    use super::{LONGEST_CONNECTION, OwnedSemaphorePermit, TcpStream};

    pub(super) struct Connection {
        stream: TcpStream,
        deadline: Pin<Box<Sleep>>,
        _place: Option<OwnedSemaphorePermit>,
    }

    impl Connection {
        pub(super) fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>) -> Self {
            Self { stream, deadline: Box::pin(sleep(LONGEST_CONNECTION)), _place: place }
        }

        fn over(&mut self, context: &mut Context<'_>) -> bool {
            self.deadline.as_mut().poll(context).is_ready()
        }
    }

    fn timed_out() -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, "the connection's time is over")
    }

    impl AsyncRead for Connection {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.over(context) {
                return Poll::Ready(Err(timed_out()));
            }
            Pin::new(&mut self.stream).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Connection {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.over(context) {
                return Poll::Ready(Err(timed_out()));
            }
            Pin::new(&mut self.stream).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(context)
        }
    }
}

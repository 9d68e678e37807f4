//! A connection that ends when its time is over, or when its place is given to another.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::places::Place;

/// How long a client may take for the first request of a connection: what sends nothing, or its header a
/// byte at a time, is no scraper and no probe.
const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// A connection is closed after this long, so that forgotten ones do not use up the places.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60);

pub(super) struct Connection {
    stream: TcpStream,
    since: Instant,
    deadline: Pin<Box<Sleep>>,
    answered: bool,
    place: Place,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, place: Place) -> Self {
        let deadline = Box::pin(sleep(FIRST_REQUEST));
        Self { stream, since: Instant::now(), deadline, answered: false, place }
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.place.is_taken(context) || self.deadline.as_mut().poll(context).is_ready()
    }
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the connection's time is over")
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(over()));
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
        // What is answered has sent a whole request.
        if !self.answered {
            self.answered = true;
            let until = self.since + LONGEST_CONNECTION;
            self.deadline.as_mut().reset(until);
        }
        if self.is_over(context) {
            return Poll::Ready(Err(over()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

//! The body of an answer with a fault: truncated, or delayed by white space.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::SimClock;
use crate::s3::content::{Chunks, Content};

/// A body in pieces, with pauses between them, which may end before its announced length.
pub struct FaultyBody {
    clock: SimClock,
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    announced: Option<u64>,
}

enum Step {
    Pause(Duration),
    Bytes(Bytes),
    Chunks(Chunks),
    Break,
}

/// Time between the last bytes and the break, so that the bytes are already sent.
const BEFORE_THE_BREAK: Duration = Duration::from_millis(1);

impl FaultyBody {
    /// The first `keep` bytes of `content`, announced as a whole; then the connection breaks.
    pub(super) fn truncated(clock: SimClock, content: &Content, keep: u64) -> Self {
        let kept = content.slice(0..keep);
        let steps = [Step::Chunks(kept.chunks()), Step::Pause(BEFORE_THE_BREAK), Step::Break];
        Self { clock, steps: steps.into(), pause: None, announced: Some(content.len()) }
    }

    /// An XML document with one byte of white space a second, for `span`, behind its declaration.
    pub(super) fn kept_alive(clock: SimClock, document: &Bytes, span: Duration) -> Self {
        let declared = document.starts_with(b"<?xml");
        let end = document.windows(2).position(|pair| pair == b"?>").filter(|_| declared);
        let (head, rest) = match end {
            Some(end) => (document.slice(..end + 2), document.slice(end + 2..)),
            None => (Bytes::new(), document.clone()),
        };
        let mut steps = VecDeque::from([Step::Bytes(head)]);
        for _ in 0..span.as_secs() {
            steps.push_back(Step::Pause(Duration::from_secs(1)));
            steps.push_back(Step::Bytes(Bytes::from_static(b" ")));
        }
        steps.push_back(Step::Pause(Duration::from_nanos(u64::from(span.subsec_nanos()))));
        steps.push_back(Step::Bytes(rest));
        Self { clock, steps, pause: None, announced: None }
    }
}

impl fmt::Debug for FaultyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyBody").field("announced", &self.announced).finish_non_exhaustive()
    }
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = self.pause.as_mut() {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Break) => {
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
                }
                Some(Step::Pause(span)) => {
                    let clock = self.clock.clone();
                    self.pause = Some(Box::pin(async move { clock.sleep(span).await }));
                }
                Some(Step::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Step::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Chunks(mut chunks)) => {
                    if let Some(bytes) = chunks.next() {
                        self.steps.push_front(Step::Chunks(chunks));
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.pause.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

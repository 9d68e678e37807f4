//! Object content: real bytes, synthetic bytes that are generated when read, or a sequence of both.

use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;

pub use super::recognise::ContentBuilder;
use super::synthetic::{Generator, Synthetic};

/// How many synthetic bytes are generated at once while they are sent.
const CHUNK: u64 = 256 << 10;

/// The content of an object or a part of it. Cloning and slicing copy no bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// None is empty; neighbours of one seed whose ranges touch are one piece.
    pieces: Vec<Piece>,
    len: u64,
}

/// A stretch of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes that are generated when read.
    Synthetic(Synthetic),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Synthetic(range) => range.len,
        }
    }

    fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Bytes(bytes) => {
                Self::Bytes(bytes.slice(range.start as usize..range.end as usize))
            }
            Self::Synthetic(synthetic) => Self::Synthetic(synthetic.slice(range)),
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        let mut content = Self::default();
        content.push(Piece::Bytes(bytes));
        content
    }
}

impl Content {
    /// The first `len` bytes of the content of `seed`.
    pub fn synthetic(seed: u64, len: u64) -> Self {
        let mut content = Self::default();
        content.push(Piece::Synthetic(Synthetic { seed, start: 0, len }));
        content
    }

    /// Several contents one behind the other; what was cut from one synthetic range becomes one
    /// range again.
    pub fn concat(contents: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::default();
        for piece in contents.into_iter().flat_map(|content| content.pieces) {
            whole.push(piece);
        }
        whole
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The stretches it is made of, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The one synthetic range that this content is, if it is nothing else.
    pub fn as_synthetic(&self) -> Option<Synthetic> {
        match self.pieces.as_slice() {
            [Piece::Synthetic(range)] => Some(*range),
            _ => None,
        }
    }

    /// Whether any of it is generated.
    pub fn has_synthetic(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Synthetic(_)))
    }

    /// The bytes of `range`, up to the end of the content.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let mut slice = Self::default();
        let mut start = 0;
        for piece in &self.pieces {
            let end = start + piece.len();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                slice.push(piece.slice(from - start..to - start));
            }
            start = end;
        }
        slice
    }

    /// All of it in memory: for small content only.
    pub fn to_bytes(&self) -> Bytes {
        if let [Piece::Bytes(bytes)] = self.pieces.as_slice() {
            return bytes.clone();
        }
        let mut bytes = BytesMut::new();
        for chunk in self.chunks() {
            bytes.extend_from_slice(&chunk);
        }
        bytes.freeze()
    }

    /// The bytes in order, synthetic ones in chunks of 256 KiB.
    pub fn chunks(&self) -> Chunks {
        Chunks { pieces: self.pieces.clone().into(), generator: None, left: self.len }
    }

    /// The content as an HTTP body.
    pub fn into_body(self) -> BoxBody<Bytes, Infallible> {
        BoxBody::new(self.chunks())
    }

    pub(super) fn push(&mut self, piece: Piece) {
        if piece.len() == 0 {
            return;
        }
        self.len += piece.len();
        if let (Some(Piece::Synthetic(last)), Piece::Synthetic(next)) =
            (self.pieces.last_mut(), &piece)
            && last.seed == next.seed
            && last.end() == next.start
        {
            last.len += next.len;
        } else {
            self.pieces.push(piece);
        }
    }
}

/// The bytes of a content, chunk by chunk; also its HTTP body.
#[derive(Debug)]
pub struct Chunks {
    pieces: std::collections::VecDeque<Piece>,
    generator: Option<Generator>,
    left: u64,
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let chunk = match self.pieces.pop_front()? {
            Piece::Bytes(bytes) => bytes,
            Piece::Synthetic(range) => {
                let len = range.len.min(CHUNK);
                if len < range.len {
                    self.pieces.push_front(Piece::Synthetic(range.slice(len..range.len)));
                }
                let generator = self
                    .generator
                    .take()
                    .filter(|generator| generator.seed() == range.seed)
                    .unwrap_or_else(|| Generator::new(range.seed));
                let chunk = generator.generate(range.start, len as usize);
                self.generator = Some(generator);
                chunk
            }
        };
        self.left -= chunk.len() as u64;
        Some(chunk)
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Content made of bytes and synthetic ranges, with the bytes it stands for.
    fn mixed() -> impl Strategy<Value = Content> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..50)
                .prop_map(|bytes| Content::from(Bytes::from(bytes))),
            (0..3u64, 0..140_000u64, 0..70_000u64)
                .prop_map(|(seed, start, len)| Content::synthetic(seed, start + len)
                    .slice(start..start + len)),
        ];
        proptest::collection::vec(piece, 0..4).prop_map(Content::concat)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_slice_holds_the_bytes_of_its_range(content in mixed(), a in 0..200_000u64, b in 0..200_000u64) {
            let bytes = content.to_bytes();
            prop_assert_eq!(bytes.len() as u64, content.len());
            let (from, to) = (a.min(b).min(content.len()), a.max(b).min(content.len()));
            prop_assert_eq!(content.slice(from..to).to_bytes(), &bytes[from as usize..to as usize]);
        }

        #[test]
        fn what_is_cut_and_joined_again_is_the_same(len in 0..u64::MAX / 2, cuts in proptest::collection::vec(any::<u64>(), 0..6)) {
            let content = Content::synthetic(9, len);
            let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut % len.max(1)).collect();
            cuts.extend([0, len]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|pair| content.slice(pair[0]..pair[1]));
            prop_assert_eq!(Content::concat(parts), content);
        }
    }

    #[test]
    fn the_body_announces_its_length_and_ends() {
        let content = Content::synthetic(1, 5_000_000_000_000);
        let body = content.slice(0..600_000).into_body();
        assert_eq!(body.size_hint().exact(), Some(600_000));
        assert_eq!(content.into_body().size_hint().exact(), Some(5_000_000_000_000));
        assert!(Content::default().into_body().is_end_stream());
    }
}

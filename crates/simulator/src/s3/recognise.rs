//! Recognises synthetic content on write, so that it is stored as a range and not as bytes.
//!
//! A stream that begins inside the content of a seed is found by the first block header in it;
//! from there every byte is compared with what the generator makes. The first byte that differs
//! ends the recognition: the rest is stored as it is.

use bytes::{Bytes, BytesMut};

use super::content::{Content, Piece};
use super::synthetic::{BLOCK, Generator, HEADER, MAGIC, Synthetic, read_header};

/// The longest beginning without a whole block header that synthetic content can have.
const PROBE: usize = BLOCK as usize + HEADER;

/// Collects the chunks of a request body.
#[derive(Debug)]
pub struct ContentBuilder {
    done: Content,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Too little has come to tell.
    Probing(BytesMut),
    /// All so far is the content of a seed.
    Synthetic { generator: Generator, range: Synthetic },
    /// Ordinary bytes until the end.
    Bytes(BytesMut),
}

impl Default for ContentBuilder {
    fn default() -> Self {
        Self { done: Content::default(), state: State::Probing(BytesMut::new()) }
    }
}

impl ContentBuilder {
    /// An empty content.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes have come so far.
    pub fn len(&self) -> u64 {
        self.done.len()
            + match &self.state {
                State::Probing(bytes) | State::Bytes(bytes) => bytes.len() as u64,
                State::Synthetic { range, .. } => range.len,
            }
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the next bytes.
    pub fn push(&mut self, chunk: &Bytes) {
        match &mut self.state {
            State::Bytes(bytes) => bytes.extend_from_slice(chunk),
            State::Synthetic { generator, range } => {
                let matched = generator.matching(range.end(), chunk);
                range.len += matched as u64;
                if matched < chunk.len() {
                    self.done.push(Piece::Synthetic(*range));
                    self.state = State::Bytes(BytesMut::from(&chunk[matched..]));
                }
            }
            State::Probing(bytes) => {
                bytes.extend_from_slice(chunk);
                if bytes.len() >= PROBE || bytes.starts_with(&MAGIC) && bytes.len() >= HEADER {
                    self.probe();
                }
            }
        }
    }

    /// The content of all that has come.
    pub fn finish(mut self) -> Content {
        if matches!(self.state, State::Probing(_)) {
            self.probe();
        }
        self.done.push(match self.state {
            State::Probing(bytes) | State::Bytes(bytes) => Piece::Bytes(bytes.freeze()),
            State::Synthetic { range, .. } => Piece::Synthetic(range),
        });
        self.done
    }

    fn probe(&mut self) {
        let State::Probing(bytes) = &mut self.state else { return };
        let bytes = std::mem::take(bytes).freeze();
        self.state = State::Bytes(BytesMut::new());
        if let Some((generator, start)) = origin(&bytes) {
            let range = Synthetic { seed: generator.seed(), start, len: 0 };
            self.state = State::Synthetic { generator, range };
        }
        self.push(&bytes);
    }
}

/// The generator and the offset at which `bytes` begins in its content, going by the first block
/// header in it.
fn origin(bytes: &[u8]) -> Option<(Generator, u64)> {
    let (at, (seed, index)) = bytes
        .windows(HEADER)
        .take(BLOCK as usize)
        .enumerate()
        .filter(|(_, window)| window[0] == MAGIC[0])
        .find_map(|(at, window)| Some((at, read_header(window)?)))?;
    let start = index.checked_mul(BLOCK)?.checked_sub(at as u64)?;
    let generator = Generator::new(seed);
    (generator.matching(start, &bytes[..at]) == at).then_some((generator, start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn built(bytes: &Bytes, chunk: usize) -> Content {
        let mut builder = ContentBuilder::new();
        for start in (0..bytes.len()).step_by(chunk) {
            builder.push(&bytes.slice(start..bytes.len().min(start + chunk)));
            assert_eq!(builder.len(), bytes.len().min(start + chunk) as u64);
        }
        builder.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_range_that_holds_a_block_header_is_recognised(
            seed: u64, start in 0..1u64 << 40, len in 65_560..200_000u64, chunk in 1_000..100_000usize,
        ) {
            let range = Content::synthetic(seed, start + len).slice(start..start + len);
            prop_assert_eq!(built(&range.to_bytes(), chunk), range);
        }

        #[test]
        fn what_differs_anywhere_still_comes_back_byte_for_byte(
            start in 0..200_000u64, len in 1..150_000u64, wrong: proptest::sample::Index, chunk in 1_000..100_000usize,
        ) {
            let range = Content::synthetic(5, start + len).slice(start..start + len);
            let mut bytes = range.to_bytes().to_vec();
            bytes[wrong.index(len as usize)] ^= 0x40;
            let bytes = Bytes::from(bytes);
            prop_assert_eq!(built(&bytes, chunk).to_bytes(), bytes);
        }
    }

    #[test]
    fn ordinary_bytes_stay_bytes_even_when_they_begin_with_the_magic() {
        let forged = [MAGIC.as_slice(), &[0; 100]].concat();
        for bytes in [Bytes::new(), Bytes::from_static(b"SYNTHET1"), Bytes::from(forged)] {
            assert_eq!(built(&bytes, 7).to_bytes(), bytes);
        }
    }
}

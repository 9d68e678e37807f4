//! Synthetic bytes: endless content made from a seed, so that large objects need no memory.
//!
//! The content of seed `s` is a sequence of 64 KiB blocks. All blocks of a seed share one pattern
//! (`SplitMix64` of the seed); the first 24 bytes of a block are a magic, the seed and the index of
//! the block, big-endian. So every block can be recognised by itself, and no two are equal.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Length of a block in bytes.
pub const BLOCK: u64 = 64 << 10;

/// The first bytes of every block.
pub const MAGIC: [u8; 8] = *b"SYNTHET1";

/// Magic, seed and block index.
pub const HEADER: usize = 24;

/// A range of the endless content of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    pub seed: u64,
    /// Offset of the first byte in the content of the seed.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Synthetic {
    /// Offset behind the last byte.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// The sub-range `range`, counted from this range's own start.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        Self { seed: self.seed, start: self.start + range.start, len: range.end - range.start }
    }
}

/// Makes the bytes of one seed.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    pattern: Bytes,
}

impl Generator {
    /// The generator of a seed; computes its pattern once.
    pub fn new(seed: u64) -> Self {
        let mut pattern = BytesMut::with_capacity(BLOCK as usize);
        let mut state = seed;
        while pattern.len() < BLOCK as usize {
            pattern.extend_from_slice(&split_mix(&mut state).to_le_bytes());
        }
        Self { seed, pattern: pattern.freeze() }
    }

    /// The number from which every byte is computed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The bytes `start..start + len`.
    pub fn generate(&self, start: u64, len: usize) -> Bytes {
        let mut bytes = BytesMut::with_capacity(len);
        self.each(start, len, |piece| {
            bytes.extend_from_slice(piece);
            true
        });
        bytes.freeze()
    }

    /// How many bytes of `bytes` equal the content from `start` on.
    pub fn matching(&self, start: u64, bytes: &[u8]) -> usize {
        let mut matched = 0;
        self.each(start, bytes.len(), |piece| {
            let found = &bytes[matched..matched + piece.len()];
            let equal = if found == piece {
                piece.len()
            } else {
                found.iter().zip(piece).take_while(|(found, made)| found == made).count()
            };
            matched += equal;
            equal == piece.len()
        });
        matched
    }

    /// Visits the bytes of a range piece by piece while `visit` says so.
    fn each(&self, start: u64, len: usize, mut visit: impl FnMut(&[u8]) -> bool) {
        let end = start.saturating_add(len as u64);
        let mut at = start;
        while at < end {
            let (index, within) = (at / BLOCK, (at % BLOCK) as usize);
            let header = header(self.seed, index);
            let block_end = BLOCK.min(end - at + within as u64) as usize;
            let piece = if within < HEADER {
                &header[within..HEADER.min(block_end)]
            } else {
                &self.pattern[within..block_end]
            };
            if !visit(piece) {
                return;
            }
            at += piece.len() as u64;
        }
    }
}

/// The header of a block.
pub fn header(seed: u64, index: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&seed.to_be_bytes());
    header[16..].copy_from_slice(&index.to_be_bytes());
    header
}

/// Seed and index of the block whose header `bytes` begins with.
pub fn read_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (seed, rest) = rest.split_first_chunk()?;
    let (index, _) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*seed), u64::from_be_bytes(*index)))
}

/// `SplitMix64`, written out because the content of a seed must never change.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_starts_with_its_own_header() {
        let generator = Generator::new(7);
        let bytes = generator.generate(0, 3 * BLOCK as usize);
        for index in 0..3 {
            let block = &bytes[index * BLOCK as usize..];
            assert_eq!(read_header(block), Some((7, index as u64)));
        }
        assert_eq!(
            bytes[HEADER..BLOCK as usize],
            bytes[BLOCK as usize + HEADER..2 * BLOCK as usize]
        );
    }

    #[test]
    fn a_range_is_the_same_whatever_it_is_cut_from() {
        let generator = Generator::new(u64::MAX);
        let whole = generator.generate(0, 200_000);
        for (start, len) in
            [(0, 1), (10, 20), (20, 70_000), (65_535, 2), (65_536, 65_536), (131_000, 69_000)]
        {
            assert_eq!(generator.generate(start, len), whole[start as usize..start as usize + len]);
        }
    }

    #[test]
    fn matching_stops_at_the_first_wrong_byte() {
        let generator = Generator::new(3);
        for wrong in [0, 8, 23, 24, 65_535, 65_536, 99_999] {
            let mut bytes = generator.generate(100, 100_000).to_vec();
            assert_eq!(generator.matching(100, &bytes), 100_000);
            bytes[wrong] ^= 1;
            assert_eq!(generator.matching(100, &bytes), wrong);
        }
    }
}

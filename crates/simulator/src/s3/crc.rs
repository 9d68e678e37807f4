//! The three CRCs of S3, and their algebra: the CRC of a concatenation from the CRCs of its parts,
//! and the CRC of synthetic content of any length in a number of steps that grows with its
//! logarithm.
//!
//! A CRC of these kinds (reflected, all ones before and after) is linear in the bits of a message
//! of given length. `crc(A ++ B) = crc(A) · x^(8·|B|) + crc(B)` over the polynomials modulo that
//! of the CRC. Block `i` of a seed differs from block 0 only in the bits of `i`, so
//! `crc(block i) = crc(block 0) + index(i)` with `index` linear; for a run of `2^k` blocks that
//! begins at a multiple of `2^k`, the high and the low bits of the indices separate.

use crc_fast::{CrcAlgorithm, Digest};

use super::content::{Content, Piece};
use super::synthetic::{BLOCK, Generator, HEADER, Synthetic};

/// A cyclic redundancy check that S3 knows.
#[derive(Debug, Clone, Copy)]
pub struct Crc {
    algorithm: CrcAlgorithm,
    /// The polynomial with its bits reversed: bit 0 is the highest power.
    polynomial: u64,
    /// The polynomial `1`: the highest bit of the register.
    one: u64,
}

/// CRC-64/NVME, the checksum that S3 gives every object.
pub const CRC64NVME: Crc =
    Crc { algorithm: CrcAlgorithm::Crc64Nvme, polynomial: 0x9a6c_9329_ac4b_c9b5, one: 1 << 63 };

/// CRC-32 as in zlib.
pub const CRC32: Crc =
    Crc { algorithm: CrcAlgorithm::Crc32IsoHdlc, polynomial: 0xedb8_8320, one: 1 << 31 };

/// CRC-32 with Castagnoli's polynomial.
pub const CRC32C: Crc =
    Crc { algorithm: CrcAlgorithm::Crc32Iscsi, polynomial: 0x82f6_3b78, one: 1 << 31 };

impl Crc {
    /// The CRC of `first ++ second`, given both CRCs and the length of the second in bytes.
    pub fn combine(self, first: u64, second: u64, second_len: u64) -> u64 {
        self.multiply(first, self.x_to_bytes(second_len)) ^ second
    }

    /// The CRC of a content; synthetic ranges cost no more for being long.
    pub fn of(self, content: &Content) -> u64 {
        let mut crc = 0;
        for piece in content.pieces() {
            let (next, len) = match piece {
                Piece::Bytes(bytes) => (self.of_bytes(bytes), bytes.len() as u64),
                Piece::Synthetic(range) => (self.of_synthetic(*range), range.len),
            };
            crc = self.combine(crc, next, len);
        }
        crc
    }

    /// The CRC of bytes in memory.
    pub fn of_bytes(self, bytes: &[u8]) -> u64 {
        let mut digest = Digest::new(self.algorithm);
        digest.update(bytes);
        digest.finalize()
    }

    fn of_synthetic(self, range: Synthetic) -> u64 {
        let generator = Generator::new(range.seed);
        let direct = |from: u64, to: u64| {
            let len = to.saturating_sub(from);
            (self.of_bytes(&generator.generate(from, len as usize)), len)
        };
        let first_block = range.start.div_ceil(BLOCK);
        let end_block = range.end() / BLOCK;
        if first_block >= end_block {
            // No whole block: less than two blocks of bytes.
            return direct(range.start, range.end()).0;
        }
        let (mut crc, _) = direct(range.start, first_block * BLOCK);
        let block_zero = direct(0, BLOCK).0;
        crc = self.combine(
            crc,
            self.of_blocks(block_zero, first_block, end_block),
            (end_block - first_block) * BLOCK,
        );
        let (tail, len) = direct(end_block * BLOCK, range.end());
        self.combine(crc, tail, len)
    }

    /// The CRC of the whole blocks `from..to`, from the CRC of block 0.
    fn of_blocks(self, block_zero: u64, from: u64, to: u64) -> u64 {
        let runs = self.runs((to - from).ilog2() + 1);
        let mut crc = 0;
        let mut at = from;
        while at < to {
            let order = at.trailing_zeros().min((to - at).ilog2()) as usize;
            let run = &runs[order];
            let high = block_zero ^ self.index(at);
            crc = self.multiply(crc, run.shift) ^ self.multiply(high, run.ones) ^ run.indices;
            at += 1 << order;
        }
        crc
    }

    /// The runs of 1, 2, 4, … blocks.
    fn runs(self, count: u32) -> Vec<Run> {
        let mut run = Run { shift: self.x_to_bytes(BLOCK), ones: self.one, indices: 0 };
        let mut runs = vec![run];
        for order in 1..count {
            // The second half has the same low indices, and one more bit in each.
            let bit = self.multiply(self.index(1 << (order - 1)), run.ones);
            run = Run {
                indices: self.multiply(run.indices, run.shift) ^ run.indices ^ bit,
                ones: self.multiply(run.ones, run.shift) ^ run.ones,
                shift: self.multiply(run.shift, run.shift),
            };
            runs.push(run);
        }
        runs
    }

    /// What the index in its header adds to the CRC of a block.
    fn index(self, index: u64) -> u64 {
        let bits = self.of_bytes(&index.to_be_bytes()) ^ self.of_bytes(&[0; 8]);
        self.multiply(bits, self.x_to_bytes(BLOCK - HEADER as u64))
    }

    /// `x^(8·bytes)`.
    fn x_to_bytes(self, bytes: u64) -> u64 {
        let mut square = self.one >> 8;
        let mut power = self.one;
        let mut left = bytes;
        while left > 0 {
            if left & 1 == 1 {
                power = self.multiply(power, square);
            }
            square = self.multiply(square, square);
            left >>= 1;
        }
        power
    }

    /// The product of two polynomials.
    fn multiply(self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        let mut bit = self.one;
        while bit > 0 && b > 0 {
            if a & bit != 0 {
                product ^= b;
            }
            b = if b & 1 == 1 { (b >> 1) ^ self.polynomial } else { b >> 1 };
            bit >>= 1;
        }
        product
    }
}

/// What is the same for all aligned runs of one length.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// `x` to the length of the run in bits.
    shift: u64,
    /// The sum of `x^(block bits · j)` over the blocks of the run.
    ones: u64,
    /// The CRC that the low bits of the indices add, each at its place.
    indices: u64,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checks_of_the_catalogue_hold() {
        for (crc, check) in
            [(CRC64NVME, 0xae8b_1486_0a79_9888), (CRC32, 0xcbf4_3926), (CRC32C, 0xe306_9283)]
        {
            assert_eq!(crc.of_bytes(b"123456789"), check);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn combining_agrees_with_the_library(first: u64, second: u64, len: u64) {
            for crc in [CRC64NVME, CRC32, CRC32C] {
                let mask = crc.one | (crc.one - 1);
                let (first, second) = (first & mask, second & mask);
                let expected = crc_fast::checksum_combine(crc.algorithm, first, second, len);
                prop_assert_eq!(crc.combine(first, second, len), expected);
            }
        }

        #[test]
        fn a_synthetic_range_has_the_crc_of_its_bytes(seed: u64, start in 0..1u64 << 42, len in 0..4u64 << 20) {
            let content = Content::synthetic(seed, start + len).slice(start..start + len);
            let bytes = Content::from(content.to_bytes());
            for crc in [CRC64NVME, CRC32, CRC32C] {
                prop_assert_eq!(crc.of(&content), crc.of(&bytes));
            }
        }

        #[test]
        fn the_crc_of_terabytes_is_that_of_its_parts(seed: u64, len in 1..6_000_000_000_000u64, cut: u64) {
            let whole = Content::synthetic(seed, len);
            let cut = cut % len;
            let (first, second) = (whole.slice(0..cut), whole.slice(cut..len));
            let combined = CRC64NVME.combine(CRC64NVME.of(&first), CRC64NVME.of(&second), len - cut);
            prop_assert_eq!(CRC64NVME.of(&whole), combined);
        }
    }

    #[test]
    fn empty_content_has_the_crc_zero() {
        assert_eq!(CRC64NVME.of(&Content::from(Bytes::new())), 0);
    }
}

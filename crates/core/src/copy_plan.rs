//! How an object is cut into the parts of a multipart copy.
//!
//! Limits: 10,000 parts; 5 MiB to 5 GiB a part, the last may be smaller (S3 user guide, *Amazon
//! S3 multipart upload limits*).

use crate::ports::ByteRange;

/// One mebibyte in bytes.
pub const MIB: u64 = 1 << 20;

const LARGEST_PART: u64 = 5 << 30;
const SMALLEST_PART: u64 = 5 * MIB;
const MOST_PARTS: u64 = 10_000;

/// A source at most this large cannot be copied by ranges (S3 API, `UploadPartCopy`: the source
/// must be greater than 5 MB).
const SMALLEST_RANGED_SOURCE: u64 = 5 * MIB;

/// The parts of one copy: all of one size but the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyPlan {
    size: u64,
    part_size: u64,
}

/// Why an object cannot be copied in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uncopyable {
    /// Its size in bytes.
    #[error("an object of {0} bytes cannot be copied in parts: expected 1 byte to 50,000 GiB")]
    Size(u64),
    /// Its checksum covers parts that this plan could not have.
    #[error(
        "its checksum covers {parts} parts, the first of {first} bytes and the last of {last}; a copy \
         can have it only if all but the last are of one size"
    )]
    Parts {
        /// How many parts.
        parts: u32,
        /// The length of the first in bytes.
        first: u64,
        /// The length of the last in bytes.
        last: u64,
    },
}

impl CopyPlan {
    /// The plan for an object of `size` bytes in parts of about `preferred` bytes, larger if 10,000
    /// parts would not suffice. Equal inputs give equal plans, so that an interrupted copy can
    /// resume.
    ///
    /// # Errors
    /// An empty object, or one beyond 10,000 parts of 5 GiB.
    pub fn new(size: u64, preferred: u64) -> Result<Self, Uncopyable> {
        if size == 0 || size > LARGEST_PART * MOST_PARTS {
            return Err(Uncopyable::Size(size));
        }
        let needed = size.div_ceil(MOST_PARTS).next_multiple_of(MIB);
        let part_size = preferred.clamp(SMALLEST_PART, LARGEST_PART).max(needed).min(LARGEST_PART);
        Ok(Self { size, part_size })
    }

    /// The plan with the same parts as an object of `size` bytes that was written in `parts` parts, of
    /// which the first and the last are so long.
    ///
    /// # Errors
    /// The parts in between are not as long as the first, or S3 allows no such parts.
    pub fn like(size: u64, parts: u32, first: u64, last: u64) -> Result<Self, Uncopyable> {
        let before = u64::from(parts.saturating_sub(1)).checked_mul(first);
        let fits = before.and_then(|before| before.checked_add(last)) == Some(size)
            && (1..=first).contains(&last)
            && (parts == 1 || (SMALLEST_PART..=LARGEST_PART).contains(&first))
            && first <= LARGEST_PART
            && u64::from(parts) <= MOST_PARTS;
        match fits {
            true => Ok(Self { size, part_size: first }),
            false => Err(Uncopyable::Parts { parts, first, last }),
        }
    }

    /// Number of parts, 1 to 10,000.
    pub fn parts(&self) -> u32 {
        u32::try_from(self.size.div_ceil(self.part_size)).unwrap_or(u32::MAX)
    }

    /// The bytes of a part; `None` for a number that the plan does not have.
    pub fn part(&self, number: u32) -> Option<ByteRange> {
        let index = u64::from(number.checked_sub(1)?);
        let start = index.checked_mul(self.part_size)?;
        let left = self.size.checked_sub(start).filter(|left| *left > 0)?;
        Some(ByteRange { start, length: left.min(self.part_size) })
    }

    /// Whether the object is so small that its only part is copied without naming a range.
    pub fn is_whole(&self) -> bool {
        self.size <= SMALLEST_RANGED_SOURCE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_cover_the_object_once_within_the_limits_of_s3(
            size in 1..=LARGEST_PART * MOST_PARTS,
            preferred in 0..=LARGEST_PART * 2,
        ) {
            let plan = CopyPlan::new(size, preferred).unwrap();
            prop_assert!(u64::from(plan.parts()) <= MOST_PARTS);
            let last = plan.part(plan.parts()).unwrap();
            prop_assert_eq!(last.start + last.length, size);
            prop_assert_eq!(plan.part(plan.parts() + 1), None);
            prop_assert_eq!(plan.part(0), None);
            if plan.parts() > 1 {
                let first = plan.part(1).unwrap();
                prop_assert!((SMALLEST_PART..=LARGEST_PART).contains(&first.length));
                let second = plan.part(2).unwrap();
                prop_assert_eq!(second.start, first.length);
            }
        }
    }

    #[test]
    fn an_empty_or_endless_object_has_no_plan() {
        assert_eq!(CopyPlan::new(0, MIB), Err(Uncopyable::Size(0)));
        let endless = LARGEST_PART * MOST_PARTS + 1;
        assert_eq!(CopyPlan::new(endless, MIB), Err(Uncopyable::Size(endless)));
    }

    #[test]
    fn a_plan_with_the_parts_of_its_object_has_them_or_there_is_none() {
        for (size, parts, first, last, fits) in [
            (150, 3, 64, 22, true),
            (128, 2, 64, 64, true),
            (3, 1, 3, 3, true),
            (150, 2, 64, 22, false),
            (150, 3, 60, 22, false),
            (150, 2, 64, 86, false),
            (0, 0, 0, 0, false),
            (64, 1, 64, 0, false),
        ] {
            let plan = CopyPlan::like(size * MIB, parts, first * MIB, last * MIB);
            let shape = |plan: CopyPlan| (plan.parts(), plan.part(parts).map(|part| part.length));
            let expected = fits.then_some((parts, Some(last * MIB)));
            assert_eq!(plan.ok().map(shape), expected, "{size} in {parts}");
        }
        assert!(CopyPlan::like(2, 2, 1, 1).is_err(), "parts that S3 does not take");
        let many = u32::try_from(MOST_PARTS).unwrap() + 1;
        assert!(CopyPlan::like(u64::from(many) * 5 * MIB, many, 5 * MIB, 5 * MIB).is_err());
    }
}

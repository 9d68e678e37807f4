//! The checksum that S3 gives an object of the checksums of its parts.
//!
//! S3 documents no comparison of it at the completion of an upload. Made here, it refuses what an
//! upload must not become before it is an object, which a lock would keep for years.

use amiferry_core::model::{Checksum, Coverage, PartFacts};
use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_types::base64;

/// Why an object of these parts does not have a checksum that covers its parts; `None` if it has it, or
/// if it covers all bytes.
pub(super) fn mismatch(expected: &Checksum, parts: &[PartFacts]) -> Option<String> {
    if expected.coverage == Coverage::Whole {
        return None;
    }
    match of_parts(expected, parts) {
        Err(why) => Some(why),
        Ok(value) if value == expected.value => None,
        Ok(value) => Some(format!("the parts come to {value}, not to {}", expected.value)),
    }
}

fn of_parts(expected: &Checksum, parts: &[PartFacts]) -> Result<String, String> {
    let algorithm: ChecksumAlgorithm =
        expected.algorithm.name().parse().map_err(|error| format!("{error}"))?;
    let mut sum = algorithm.into_impl();
    for PartFacts { number, checksum, .. } in parts {
        let value =
            checksum.as_ref().ok_or_else(|| format!("S3 shows no checksum of part {number}"))?;
        let value = base64::decode(value)
            .map_err(|error| format!("the checksum of part {number} is no base64: {error}"))?;
        sum.update(&value);
    }
    Ok(format!("{}-{}", base64::encode(sum.finalize()), parts.len()))
}

#[cfg(test)]
mod tests {
    use amiferry_core::model::ChecksumAlgorithm::{Crc32, Sha256};

    use super::*;

    fn part(number: u32, checksum: Option<&str>) -> PartFacts {
        let checksum = checksum.map(str::to_owned);
        PartFacts { number, size: 3, etag: String::new(), checksum, copied_at: None }
    }

    #[test]
    fn the_checksum_of_parts_is_that_of_their_checksums() {
        let of = |algorithm, value: &str| Checksum {
            algorithm,
            coverage: Coverage::Parts,
            value: value.to_owned(),
        };
        let two = [part(1, Some("y/Q5Jg==")), part(2, Some("NSRBwg=="))];
        let one = [part(1, Some("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="))];
        let sha = "T4tCwi3TcptRm6b2jS2nzFstYG0F2u1a1RKMwD5sY1g=-1";
        for (expected, parts, same) in [
            (of(Crc32, "25ItdA==-2"), &two[..], true),
            (of(Sha256, sha), &one, true),
            (of(Crc32, "25ItdA==-3"), &two, false),
            (of(Crc32, "25ItdA==-2"), &two[..1], false),
            (of(Crc32, "25ItdA==-2"), &[part(1, None)], false),
            (of(Crc32, "25ItdA==-2"), &[part(1, Some("?"))], false),
            (Checksum { coverage: Coverage::Whole, ..of(Crc32, "x") }, &two, true),
        ] {
            assert_eq!(mismatch(&expected, parts).is_none(), same, "{expected} of {parts:?}");
        }
    }
}

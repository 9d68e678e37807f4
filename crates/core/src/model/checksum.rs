//! The checksums that S3 keeps of an object.
//!
//! Source: S3 user guide, *Checking object integrity*: CRC64NVME always covers the whole object, and
//! S3 computes it itself where the writer gave no other; SHA-1 and SHA-256 of an object written in
//! parts cover its parts. What EC2 gives when it stores an image is not documented.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A checksum, base64 as S3 writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    #[serde(rename = "type", default, skip_serializing_if = "Coverage::is_whole")]
    pub coverage: Coverage,
    /// The value; of parts it ends with `-` and their number.
    pub value: String,
}

/// How a checksum is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChecksumAlgorithm {
    /// CRC-64/NVME.
    Crc64Nvme,
    /// CRC-32.
    Crc32,
    /// CRC-32C.
    Crc32C,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// What a checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Coverage {
    /// All bytes of the object.
    #[default]
    #[serde(rename = "FULL_OBJECT")]
    Whole,
    /// The checksums of its parts, so it depends on where the parts begin.
    #[serde(rename = "COMPOSITE")]
    Parts,
}

impl Checksum {
    /// A checksum of all bytes.
    pub fn whole(algorithm: ChecksumAlgorithm, value: impl Into<String>) -> Self {
        Self { algorithm, coverage: Coverage::Whole, value: value.into() }
    }

    /// How many parts it covers; `None` for one of all bytes.
    pub fn parts(&self) -> Option<u32> {
        match self.coverage {
            Coverage::Whole => None,
            Coverage::Parts => self.value.rsplit_once('-')?.1.parse().ok().filter(|n| *n > 0),
        }
    }

    /// Whether a copy that S3 makes in parts can have it: one of all bytes must be a CRC, and one of
    /// parts must say how many they are.
    pub fn can_be_copied(&self) -> bool {
        let is_sha = matches!(self.algorithm, ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256);
        match self.coverage {
            Coverage::Whole => !is_sha,
            Coverage::Parts => self.parts().is_some(),
        }
    }
}

impl Coverage {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

impl ChecksumAlgorithm {
    /// As S3 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32 => "CRC32",
            Self::Crc32C => "CRC32C",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_made_in_parts_can_have_a_crc_of_all_bytes_or_a_checksum_of_the_same_parts() {
        use ChecksumAlgorithm::{Crc32, Crc64Nvme, Sha256};
        for (algorithm, coverage, value, parts, copied) in [
            (Crc64Nvme, Coverage::Whole, "rosUhgp5mIg=", None, true),
            (Crc32, Coverage::Whole, "y/Q5Jg==", None, true),
            (Crc32, Coverage::Parts, "y/Q5Jg==-12", Some(12), true),
            (Sha256, Coverage::Parts, "FeKw08M4keU=-1", Some(1), true),
            (Sha256, Coverage::Whole, "FeKw08M4keU=", None, false),
            (Crc32, Coverage::Parts, "y/Q5Jg==", None, false),
            (Crc32, Coverage::Parts, "y/Q5Jg==-0", None, false),
        ] {
            let checksum = Checksum { algorithm, coverage, value: value.to_owned() };
            assert_eq!((checksum.parts(), checksum.can_be_copied()), (parts, copied), "{checksum}");
            let written = serde_json::to_value(&checksum).unwrap();
            assert_eq!(written["algorithm"], algorithm.name());
            assert_eq!(written.get("type").is_some(), coverage == Coverage::Parts);
            assert_eq!(serde_json::from_value::<Checksum>(written).unwrap(), checksum);
        }
    }
}

//! The checksums of S3: which algorithms there are, how they are written, and how the checksum of
//! a multipart object follows from those of its parts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use super::content::{Content, Piece};
use super::crc::{CRC32, CRC32C, CRC64NVME, Crc};

/// A checksum algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// CRC-64/NVME: what S3 computes unless the request names another.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The bytes of the object.
    FullObject,
    /// The checksums of its parts.
    Composite,
}

impl Kind {
    /// The name in `x-amz-checksum-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

/// A checksum as S3 stores and shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// What it covers.
    pub kind: Kind,
    /// Base64 of the big-endian value; a composite one ends with `-` and the number of parts.
    pub value: String,
}

impl Checksum {
    /// The checksum of all bytes of a content.
    pub fn full(algorithm: Algorithm, content: &Content) -> Self {
        Self { algorithm, kind: Kind::FullObject, value: algorithm.of(content) }
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Crc64Nvme, Self::Crc32, Self::Crc32C, Self::Sha1, Self::Sha256];

    /// The name in `x-amz-checksum-algorithm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32 => "CRC32",
            Self::Crc32C => "CRC32C",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries the value.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32C => "x-amz-checksum-crc32c",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The XML element that carries the value.
    pub fn element(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32C => "ChecksumCRC32C",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// The algorithm of a name, in upper or lower case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// What the checksum of a multipart object covers when the caller does not say.
    pub fn default_kind(self) -> Kind {
        match self {
            Self::Crc64Nvme => Kind::FullObject,
            Self::Crc32 | Self::Crc32C | Self::Sha1 | Self::Sha256 => Kind::Composite,
        }
    }

    /// Whether multipart objects can have such a checksum.
    pub fn allows(self, kind: Kind) -> bool {
        match self {
            Self::Crc64Nvme => kind == Kind::FullObject,
            Self::Crc32 | Self::Crc32C => true,
            Self::Sha1 | Self::Sha256 => kind == Kind::Composite,
        }
    }

    /// The value of a content in base64. CRCs of synthetic ranges are immediate; SHA reads every
    /// byte, as there is no shortcut.
    pub fn of(self, content: &Content) -> String {
        match self.crc() {
            Some(crc) => self.write_crc(crc.of(content)),
            None => STANDARD.encode(self.digest(content.chunks())),
        }
    }

    fn crc(self) -> Option<Crc> {
        match self {
            Self::Crc64Nvme => Some(CRC64NVME),
            Self::Crc32 => Some(CRC32),
            Self::Crc32C => Some(CRC32C),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn write_crc(self, value: u64) -> String {
        match self {
            Self::Crc64Nvme => STANDARD.encode(value.to_be_bytes()),
            _ => STANDARD.encode((value as u32).to_be_bytes()),
        }
    }

    fn digest(self, chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
        fn run<D: Digest>(chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
            let mut digest = D::new();
            chunks.for_each(|chunk| digest.update(chunk.as_ref()));
            digest.finalize().to_vec()
        }
        match self {
            Self::Sha1 => run::<sha1::Sha1>(chunks),
            _ => run::<sha2::Sha256>(chunks),
        }
    }

    /// The checksum of a multipart object from the values (base64) and lengths of its parts.
    pub fn of_parts(self, kind: Kind, parts: &[(String, u64)]) -> Checksum {
        let value = match (kind, self.crc()) {
            (Kind::FullObject, Some(crc)) => {
                let combined = parts
                    .iter()
                    .fold(0, |so_far, (value, len)| crc.combine(so_far, read_crc(value), *len));
                self.write_crc(combined)
            }
            _ => {
                let values: Vec<u8> = parts
                    .iter()
                    .flat_map(|(value, _)| STANDARD.decode(value).unwrap_or_default())
                    .collect();
                format!("{}-{}", self.of(&Content::from(bytes::Bytes::from(values))), parts.len())
            }
        };
        Checksum { algorithm: self, kind, value }
    }
}

fn read_crc(value: &str) -> u64 {
    let bytes = STANDARD.decode(value).unwrap_or_default();
    bytes.iter().fold(0, |so_far, byte| so_far << 8 | u64::from(*byte))
}

/// The MD5 of a content in base64, for `Content-MD5`; reads every byte.
pub fn content_md5(content: &Content) -> String {
    let mut digest = Md5::new();
    content.chunks().for_each(|chunk| digest.update(&chunk));
    STANDARD.encode(digest.finalize())
}

/// The `ETag` of an object or part that was written in one piece: the MD5 of its bytes.
///
/// Where some of them are synthetic it is the MD5 of their description instead, because the MD5 of
/// terabytes has no shortcut: as with SSE-KMS in AWS, such an `ETag` is not the MD5 of the content.
pub fn etag(content: &Content) -> String {
    let mut digest = Md5::new();
    for piece in content.pieces() {
        match piece {
            Piece::Bytes(bytes) => digest.update(bytes),
            Piece::Synthetic(range) => {
                digest.update(format!("{}:{}:{}", range.seed, range.start, range.len));
            }
        }
    }
    hex::encode(digest.finalize())
}

/// The `ETag` of a multipart object from those of its parts.
pub fn multipart_etag(parts: &[impl AsRef<str>]) -> String {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(hex::decode(part.as_ref()).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(digest.finalize()), parts.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn values_are_written_as_s3_writes_them() {
        let content = Content::from(Bytes::from_static(b"123456789"));
        for (algorithm, value) in [
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32C, "4waSgw=="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            assert_eq!(algorithm.of(&content), value, "{}", algorithm.name());
        }
        assert_eq!(content_md5(&content), "JfnnlDI7RTiF9RgfG2JNCw==");
        assert_eq!(etag(&content), "25f9e794323b453885f5181f1b624d0b");
    }

    #[test]
    fn the_full_object_checksum_of_parts_is_that_of_the_whole() {
        let whole = Content::concat([
            Content::from(Bytes::from_static(b"header")),
            Content::synthetic(4, 1_000_000),
        ]);
        let parts = [whole.slice(0..400_001), whole.slice(400_001..whole.len())];
        for algorithm in [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Crc32C] {
            let values: Vec<_> =
                parts.iter().map(|part| (algorithm.of(part), part.len())).collect();
            assert_eq!(algorithm.of_parts(Kind::FullObject, &values).value, algorithm.of(&whole));
        }
    }

    #[test]
    fn a_composite_checksum_counts_its_parts() {
        let parts = [("y/Q5Jg==".to_owned(), 9), ("y/Q5Jg==".to_owned(), 9)];
        let checksum = Algorithm::Crc32.of_parts(Kind::Composite, &parts);
        assert!(checksum.value.ends_with("==-2"), "{}", checksum.value);
    }
}

//! Multipart uploads: their parts, and the rules of their completion.

use std::collections::BTreeMap;

use amiferry_core::ids::AccountId;
use jiff::Timestamp;

use super::checksum::{self, Algorithm, Checksum, Kind};
use super::content::Content;
use super::object::{Attributes, Object, ObjectPart};
use crate::wire::ApiError;

/// The least length of every part but the last, in bytes.
pub const SMALLEST_PART: u64 = 5 << 20;

/// The greatest length of a part and of an object written in one piece, in bytes.
pub const LARGEST_PART: u64 = 5 << 30;

/// The greatest part number, and so the greatest number of parts.
pub const MOST_PARTS: u32 = 10_000;

/// The greatest length of an object, in bytes (48.8 TiB).
pub const LARGEST_OBJECT: u64 = 10_000 * LARGEST_PART;

/// An upload in progress.
#[derive(Debug)]
pub struct Upload {
    /// The key it will write.
    pub key: String,
    /// Who started it.
    pub initiator: AccountId,
    pub initiated: Timestamp,
    /// Its place in the history of the key.
    pub(super) order: u64,
    /// What the object will carry.
    pub attributes: Attributes,
    /// The condition keys about encryption and lock that the request which began it supplied: its
    /// parts, which have no such headers, are judged by them.
    pub supplied: Vec<(&'static str, String)>,
    /// The checksum of its parts; [`None`] where the caller named none.
    pub algorithm: Option<Algorithm>,
    /// What the object's checksum will cover.
    pub kind: Kind,
    /// The parts so far, by number.
    pub parts: BTreeMap<u32, Part>,
}

/// One uploaded part.
#[derive(Debug, Clone)]
pub struct Part {
    /// When it was uploaded.
    pub at: Timestamp,
    pub content: Content,
    /// Its `ETag`, without quotes.
    pub etag: String,
    /// Its checksum in base64, by the algorithm of the upload.
    pub checksum: String,
}

/// A part as the completion names it.
#[derive(Debug, Clone, Default)]
pub struct Named {
    pub number: u32,
    /// The `ETag`, without quotes.
    pub etag: String,
    /// The checksum, if the completion gives one.
    pub checksum: Option<(Algorithm, String)>,
}

/// A request to complete an upload.
#[derive(Debug, Clone, Default)]
pub struct Completion {
    /// The parts, in the order given.
    pub parts: Vec<Named>,
    /// The checksum that the object must have.
    pub checksum: Option<(Algorithm, String)>,
    /// What it covers.
    pub kind: Option<Kind>,
    /// The length that the object must have.
    pub size: Option<u64>,
}

impl Upload {
    /// The algorithm of the parts' checksums.
    pub fn part_algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Crc64Nvme)
    }

    /// The object that a completion makes; the upload stays as it is.
    ///
    /// # Errors
    /// `InvalidPartOrder`, `InvalidPart`, `EntityTooSmall`, `BadDigest`, `InvalidRequest`, or
    /// `InternalError` for a composite checksum over parts with gaps, as S3 has them.
    pub fn complete(&self, completion: &Completion) -> Result<Object, ApiError> {
        let parts = self.chosen(&completion.parts)?;
        let len: u64 = parts.iter().map(|(_, part)| part.content.len()).sum();
        if let Some(size) = completion.size.filter(|size| *size != len) {
            return Err(ApiError::new(
                400,
                "InvalidRequest",
                format!(
                    "The provided 'x-amz-mp-object-size' header value {size} does not match what \
                     was computed: {len}"
                ),
            ));
        }
        if len > LARGEST_OBJECT {
            return Err(too_large(len, LARGEST_OBJECT));
        }
        let checksum = self.checksum(&parts, completion)?;
        let etags: Vec<&str> = parts.iter().map(|(_, part)| part.etag.as_str()).collect();
        let etag = checksum::multipart_etag(&etags);
        let content = Content::concat(parts.iter().map(|(_, part)| part.content.clone()));
        let parts = parts
            .iter()
            .map(|(number, part)| ObjectPart {
                number: *number,
                len: part.content.len(),
                checksum: Some(part.checksum.clone()),
            })
            .collect();
        Ok(Object { content, etag, parts, checksum, attributes: self.attributes.clone() })
    }

    /// The parts that are named, in order.
    fn chosen(&self, named: &[Named]) -> Result<Vec<(u32, &Part)>, ApiError> {
        if named.is_empty() {
            return Err(malformed_xml());
        }
        if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(ApiError::new(
                400,
                "InvalidPartOrder",
                "The list of parts was not in ascending order. Parts must be ordered by part \
                 number.",
            ));
        }
        let mut chosen = Vec::with_capacity(named.len());
        for name in named {
            let part = self.parts.get(&name.number).filter(|part| {
                part.etag == name.etag
                    && name.checksum.as_ref().is_none_or(|(algorithm, value)| {
                        *algorithm != self.part_algorithm() || *value == part.checksum
                    })
            });
            let part = part.ok_or_else(|| {
                ApiError::new(
                    400,
                    "InvalidPart",
                    "One or more of the specified parts could not be found. The part may not \
                     have been uploaded, or the specified entity tag may not match the part's \
                     entity tag.",
                )
                .with("PartNumber", name.number.to_string())
                .with("ETag", name.etag.clone())
            })?;
            chosen.push((name.number, part));
        }
        let small =
            chosen[..chosen.len() - 1].iter().find(|(_, part)| part.content.len() < SMALLEST_PART);
        match small {
            Some((number, part)) => Err(ApiError::new(
                400,
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
            )
            .with("ProposedSize", part.content.len().to_string())
            .with("MinSizeAllowed", SMALLEST_PART.to_string())
            .with("PartNumber", number.to_string())
            .with("ETag", part.etag.clone())),
            None => Ok(chosen),
        }
    }

    fn checksum(
        &self,
        parts: &[(u32, &Part)],
        completion: &Completion,
    ) -> Result<Checksum, ApiError> {
        let algorithm = self.part_algorithm();
        if let Some(kind) = completion.kind.filter(|kind| *kind != self.kind) {
            return Err(ApiError::new(
                400,
                "InvalidRequest",
                format!(
                    "The upload was created using the {} checksum mode. The complete request \
                     must use the same checksum mode, not {}.",
                    self.kind.name(),
                    kind.name()
                ),
            ));
        }
        let consecutive = parts.iter().zip(1..).all(|((number, _), expected)| *number == expected);
        if self.kind == Kind::Composite && !consecutive {
            return Err(ApiError::internal(
                "composite checksums need consecutive part numbers that begin with 1",
            ));
        }
        let values: Vec<(String, u64)> =
            parts.iter().map(|(_, part)| (part.checksum.clone(), part.content.len())).collect();
        let computed = algorithm.of_parts(self.kind, &values);
        if let Some((given, value)) = &completion.checksum {
            if *given != algorithm {
                return Err(ApiError::new(
                    400,
                    "InvalidRequest",
                    format!(
                        "Checksum Type mismatch occurred, expected checksum Type: {}, actual \
                         checksum Type: {}",
                        algorithm.name(),
                        given.name()
                    ),
                ));
            }
            let same = *value == computed.value
                // A composite value may be given without its count.
                || computed.value.strip_suffix(&format!("-{}", parts.len())) == Some(value);
            if !same {
                return Err(bad_digest(algorithm));
            }
        }
        Ok(computed)
    }
}

/// The refusal of a document that does not follow its schema.
pub fn malformed_xml() -> ApiError {
    ApiError::new(
        400,
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

/// The refusal of content whose checksum is another.
pub fn bad_digest(algorithm: Algorithm) -> ApiError {
    ApiError::new(
        400,
        "BadDigest",
        format!("The {} you specified did not match the calculated checksum.", algorithm.name()),
    )
}

/// The refusal of content that is longer than allowed.
pub fn too_large(len: u64, most: u64) -> ApiError {
    ApiError::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        .with("ProposedSize", len.to_string())
        .with("MaxSizeAllowed", most.to_string())
}

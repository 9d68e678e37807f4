//! Lists parts, and has S3 fill them by copying ranges of a pinned source version.

use std::time::Duration;

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::AccountId;
use amiferry_core::model::{ObjectVersion, PartFacts};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{ByteRange, CopyPart, Listing, Parts, Unreadable, Upload};
use async_trait::async_trait;
use aws_sdk_s3::types::Part;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{S3Objects, following, path, unquoted};
use crate::call::Call;
use crate::client::timeouts;
use crate::item::{Why, missing, number, text};
use crate::time::timestamp;

/// The slowest server-side copy that is not given up, in bytes per second.
const SLOWEST_COPY: u64 = 4 << 20;
/// Up to this size a source is copied whole, without naming a range.
const SMALL_SOURCE: u64 = 5 << 20;
/// What a copied part may take beyond that speed.
const COPY_MARGIN: Duration = Duration::from_secs(60);

/// All that a header value or query value must not hold as it is; the path's slashes stay.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const QUERY: &AsciiSet = &PATH.add(b'/');

#[async_trait]
impl Parts for S3Objects {
    async fn held(&self, owner: &AccountId, upload: &Upload) -> Result<Listing<PartFacts>, Fault> {
        let call = Call::new("s3:ListParts", path(&upload.bucket, &upload.key));
        let (mut parts, mut marker) = (Listing::default(), None);
        loop {
            let request = self
                .copies
                .list_parts()
                .bucket(upload.bucket.as_str())
                .key(upload.key.as_str())
                .upload_id(&upload.id)
                .expected_bucket_owner(owner.as_str())
                .set_part_number_marker(marker.take());
            let answer = self.session.send(&call, request.send()).await?;
            parts.extend(answer.parts.unwrap_or_default().into_iter().map(listed_part));
            marker = following(answer.is_truncated, answer.next_part_number_marker, || {
                call.unexpected("NextPartNumberMarker", None)
            })?;
            if marker.is_none() {
                return Ok(parts);
            }
        }
    }

    async fn copy(
        &self,
        owner: &AccountId,
        upload: &Upload,
        part: &CopyPart,
    ) -> Result<PartFacts, Fault> {
        let resource = format!("{} part {}", path(&upload.bucket, &upload.key), part.number);
        let call = Call::new("s3:UploadPartCopy", resource);
        let bytes = part.range.map_or(SMALL_SOURCE, |range| range.length);
        let attempt = COPY_MARGIN + Duration::from_secs(bytes / SLOWEST_COPY);
        let limits = aws_sdk_s3::Config::builder().timeout_config(timeouts(attempt, attempt * 3));
        let request = self
            .copies
            .upload_part_copy()
            .bucket(upload.bucket.as_str())
            .key(upload.key.as_str())
            .upload_id(&upload.id)
            .part_number(part_number(&call, part.number)?)
            .expected_bucket_owner(owner.as_str())
            .copy_source(copy_source(&part.source))
            .copy_source_if_match(format!("\"{}\"", unquoted(&part.source_etag)))
            .set_copy_source_range(part.range.map(|range| bounds(&call, range)).transpose()?)
            .expected_source_bucket_owner(part.source_owner.as_str())
            .customize()
            .config_override(limits);
        let answer = self.session.send(&call, request.send()).await?;
        // An empty 200 answer is a success without a result to the SDK.
        let result = answer.copy_part_result.ok_or_else(|| call.unproven("CopyPartResult"))?;
        let etag = unquoted(&result.e_tag.ok_or_else(|| call.unproven("ETag"))?);
        let Some(range) = part.range else {
            // The answer does not say how much the whole source was.
            let held = self.held(owner, upload).await?.items;
            let copied =
                held.into_iter().find(|held| held.number == part.number && held.etag == etag);
            return copied.ok_or_else(|| call.unproven("the part among the upload's parts"));
        };
        Ok(PartFacts {
            number: part.number,
            size: range.length,
            etag,
            checksum: only([
                result.checksum_crc64_nvme,
                result.checksum_crc32_c,
                result.checksum_crc32,
                result.checksum_sha256,
                result.checksum_sha1,
            ]),
            copied_at: result.last_modified.as_ref().and_then(timestamp),
        })
    }
}

/// The checksum of a part, which has only the one that its upload was begun with.
fn only(shown: [Option<String>; 5]) -> Option<String> {
    shown.into_iter().flatten().next()
}

/// A part of a listing; one that cannot be read is listed under its number.
fn listed_part(part: Part) -> Result<PartFacts, Unreadable> {
    let number = part.part_number.map(|number| number.to_string());
    part_facts(part).map_err(|why| Unreadable::new(number.as_deref(), &why))
}

fn part_facts(part: Part) -> Result<PartFacts, Why> {
    Ok(PartFacts {
        number: number("PartNumber", part.part_number)?.ok_or_else(|| missing("PartNumber"))?,
        size: number("Size", part.size)?.ok_or_else(|| missing("Size"))?,
        etag: unquoted(text("ETag", part.e_tag.as_deref())?),
        checksum: only([
            part.checksum_crc64_nvme,
            part.checksum_crc32_c,
            part.checksum_crc32,
            part.checksum_sha256,
            part.checksum_sha1,
        ]),
        copied_at: part.last_modified.as_ref().and_then(timestamp),
    })
}

pub(super) fn part_number(call: &Call, number: u32) -> Result<i32, Fault> {
    let number = i32::try_from(number).ok().filter(|number| (1..=10_000).contains(number));
    number.ok_or_else(|| {
        call.fault(FaultClass::Invalid, "PartNumberOutOfRange", "parts are numbered 1 to 10,000")
    })
}

/// The SDK sends the copy source as given, and S3 decodes it.
fn copy_source(source: &ObjectVersion) -> String {
    let path = path(&source.bucket, &source.key);
    let path = utf8_percent_encode(&path, PATH);
    match &source.version {
        None => path.to_string(),
        Some(version) => format!("{path}?versionId={}", utf8_percent_encode(version, QUERY)),
    }
}

/// First and last byte, both included.
fn bounds(call: &Call, range: ByteRange) -> Result<String, Fault> {
    let start = range.start;
    let end = range.length.checked_sub(u64::from(!has(Bug::RangeTooLong)));
    let last = end.and_then(|more| start.checked_add(more));
    let last = last.ok_or_else(|| {
        call.fault(FaultClass::Invalid, "RangeOutOfBounds", "a part holds at least one byte")
    })?;
    Ok(format!("bytes={start}-{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_source_is_encoded_and_pins_its_version() {
        for (key, version, sent) in [
            ("image.bin", None, "bucket/image.bin"),
            ("a b/ü+?.bin", None, "bucket/a%20b/%C3%BC%2B%3F.bin"),
            ("image.bin", Some("a/b+c="), "bucket/image.bin?versionId=a%2Fb%2Bc%3D"),
        ] {
            let source = ObjectVersion {
                bucket: "bucket".parse().unwrap(),
                key: key.parse().unwrap(),
                version: version.map(str::to_owned),
            };
            assert_eq!(copy_source(&source), sent);
        }
    }

    #[test]
    fn a_range_names_its_last_byte_and_an_empty_one_is_refused() {
        let call = Call::new("s3:UploadPartCopy", "x");
        let sent = |start, length| bounds(&call, ByteRange { start, length });
        assert_eq!(sent(0, 1).as_deref(), Ok("bytes=0-0"));
        assert_eq!(sent(100, 50).as_deref(), Ok("bytes=100-149"));
        for (start, length) in [(0, 0), (u64::MAX, 2)] {
            assert_eq!(sent(start, length).unwrap_err().class, FaultClass::Invalid);
        }
    }

    #[test]
    fn part_numbers_beyond_s3s_limits_are_refused_before_they_are_sent() {
        let call = Call::new("s3:UploadPartCopy", "x");
        for (number, accepted) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            assert_eq!(part_number(&call, number).is_ok(), accepted, "{number}");
        }
    }
}

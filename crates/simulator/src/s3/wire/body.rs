//! Receiving the body of a request: plain or `aws-chunked`, checked against every digest that the
//! request gives.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::s3::checksum::{Algorithm, content_md5};
use crate::s3::content::{Content, ContentBuilder};
use crate::s3::multipart::{bad_digest, too_large};
use crate::wire::{ApiError, Call, Incoming};

/// The largest document (XML or JSON) that a request may carry.
const DOCUMENT_LIMIT: u64 = 2 << 20;

/// A received body.
#[derive(Debug)]
pub struct Received {
    /// Its content, decoded.
    pub content: Content,
    /// The checksum that came with it, in a header or the trailer; it holds.
    pub checksum: Option<(Algorithm, String)>,
}

/// Receives a body of at most `most` bytes.
///
/// # Errors
/// `EntityTooLarge`, `IncompleteBody`, `BadDigest`, `InvalidDigest`, `InvalidRequest`.
pub async fn receive(call: &Call, body: Incoming, most: u64) -> Result<Received, ApiError> {
    let declared = declared_length(call)?;
    if let Some(len) = declared.filter(|len| *len > most) {
        return Err(too_large(len, most));
    }
    let (content, trailers) = read(call, body, most).await?;
    if declared.is_some_and(|len| len != content.len()) {
        return Err(incomplete());
    }
    if let Some(given) = call.header("content-md5") {
        if base64_length(given) != Some(16) {
            return Err(ApiError::new(
                400,
                "InvalidDigest",
                "The Content-MD5 you specified was invalid.",
            ));
        }
        if content_md5(&content) != given {
            return Err(ApiError::new(
                400,
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
            ));
        }
    }
    let checksum = checksum(call, &trailers)?;
    if let Some((algorithm, value)) = &checksum
        && algorithm.of(&content) != *value
    {
        return Err(bad_digest(*algorithm));
    }
    Ok(Received { content, checksum })
}

/// Receives a small document.
///
/// # Errors
/// As [`receive`].
pub async fn document(call: &Call, body: Incoming) -> Result<Bytes, ApiError> {
    receive(call, body, DOCUMENT_LIMIT).await.map(|received| received.content.to_bytes())
}

/// Receives the document of a request whose checksum headers are about something else.
///
/// # Errors
/// `EntityTooLarge`, `IncompleteBody`.
pub async fn unchecked_document(call: &Call, body: Incoming) -> Result<Bytes, ApiError> {
    Ok(read(call, body, DOCUMENT_LIMIT).await?.0.to_bytes())
}

/// The checksum that headers give; not one that is still to come in a trailer.
///
/// # Errors
/// `InvalidRequest` for several.
pub fn checksum_header(call: &Call) -> Result<Option<(Algorithm, String)>, ApiError> {
    checksum(call, &BTreeMap::new())
}

fn checksum(
    call: &Call,
    trailers: &BTreeMap<String, String>,
) -> Result<Option<(Algorithm, String)>, ApiError> {
    let mut found = Algorithm::ALL.into_iter().filter_map(|algorithm| {
        let name = algorithm.header();
        let value = call.header(name).or_else(|| trailers.get(name).map(String::as_str))?;
        Some((algorithm, value.to_owned()))
    });
    let first = found.next();
    if found.next().is_some() {
        return Err(ApiError::new(
            400,
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    Ok(first)
}

fn base64_length(text: &str) -> Option<usize> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).ok().map(|bytes| bytes.len())
}

fn declared_length(call: &Call) -> Result<Option<u64>, ApiError> {
    let name = if is_chunked(call) { "x-amz-decoded-content-length" } else { "content-length" };
    let value = call.header(name).map(str::parse).transpose();
    value.map_err(|_| ApiError::new(400, "InvalidArgument", format!("{name} must be a number")))
}

fn is_chunked(call: &Call) -> bool {
    call.header("x-amz-content-sha256").is_some_and(|value| value.starts_with("STREAMING-"))
}

async fn read(
    call: &Call,
    mut body: Incoming,
    most: u64,
) -> Result<(Content, BTreeMap<String, String>), ApiError> {
    let mut builder = ContentBuilder::new();
    let mut chunked = is_chunked(call).then(Decoder::default);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| incomplete())?;
        let Ok(data) = frame.into_data() else { continue };
        match &mut chunked {
            Some(decoder) => decoder.push(&data, &mut builder)?,
            None => builder.push(&data),
        }
        if builder.len() > most {
            return Err(too_large(builder.len(), most));
        }
    }
    let trailers = chunked.map(Decoder::finish).transpose()?.unwrap_or_default();
    Ok((builder.finish(), trailers))
}

fn incomplete() -> ApiError {
    ApiError::new(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
}

/// Takes `aws-chunked` apart: `SIZE[;chunk-signature=…]`, the bytes, a last chunk of size 0, and
/// trailers. Signatures are not verified, as nowhere in the simulation.
#[derive(Debug, Default)]
struct Decoder {
    /// A line that is not complete yet.
    line: BytesMut,
    place: Place,
    trailers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    Data(u64),
    AfterData,
    Trailers,
}

/// The longest line: a size with its signature, or a trailer.
const LONGEST_LINE: usize = 8192;

impl Decoder {
    fn push(&mut self, data: &Bytes, into: &mut ContentBuilder) -> Result<(), ApiError> {
        let mut rest = data.clone();
        while !rest.is_empty() {
            if let Place::Data(left) = self.place {
                let part = rest.split_to(left.min(rest.len() as u64) as usize);
                into.push(&part);
                self.place = match left - part.len() as u64 {
                    0 => Place::AfterData,
                    left => Place::Data(left),
                };
                continue;
            }
            let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            self.line.extend_from_slice(&rest.split_to(end.unwrap_or(rest.len())));
            if self.line.len() > LONGEST_LINE {
                return Err(incomplete());
            }
            if end.is_some() {
                self.line()?;
            }
        }
        Ok(())
    }

    fn line(&mut self) -> Result<(), ApiError> {
        let line = self.line.split().freeze();
        let line = std::str::from_utf8(&line).map_err(|_| incomplete())?.trim_end();
        self.place = match self.place {
            Place::Size => {
                let size = line.split(';').next().unwrap_or_default();
                match u64::from_str_radix(size, 16).map_err(|_| incomplete())? {
                    0 => Place::Trailers,
                    size => Place::Data(size),
                }
            }
            Place::AfterData if line.is_empty() => Place::Size,
            Place::AfterData | Place::Data(_) => return Err(incomplete()),
            Place::Trailers => {
                if let Some((name, value)) = line.split_once(':') {
                    let name = name.trim().to_ascii_lowercase();
                    self.trailers.insert(name, value.trim().to_owned());
                }
                Place::Trailers
            }
        };
        Ok(())
    }

    fn finish(self) -> Result<BTreeMap<String, String>, ApiError> {
        if self.place == Place::Trailers { Ok(self.trailers) } else { Err(incomplete()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str, step: usize) -> Result<(Bytes, BTreeMap<String, String>), ApiError> {
        let (mut decoder, mut builder) = (Decoder::default(), ContentBuilder::new());
        for chunk in text.as_bytes().chunks(step) {
            decoder.push(&Bytes::copy_from_slice(chunk), &mut builder)?;
        }
        Ok((builder.finish().to_bytes(), decoder.finish()?))
    }

    #[test]
    fn chunks_are_decoded_however_they_arrive() {
        let signed = "5;chunk-signature=ab\r\nhello\r\n1;chunk-signature=cd\r\n!\r\n0;chunk-signature=ef\r\n\
            x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:00\r\n\r\n";
        let unsigned = "6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        for text in [signed, unsigned] {
            for step in [1, 3, 1000] {
                let (bytes, trailers) = decode(text, step).unwrap();
                assert_eq!(bytes, "hello!");
                assert_eq!(trailers["x-amz-checksum-crc32"], "AAAAAA==");
            }
        }
    }

    #[test]
    fn a_broken_encoding_is_an_incomplete_body() {
        for text in ["", "5\r\nhel", "5\r\nhello", "zz\r\n", "1\r\nab\r\n0\r\n\r\n"] {
            assert_eq!(decode(text, 2).unwrap_err().code, "IncompleteBody", "{text:?}");
        }
    }
}

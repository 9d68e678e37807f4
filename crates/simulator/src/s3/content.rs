//! Object content: real bytes, or synthetic bytes that are generated when read.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;

/// The content of an object or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
}

impl Content {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content as an HTTP body.
    pub fn into_body(self) -> BoxBody<Bytes, Infallible> {
        match self {
            Self::Bytes(bytes) => BoxBody::new(Full::new(bytes)),
        }
    }
}

//! A response before it is written to a socket or handed to the SDK.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::s3::content::Content;

/// Stands for the request id in a body until the answer leaves, and is the id of every event.
pub const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// Status, headers and body of a response.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers; `Date` and the request ids are added when it leaves.
    pub headers: HeaderMap,
    pub body: AnswerBody,
}

/// A body in memory, or object content that is generated while it is sent.
#[derive(Debug, Clone)]
pub enum AnswerBody {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Object content.
    Content(Content),
}

impl From<String> for AnswerBody {
    fn from(text: String) -> Self {
        Self::Bytes(Bytes::from(text))
    }
}

impl AnswerBody {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Content(content) => content.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Answer {
    /// A 200 with a text body.
    pub fn ok(content_type: &'static str, body: String) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status: 200, headers, body: AnswerBody::from(body) }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: AnswerBody::Bytes(Bytes::new()) }
    }

    /// Adds a header; a value that HTTP does not allow is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Adds what every answer of AWS carries: the time, and a request id of its own.
    pub fn stamp(&mut self, now: Timestamp, number: u64) {
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = HeaderValue::from_str(&date) {
            self.headers.insert(DATE, date);
        }
        let id = format!("00000000-0000-4000-8000-{:012x}", number & 0xffff_ffff_ffff);
        for name in ["x-amzn-requestid", "x-amz-request-id"] {
            if let Ok(id) = HeaderValue::from_str(&id) {
                self.headers.insert(HeaderName::from_static(name), id);
            }
        }
        if let AnswerBody::Bytes(body) = &self.body
            && let Ok(text) = std::str::from_utf8(body)
            && text.contains(REQUEST_ID)
        {
            self.body = text.replace(REQUEST_ID, &id).into();
        }
    }
}

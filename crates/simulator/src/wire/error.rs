//! An error as AWS gives it, and the four ways the protocols write it.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::scope::Service;
use super::xml::Xml;
use super::{Answer, AnswerBody};

/// The namespace of the errors of STS.
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A refusal: HTTP status, code and message, before it is written in a protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} ({status}): {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The code, as the service's own documentation spells it.
    pub code: String,
    pub message: String,
    /// Headers and members that only some errors have: in S3 written as elements of `Error`.
    pub details: Vec<(&'static str, String)>,
}

impl ApiError {
    /// An error of `status` and `code`.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), details: Vec::new() }
    }

    /// The simulation's own failure.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// An operation that the simulated AWS does not have.
    pub fn unknown_operation(service: Service, operation: &str) -> Self {
        let name = service.name();
        Self::new(
            501,
            "NotImplemented",
            format!("the simulated AWS does not implement {name}:{operation}"),
        )
    }

    /// Adds an element to the error document (S3) such as `Resource`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// The response in the protocol of `service`.
    pub fn written_for(&self, service: Service) -> Answer {
        match service {
            Service::Ec2 => self.answer("text/xml;charset=UTF-8", self.ec2_xml()),
            Service::Sts => self.answer("text/xml", self.query_xml(STS)),
            Service::CloudFormation => {
                self.answer("text/xml", self.query_xml(crate::cloudformation::wire::NAMESPACE))
            }
            Service::S3 => self.answer("application/xml", self.s3_xml()),
            Service::Sqs => self.json("application/x-amz-json-1.0", "com.amazonaws.sqs#"),
            Service::Kms | Service::Events | Service::ServiceQuotas | Service::SecretsManager => {
                self.json("application/x-amz-json-1.1", "")
            }
        }
    }

    fn answer(&self, content_type: &'static str, body: String) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Answer { status: self.status, headers, body: AnswerBody::from(body) }
    }

    fn json(&self, content_type: &'static str, prefix: &str) -> Answer {
        let shape = self.detail("shape").unwrap_or(&self.code);
        let body =
            serde_json::json!({ "__type": format!("{prefix}{shape}"), "message": self.message });
        let mut answer = self.answer(content_type, body.to_string());
        for name in ["x-amzn-query-error", "x-amzn-errortype"] {
            if let Some(Ok(value)) = self.detail(name).map(HeaderValue::from_str) {
                answer.headers.insert(HeaderName::from_static(name), value);
            }
        }
        answer
    }

    fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    fn ec2_xml(&self) -> String {
        Xml::document("Response", None, |x| {
            x.element("Errors", |x| {
                x.element("Error", |x| {
                    x.text("Code", &self.code).text("Message", &self.message);
                });
            });
            x.text("RequestID", super::answer::REQUEST_ID);
        })
    }

    fn query_xml(&self, namespace: &str) -> String {
        let fault = if self.status < 500 { "Sender" } else { "Receiver" };
        Xml::document("ErrorResponse", Some(namespace), |x| {
            x.element("Error", |x| {
                x.text("Type", fault).text("Code", &self.code).text("Message", &self.message);
            });
            x.text("RequestId", super::answer::REQUEST_ID);
        })
    }

    fn s3_xml(&self) -> String {
        Xml::document("Error", None, |x| {
            x.text("Code", &self.code).text("Message", &self.message);
            for (name, value) in &self.details {
                x.text(name, value);
            }
            x.text("RequestId", super::answer::REQUEST_ID);
            x.text("HostId", super::answer::REQUEST_ID);
        })
    }
}

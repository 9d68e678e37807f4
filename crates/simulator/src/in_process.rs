//! The door for the AWS SDK in the same process: no socket, no TLS, no thread.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use crate::World;
use crate::wire::{self, AnswerBody, Incoming};

/// An SDK HTTP client whose server is a [`World`] in this process.
#[derive(Debug, Clone)]
pub struct InProcess(World);

impl InProcess {
    /// A client that talks to `world`.
    pub fn new(world: World) -> Self {
        Self(world)
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let world = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?
                .map(incoming);
            let answer = wire::answer(&world, request).await;
            let body = match answer.body {
                AnswerBody::Bytes(bytes) => SdkBody::from(bytes),
                AnswerBody::Content(content) => SdkBody::from_body_1_x(content.into_body()),
            };
            let mut response = http::Response::new(body);
            *response.status_mut() = http::StatusCode::from_u16(answer.status)
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            *response.headers_mut() = answer.headers;
            HttpResponse::try_from(response)
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn incoming(body: SdkBody) -> Incoming {
    Incoming::new(body.map_err(std::io::Error::other))
}

//! Serves one page for people, built for each request, with the headers that the page demands.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::http::{self, Access, ListenError};

/// What is shown at `/`.
pub trait Page: Debug + Send + Sync + 'static {
    /// The page now; `query` is what follows `?` in its address, and is untrusted.
    fn render(&self, query: Option<&str>) -> Rendered;
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The document.
    pub html: String,
    /// Headers in addition to its type.
    pub headers: Vec<(&'static str, &'static str)>,
    /// Seconds after which a browser reloads the page by itself.
    pub refresh: Option<u32>,
}

/// The route of a page, for GET and HEAD.
pub fn routes(page: Arc<dyn Page>) -> Router {
    Router::new().route("/", get(show)).with_state(page)
}

async fn show(State(page): State<Arc<dyn Page>>, RawQuery(query): RawQuery) -> Response {
    let rendered = page.render(query.as_deref());
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    for (name, value) in rendered.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(seconds) = rendered.refresh {
        headers.insert(header::REFRESH, HeaderValue::from(seconds));
    }
    (headers, rendered.html).into_response()
}

/// A bound server of nothing but a page.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    access: Access,
    page: Arc<dyn Page>,
}

impl Server {
    /// Binds the address, to answer those of `access`; port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        access: Access,
        page: Arc<dyn Page>,
    ) -> Result<Self, ListenError> {
        let (listener, address) =
            http::listen("the status page", address, "choose another one").await?;
        Ok(Self { listener, address, access, page })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until dropped.
    ///
    /// # Errors
    ///
    /// When the listener breaks for good.
    pub async fn serve(self) -> std::io::Result<()> {
        http::serve(self.listener, routes(self.page), self.access).await
    }
}

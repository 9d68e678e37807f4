//! Answers a report's question for what only this process knows.

use std::fmt::Debug;
use std::sync::Arc;

use amiferry_core::answer::PATH;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A worker that answers reports.
pub trait Answerer: Debug + Send + Sync + 'static {
    /// The answer now, as JSON.
    fn answer(&self) -> String;
}

/// The route of an answerer, for GET and HEAD.
pub fn routes(answerer: Arc<dyn Answerer>) -> Router {
    Router::new().route(PATH, get(answer)).with_state(answerer)
}

async fn answer(State(answerer): State<Arc<dyn Answerer>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, answerer.answer()).into_response()
}

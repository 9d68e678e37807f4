//! Decides whom a server answers: everyone, or who shows its token. Probes never need one.

use std::hint::black_box;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::Secret;

/// The paths that supervisors ask, which cannot send a token.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// What a refusal asks for (RFC 6750).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"amiferry\"");

/// Whom a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everyone who reaches it.
    Everyone,
    /// Who sends `Authorization: Bearer` with this token.
    Token(Secret),
}

impl Access {
    /// Whether a request with these headers may be told everything.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Everyone => true,
            Self::Token(token) => shown(headers).is_some_and(|shown| is_same(token, shown)),
        }
    }
}

/// The token of the only `Authorization` header.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// Compares in a time that depends on the length of the server's own token only, so that no one finds
/// out by the time of refusals how much of a guess is right.
fn is_same(token: &Secret, shown: &[u8]) -> bool {
    let token = token.reveal().as_bytes();
    let mut differ = u8::from(token.len() != shown.len());
    for (index, byte) in token.iter().enumerate() {
        differ = black_box(differ | (byte ^ shown.get(index).copied().unwrap_or_default()));
    }
    differ == 0
}

/// Answers what is no probe only to who is admitted.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    if PROBES.contains(&request.uri().path()) || access.admits(request.headers()) {
        return next.run(request).await;
    }
    let headers = [
        (header::WWW_AUTHENTICATE, CHALLENGE),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let why = "this server answers only requests with its bearer token\n";
    (StatusCode::UNAUTHORIZED, headers, why).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn headers(all: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in all {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_whole_token_in_the_only_header_admits() {
        let access = Access::Token(Secret::new(TOKEN));
        let bearer = format!("Bearer {TOKEN}");
        for (sent, admitted) in [
            (vec![bearer.as_str()], true),
            (vec![&bearer.replace("Bearer", "bearer")], true),
            (vec![&bearer.replace("Bearer", "Basic")], false),
            (vec![], false),
            (vec![""], false),
            (vec!["Bearer"], false),
            (vec!["Bearer "], false),
            (vec![TOKEN], false),
            // Part of it, more than it, and another of its length.
            (vec![&bearer[..bearer.len() - 1]], false),
            (vec![&format!("{bearer}0")], false),
            (vec![&format!("Bearer  {TOKEN}")], false),
            (vec![&bearer.replace("f", "e")], false),
            (vec![&bearer.to_uppercase()], false),
            // Which of two counts is not guessed.
            (vec![&bearer, "Bearer other"], false),
            (vec!["Bearer other", &bearer], false),
        ] {
            assert_eq!(access.admits(&headers(&sent)), admitted, "{sent:?}");
        }
        assert!(Access::Everyone.admits(&headers(&[])));
        assert!(Access::Everyone.admits(&headers(&[&bearer])));
    }

    #[test]
    fn no_form_of_an_access_shows_its_token() {
        let shown = format!("{:?}", Access::Token(Secret::new(TOKEN)));
        assert_eq!(shown, "Token([secret])");
    }
}

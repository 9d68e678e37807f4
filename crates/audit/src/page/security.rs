//! What a browser may do with the status page: apply its one stylesheet and show its icon.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The stylesheet, exactly as it stands between the page's `style` tags.
pub(super) const STYLE: &str = include_str!("style.css");

/// The rules of the page's own head. A page of these rules runs no script whatever is in it,
/// loads nothing and sends nothing.
static IN_PAGE: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'"
    )
});

/// The rules as headers; browsers take `frame-ancestors` from there alone.
static IN_HEADER: LazyLock<String> =
    LazyLock::new(|| format!("{}; frame-ancestors 'none'", *IN_PAGE));

/// The content security policy in the page itself, which holds for a saved file too.
pub(super) fn in_page() -> &'static str {
    &IN_PAGE
}

/// The headers that a server sends with the page.
pub fn headers() -> [(&'static str, &'static str); 6] {
    [
        ("content-security-policy", &IN_HEADER),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ]
}

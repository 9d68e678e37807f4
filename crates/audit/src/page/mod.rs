//! The status page: a fold from a report to what is shown, and the HTML that shows it.
//!
//! [`view`] is the fold and holds everything that is decided here, `need` the part about what a
//! person must do; `markup` writes it, `chart` the drawings in it, and [`headers`] says what a
//! browser may do with the page. There is no script: the server asks the browser to come again,
//! so the page works where scripts are forbidden and nothing in it could run one.

mod chart;
mod copying;
mod markup;
mod need;
mod security;
pub mod view;
mod words;

pub use self::markup::{Updates, html};
pub use self::security::headers;

/// How often the page is renewed while something is under way or nothing is known, in seconds.
const BUSY: u32 = 5;

/// How often it is renewed otherwise, in seconds.
const IDLE: u32 = 15;

/// How a served page is renewed, by what follows `?` in its address: a reader may pause it, so
/// that nothing moves under somebody who reads slowly.
pub fn updates(view: &view::View, query: Option<&str>) -> Updates {
    if query == Some(markup::PAUSED.trim_start_matches('?')) {
        Updates::Paused
    } else if view.under_way.total() > 0 || view.known_at.is_none() {
        Updates::Every(BUSY)
    } else {
        Updates::Every(IDLE)
    }
}

impl Updates {
    /// After how many seconds a browser comes again.
    pub fn seconds(self) -> Option<u32> {
        match self {
            Self::Every(seconds) => Some(seconds),
            Self::Paused | Self::Never => None,
        }
    }
}

//! The status page: computes what to show from a report, and writes it as HTML.
//!
//! [`view`] makes every decision about the page, `need` those about what a person must do, and `fold` how many of one kind are shown;
//! `markup` writes the page, `chart` draws in it, and [`headers`] says what a browser may do with
//! it. There is no script: the server asks the browser to reload, so the page works where scripts
//! are forbidden, and no text in it can run one.

mod chart;
mod copying;
mod facts;
mod fold;
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

/// How a served page reloads, by what follows `?` in its address: readers can pause it, so that
/// nothing moves while they read.
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

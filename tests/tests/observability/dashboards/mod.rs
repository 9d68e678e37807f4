//! The Grafana dashboards: their files and their previews.
//!
//! `board` reads them and `promql` finds what a query selects; `lint` is Grafana's linter, `form` are
//! rules of our own, `preview` the script that draws them.

mod board;
mod form;
mod lint;
mod preview;
mod promql;

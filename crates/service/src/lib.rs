//! What both workers share: configuration, the reconcile loop, telemetry and the admin server.
//!
//! In reading order: [`config`] is the file both roles read; [`reconcile`] is the loop of observe,
//! decide, act; [`stop`] is how it ends; [`dead_letters`] reads the messages that it gave up;
//! [`preflight`] and [`checkup`] look what it needs, at the start and later;
//! [`unreadable`] remembers the items that it left out; [`metrics`], [`telemetry`], [`admin`] and
//! [`page`] are what it shows; [`answerer`] answers reports, and [`ask`] asks a running worker; [`clock`] gives it the time.

pub mod admin;
pub mod answerer;
pub mod ask;
pub mod checkup;
pub mod clock;
pub mod config;
pub mod dead_letters;
pub mod http;
pub mod metrics;
pub mod page;
pub mod preflight;
pub mod reconcile;
pub mod stop;
pub mod telemetry;
pub mod unreadable;

//! What both workers share: configuration, the reconcile loop, telemetry and the admin server.

pub mod config;

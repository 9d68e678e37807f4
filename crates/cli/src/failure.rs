//! Writes the error that ended a command, and picks its exit status.

use std::process::ExitCode;

use amiferry_aws::BadRoute;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_service::config::{ConfigError, MissingToken, SelectError};
use amiferry_service::http::ListenError;
use amiferry_service::preflight::{Unmet, UnmetKind};
use amiferry_service::telemetry::LogError;
use amiferry_simulator::scenario::ScenarioError;

use crate::exit::Exit;
use crate::runtime::Interrupted;
use crate::terminal::{fitted, tell, width_of_errors};

/// Prints the error with its causes on stderr.
pub fn report(error: &anyhow::Error) -> ExitCode {
    tell(&fitted(&format!("error: {error:#}"), width_of_errors()));
    status(error).into()
}

/// The exit status of an error.
fn status(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        let is_config = cause.is::<ConfigError>()
            || cause.is::<SelectError>()
            || cause.is::<MissingToken>()
            || cause.is::<BadRoute>()
            || cause.is::<ListenError>()
            || cause.is::<LogError>()
            || cause.is::<ScenarioError>();
        if is_config {
            return Exit::Config;
        }
        if cause.is::<Interrupted>() {
            return Exit::Interrupted;
        }
        if let Some(unmet) = cause.downcast_ref::<Unmet>() {
            return match unmet.kind {
                UnmetKind::Identity | UnmetKind::NoCredentials | UnmetKind::OtherAccount => {
                    Exit::Identity
                }
                UnmetKind::Resource => Exit::Resource,
                UnmetKind::Unavailable => Exit::Unavailable,
            };
        }
        if let Some(fault) = cause.downcast_ref::<Fault>() {
            return match fault.class {
                FaultClass::Credentials => Exit::Identity,
                FaultClass::Denied | FaultClass::NotFound | FaultClass::KeyUnusable => {
                    Exit::Resource
                }
                FaultClass::Invalid if fault.remedy().is_some() => Exit::Resource,
                FaultClass::Throttled | FaultClass::Unavailable => Exit::Unavailable,
                FaultClass::QuotaFull
                | FaultClass::Conflict
                | FaultClass::Invalid
                | FaultClass::OutcomeUnknown
                | FaultClass::Bug => Exit::Failed,
            };
        }
    }
    Exit::Failed
}

//! The only crate that names `aws_sdk_*`: the ports of `amiferry-core` over the real SDK.
//!
//! In reading order: [`Session`] is one principal in one Region and makes every client;
//! `surroundings` is where it finds credentials by default; `classify` is the only place where an
//! SDK error becomes a [`amiferry_core::fault::Fault`]; then one adapter per service. Nothing here
//! decides: an adapter translates its arguments, makes one call or one series of pages, and
//! translates the answer. Adapters check for the optional fields that a decision needs: without
//! one, an item of a listing is unreadable and a single answer is a `Bug` fault, and both name the
//! field. No default claims what AWS did not say.
//!
//! Callers see no SDK type except the HTTP client of a session that stays in the process.

mod call;
mod classify;
mod client;
mod credentials;
mod date;
mod ec2;
mod endpoints;
mod event_rules;
mod events;
mod item;
mod kms;
mod quotas;
mod route;
mod s3;
#[cfg(test)]
mod simulated;
mod sqs;
mod sts;
mod surroundings;
mod time;

pub use aws_smithy_runtime_api::client::http::SharedHttpClient;
pub use client::{InProcess, Session};
pub use date::AwsTime;
pub use ec2::Ec2Images;
pub use endpoints::BadRoute;
pub use event_rules::DefaultBus;
pub use events::EventBus;
pub use kms::KmsKeys;
pub use quotas::ServiceQuotas;
pub use s3::{BucketEncryption, BucketFacts, Notified, S3Objects};
pub use sqs::{QueueFacts, Redrive, SqsDeadLetters, SqsQueue};
pub use sts::StsIdentity;

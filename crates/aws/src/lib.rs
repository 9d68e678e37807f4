//! The only crate that names `aws_sdk_*`: the ports of `amiferry-core` over the real SDK.
//!
//! In reading order: [`Session`] is one principal in one Region and makes every client;
//! `classify` is the one place where an SDK error becomes a [`amiferry_core::fault::Fault`];
//! then one adapter per service. Nothing of the SDK appears in a signature except the HTTP
//! client and nothing here decides: adapters translate in, call once, translate out. What the
//! SDK leaves optional and AWS always sends is checked, and its absence is a `Bug` fault that
//! names the field; no default is taken silently.

mod call;
mod classify;
mod client;
mod credentials;
mod ec2;
mod kms;
mod s3;
#[cfg(test)]
mod simulated;
mod sqs;
mod sts;
mod time;

pub use aws_smithy_runtime_api::client::http::SharedHttpClient;
pub use client::{InProcess, Session};
pub use ec2::Ec2Images;
pub use kms::KmsKeys;
pub use s3::{BucketFacts, DefaultRetention, S3Objects};
pub use sqs::{QueueFacts, Redrive, SqsQueue};
pub use sts::StsIdentity;

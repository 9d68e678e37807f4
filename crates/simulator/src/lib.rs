//! A simulated AWS: accounts × Regions with EC2 images, S3, SQS, STS, KMS, EventBridge, Secrets Manager,
//! CloudFormation and Service Quotas.
//!
//! [`World`] is the state model. The modules [`ec2`], [`s3`], [`sqs`], [`sts`], [`kms`], [`events`],
//! [`secrets`], [`cloudformation`] and [`quotas`] each hold one service: its state, its rules, and in its `wire` file the translation
//! between HTTP and those rules. [`wire`] finds out who calls which service; [`in_process`] and [`serve`] are
//! the two doors: the SDK's `HttpClient` trait, and HTTP on loopback. On the way through a door
//! a call meets its [`faults`] and is written into the [`trace`]; a [`scenario`] plans both, and
//! [`control`] lets an HTTP client look at the world and change it.
//!
//! Invariants: nothing here reads a clock other than [`SimClock`]; nothing sleeps but through
//! it; no state changes outside [`World::lock`]; iteration order is by key. So equal seeds and
//! equal calls give equal answers.

pub mod account;
pub mod agenda;
pub mod clock;
pub mod cloudformation;
pub mod control;
pub mod ec2;
pub mod events;
pub mod faults;
pub mod iam;
pub mod in_process;
pub mod kms;
pub mod landscape;
pub mod principal;
pub mod quotas;
mod randomised;
pub mod s3;
pub mod scenario;
pub mod secrets;
pub mod serve;
pub mod span;
pub mod sqs;
pub mod sts;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod wire;
pub mod world;

pub use clock::{SimClock, SkewedClock};
pub use world::{Settings, World};

//! The decisions of amiferry, pure: no I/O, no clock, no randomness, no AWS SDK.
//!
//! In reading order: [`ids`] and [`model`] are the vocabulary; [`event`] turns a message into *look
//! at this*; `policy` says what is promised; `decide` turns an observation into one next step;
//! [`fleet`] is the picture of everything in scope, [`plan`] the order of its work and [`mod@forecast`] that
//! order run forward; `manifest` is the record of a complete recovery point; [`ports`] are the questions and effects that the
//! shells send to AWS, [`fault`] describes how those fail, and [`refusal`] what a person can do about
//! it. [`notification`] is what an event bus is told, [`answer`] what a worker tells reports; [`encoding`] and [`text`] are about text from outside.

pub mod answer;
pub mod check;
pub mod code;
pub mod copy_claim;
pub mod copy_plan;
pub mod copy_progress;
pub mod cost;
pub mod decide;
pub mod encoding;
pub mod endpoint;
pub mod event;
pub mod fault;
pub mod fleet;
pub mod forecast;
pub mod ids;
pub mod manifest;
pub mod model;
pub mod names;
pub mod notification;
pub mod pacing;
pub mod plan;
pub mod planted;
pub mod policy;
pub mod ports;
pub mod recovery;
pub mod refusal;
pub mod repeats;
pub mod retention;
pub mod rpo;
pub mod shape;
pub mod span;
pub mod staging;
pub mod text;

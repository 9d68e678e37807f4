//! The table of all fields: the page about logs is made of it, and a line with any other is a fault
//! that tests look for.
//!
//! Names of OpenTelemetry's semantic conventions where one fits (`error.*`, `rpc.*`, `aws.*`,
//! `messaging.*`, `server.*`, `cloud.region`), `amiferry.*` otherwise.

/// When a line has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// On every line.
    Always,
    /// By the span of a worker.
    Worker,
    /// By the span of a recovery point.
    RecoveryPoint,
    /// By the span of a step, once it is known.
    Stage,
    /// By the line itself, where it has something to say.
    Line,
}

impl Given {
    /// How the page says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "every line",
            Self::Worker => "span `worker`",
            Self::RecoveryPoint => "span `recovery_point`",
            Self::Stage => "span `stage`",
            Self::Line => "the line",
        }
    }
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// Which lines have it.
    pub given: Given,
    /// What it says, with its unit.
    pub meaning: &'static str,
}

macro_rules! fields {
    ($($name:literal $given:ident $meaning:literal;)+) => {
        /// Every field, in the order of the page.
        pub const ALL: &[Field] =
            &[$(Field { name: $name, given: Given::$given, meaning: $meaning }),+];
    };
}

fields! {
    "timestamp" Always "when, in RFC 3339, UTC, with milliseconds";
    "level" Always "`ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`";
    "message" Always "what happened: one of a fixed set of texts, without any particulars";
    "target" Always "the module that says it; what a filter names";
    "amiferry.worker" Worker "`source` or `target`";
    "amiferry.source.account.id" RecoveryPoint "the account whose image it is";
    "amiferry.source.region" RecoveryPoint "the image's Region";
    "amiferry.image.id" RecoveryPoint "the source image";
    "amiferry.target.region" RecoveryPoint "the Region of the copy; the source worker stores for all of them and does not say it";
    "amiferry.policy" RecoveryPoint "the governing policy, once the image was seen";
    "amiferry.family" RecoveryPoint "the workload that the image belongs to, as the policy derives it from tags or name";
    "amiferry.attempt" RecoveryPoint "which try in a row this is, from 1: one more than the faults since the last step that succeeded";
    "amiferry.stage" Stage "the step: `store`, `copy`, `restore`, `protect` or `manifest`";
    "amiferry.image.size_gb" Stage "what the image counts against EC2's quota, in GB";
    "amiferry.restored.image.id" Stage "the image in the vault";
    "aws.s3.bucket" Stage "the bucket that is written to";
    "aws.s3.key" Stage "the object that is written";
    "aws.s3.upload_id" Stage "the multipart upload of a copy";
    "amiferry.copy.bytes" Stage "size of the object that is copied, in bytes";
    "amiferry.copy.parts" Stage "parts that it is copied in";
    "amiferry.copy.parts_held" Stage "parts that an earlier try had copied already";
    "amiferry.object.version" Line "the version of the object that was written";
    "amiferry.origin" Line "what named the image first: `event` or `sweep`";
    "amiferry.standing" Line "what the work does now: `waiting` for what passes by itself, or `parked` until a person or another system acts";
    "amiferry.reason" Line "a reason code of `docs/reason-codes.md`";
    "amiferry.meaning" Line "what the reason means";
    "amiferry.remedy" Line "what a person can do about it";
    "amiferry.detail" Line "particulars of the decision, the reason or the end";
    "amiferry.duration_s" Line "how long it took, in seconds";
    "amiferry.retry.at" Line "when it is tried again, as a time; absent where it is not";
    "amiferry.failures" Line "which failure in a row of the same activity this is, from 1";
    "amiferry.keys" Line "how many recovery points a failed look was about";
    "error.type" Line "the class of a failure, as in the metrics: `throttled`, `quota_full`, `denied`, `not_found`, `conflict`, `invalid`, `key_unusable`, `outcome_unknown`, `unavailable`, `credentials` or `bug`";
    "error.message" Line "AWS's own words, cut to 300 characters, with what cannot be seen made visible";
    "amiferry.error.code" Line "AWS's error code, or a word of amiferry's where AWS gave none";
    "rpc.service" Line "the AWS service of the failed call, as in `s3`";
    "rpc.method" Line "the operation, as in `UploadPartCopy`";
    "aws.request_id" Line "the request id of the failed call, where there was an answer";
    "amiferry.resource" Line "what the call or the line was about: an id, `bucket/key`, a queue's URL, an ARN";
    "messaging.message.id" Line "SQS's id of a message";
    "amiferry.message.receive_count" Line "how often it was received";
    "amiferry.message.bytes" Line "its size";
    "amiferry.message.body" Line "the first 1,024 characters of a refused body, with what cannot be seen made visible";
    "cloud.region" Line "the Region that a call went to or a setting is about";
    "amiferry.key.state" Line "the state of a KMS key";
    "amiferry.key.usable" Line "what a dry run said about it";
    "amiferry.key.grants" Line "how many grants it has";
    "amiferry.signal" Line "the signal that was received";
    "server.address" Line "the address that the worker serves on";
    "server.port" Line "its port";
}

//! The table of all fields: the page about logs is generated from it, and tests fail on a line with
//! any other field.
//!
//! Names follow OpenTelemetry's semantic conventions where one fits (`error.*`, `rpc.*`, `aws.*`,
//! `messaging.*`, `server.*`, `cloud.region`), and are `amiferry.*` otherwise.

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
    "message" Always "what happened: one of a fixed set of texts, without particulars";
    "target" Always "the module that writes the line; filters use this name";
    "amiferry.worker" Worker "`source` or `target`";
    "amiferry.source.account.id" RecoveryPoint "the account that owns the image";
    "amiferry.source.region" RecoveryPoint "the image's Region";
    "amiferry.image.id" RecoveryPoint "the source image";
    "amiferry.target.region" RecoveryPoint "the Region of the copy; absent in the source worker, which stores for all Regions";
    "amiferry.policy" RecoveryPoint "the governing policy, once the worker has observed the image";
    "amiferry.family" RecoveryPoint "the workload that the image belongs to, as the policy derives it from tags or name";
    "amiferry.attempt" RecoveryPoint "number of this try, from 1: one more than the faults since the last successful step";
    "amiferry.stage" Stage "the step: `store`, `copy`, `restore`, `protect` or `manifest`";
    "amiferry.image.size_gb" Stage "what the image counts against EC2's quota, in GB";
    "amiferry.restored.image.id" Stage "the image in the vault";
    "aws.s3.bucket" Stage "the bucket that the step writes to";
    "aws.s3.key" Stage "the object that the step writes";
    "aws.s3.upload_id" Stage "the multipart upload of a copy";
    "amiferry.copy.bytes" Stage "size of the copied object, in bytes";
    "amiferry.copy.parts" Stage "number of parts of the copy";
    "amiferry.copy.parts_held" Stage "number of parts that an earlier try has already copied";
    "amiferry.object.version" Line "the version of the object that was written";
    "amiferry.origin" Line "what named the image first: `event` or `sweep`";
    "amiferry.standing" Line "state of the work: `waiting` for something that passes by itself, or `parked` until a person or another system acts";
    "amiferry.reason" Line "a reason code of `docs/reason-codes.md`";
    "amiferry.meaning" Line "what the reason means";
    "amiferry.remedy" Line "what a person can do about it";
    "amiferry.detail" Line "particulars of the decision, the reason or the end";
    "amiferry.duration_s" Line "how long it took, in seconds";
    "amiferry.retry.at" Line "time of the next try; absent if there is none";
    "amiferry.failures" Line "number of consecutive failures of the same activity, from 1";
    "amiferry.keys" Line "how many recovery points a failed look covered";
    "error.type" Line "the class of a failure, as in the metrics: `throttled`, `quota_full`, `denied`, `not_found`, `conflict`, `invalid`, `key_unusable`, `outcome_unknown`, `unavailable`, `credentials` or `bug`";
    "error.message" Line "AWS's message, cut to 300 characters, with invisible characters made visible";
    "amiferry.error.code" Line "AWS's error code, or one of amiferry's if AWS gave none";
    "rpc.service" Line "the AWS service of the failed call, such as `s3`";
    "rpc.method" Line "the operation, such as `UploadPartCopy`";
    "aws.request_id" Line "the request id of the failed call, if AWS answered";
    "amiferry.resource" Line "the resource of the call or of the line: an id, `bucket/key`, a queue's URL, an ARN";
    "messaging.message.id" Line "SQS's id of a message";
    "amiferry.message.receive_count" Line "how often the message was received";
    "amiferry.message.bytes" Line "size of the message";
    "amiferry.message.body" Line "the first 1,024 characters of a refused body, with invisible characters made visible";
    "amiferry.message.unlogged" Line "how many lines about messages have the same reason and were left out since the last such line";
    "cloud.region" Line "the Region of a call or a setting";
    "amiferry.key.state" Line "the state of a KMS key";
    "amiferry.key.usable" Line "what dry runs of the operations that AWS needs said about the key";
    "amiferry.key.multi_region" Line "whether it is a multi-Region key";
    "amiferry.key.grants" Line "how many grants of the key were read; absent where they may not be listed";
    "amiferry.signal" Line "the signal that was received";
    "server.address" Line "the address that the worker serves on";
    "server.port" Line "its port";
}

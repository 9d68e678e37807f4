//! Messages as AWS sends them, about things that need not exist.

use amiferry_core::ids::{AccountId, Region};
use serde_json::json;

/// What EventBridge says of an object that S3 has got.
pub fn object_created((account, region): (&AccountId, &Region), bucket: &str, key: &str) -> String {
    json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account,
        "time": "2026-01-02T03:04:05Z",
        "region": region,
        "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "version": "0",
            "bucket": { "name": bucket },
            "object": { "key": key, "size": 5, "etag": "x", "version-id": "v", "sequencer": "1" },
            "request-id": "r",
            "requester": account,
            "reason": "PutObject",
        },
    })
    .to_string()
}

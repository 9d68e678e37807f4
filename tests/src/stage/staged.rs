//! What EventBridge says when an image of one of the landscape's further sources is staged.

use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_simulator::landscape;

/// The message that an image is staged.
pub fn message((account, region): &(AccountId, Region), image: &ImageId) -> String {
    let bucket = landscape::staging_bucket_of(account, region);
    let key = format!("amiferry/{region}/{image}.bin");
    serde_json::json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account,
        "time": "2026-01-02T03:04:05Z",
        "region": region,
        "resources": [],
        "detail": {
            "version": "0",
            "bucket": { "name": bucket },
            "object": { "key": key, "size": 1, "etag": "x", "sequencer": "1" },
            "request-id": "r",
            "requester": account,
            "reason": "PutObject",
        },
    })
    .to_string()
}

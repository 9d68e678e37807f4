//! Events as AWS sends them, to ask EventBridge whether a rule takes them. Their form is that of the
//! fixtures, which a test compares with.

use serde_json::{Value, json};

use super::SourceScope;
use crate::ids::{AccountId, Region};
use crate::names;

/// An image that does not exist.
const IMAGE: &str = "ami-0123456789abcdef0";

/// The event of an image of this account and Region that becomes available. `partition` is that of the
/// image's ARN, such as `aws`.
pub fn image_available(account: &AccountId, region: &Region, partition: &str) -> Value {
    json!({
        "version": "0",
        "id": "6f87d04b-9f74-4f04-a780-7acf4b0a9b38",
        "detail-type": "EC2 AMI State Change",
        "source": "aws.ec2",
        "account": account,
        "time": "2026-05-04T03:02:01Z",
        "region": region,
        "resources": [format!("arn:{partition}:ec2:{region}::image/{IMAGE}")],
        "detail": {
            "RequestId": "4a1b9d0e-3f0a-4f6e-9f52-5b7a8c9d0e1f",
            "ImageId": IMAGE,
            "State": "available",
            "ErrorMessage": "",
        },
    })
}

/// The event of an image that a store task has written to the staging bucket of this source.
pub fn staged(source: &SourceScope, partition: &str) -> Value {
    let SourceScope { account, region, staging_bucket: bucket, staging_prefix } = source;
    let key = format!("{}/{IMAGE}.bin", names::staging_path(staging_prefix, region));
    json!({
        "version": "0",
        "id": "6f87d04b-9f74-4f04-a780-7acf4b0a9b38",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account,
        "time": "2026-05-04T03:02:01Z",
        "region": region,
        "resources": [format!("arn:{partition}:s3:::{bucket}")],
        "detail": {
            "version": "0",
            "bucket": { "name": bucket },
            "object": {
                "key": key,
                "size": 8_589_934_592_u64,
                "etag": "d41d8cd98f00b204e9800998ecf8427e-64",
                "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
                "sequencer": "617f08299329d189",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": account,
            "source-ip-address": "198.51.100.7",
            "reason": "CompleteMultipartUpload",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Hint, parse};
    use super::*;

    fn scope() -> SourceScope {
        SourceScope {
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            staging_bucket: "staging-example".parse().unwrap(),
            staging_prefix: "amiferry".to_owned(),
        }
    }

    #[test]
    fn the_samples_have_the_form_of_the_fixtures() {
        let scope = scope();
        let fixture = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let image = image_available(&scope.account, &scope.region, "aws");
        assert_eq!(image, fixture(include_str!("fixtures/ami_available.json")));
        let object = staged(&scope, "aws");
        assert_eq!(object, fixture(include_str!("fixtures/s3_object_created.json")));
    }

    #[test]
    fn a_worker_would_look_at_what_the_samples_name() {
        let scope = scope();
        let hints = |event: &Value| parse(&event.to_string()).unwrap().hints;
        let image = hints(&image_available(&scope.account, &scope.region, "aws"));
        let [Hint::Image(hint)] = &image[..] else { panic!("{image:?}") };
        assert!(scope.pin_image(hint).unwrap().is_some());
        let prefixed = SourceScope { staging_prefix: String::new(), ..scope };
        let object = hints(&staged(&prefixed, "aws"));
        let [Hint::Object(hint)] = &object[..] else { panic!("{object:?}") };
        assert!(prefixed.pin_object(hint).unwrap().is_some());
    }
}

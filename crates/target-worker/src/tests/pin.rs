//! Which recovery points a message names, and which it may not.

use amiferry_core::event::RejectCode;
use amiferry_service::reconcile::Role;

use super::facts::*;
use super::world::*;

/// A change of an image's state, as EventBridge sends it.
fn state(account: &str, region: &str, image: &str, state: &str) -> String {
    format!(
        r#"{{"version": "0", "id": "1", "detail-type": "EC2 AMI State Change",
        "source": "aws.ec2", "account": "{account}", "time": "2026-01-15T12:00:00Z",
        "region": "{region}", "resources": [],
        "detail": {{"ImageId": "{image}", "State": "{state}", "ErrorMessage": "",
        "RequestId": "1"}}}}"#
    )
}

/// A new object, as EventBridge sends it.
fn object(account: &str, bucket: &str, key: &str) -> String {
    format!(
        r#"{{"version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3",
        "account": "{account}", "time": "2026-01-15T12:00:00Z", "region": "us-east-1",
        "resources": [], "detail": {{"version": "0", "bucket": {{"name": "{bucket}"}},
        "object": {{"key": "{key}", "size": 9, "etag": "e", "sequencer": "1"}},
        "request-id": "1", "requester": "{account}", "reason": "PutObject"}}}}"#
    )
}

#[test]
fn a_message_names_a_recovery_point_of_a_configured_source_or_is_refused() {
    const STAGED: &str = "amiferry/us-east-1/ami-00000001.bin";
    let world = World::new();
    let image = "ami-00000001";
    for (body, keys, rejected) in [
        (object(SOURCE, "staging-one", STAGED), vec![point(1)], None),
        (object(OTHER, "staging-two", STAGED), vec![point_of(OTHER, 1)], None),
        (object(SOURCE, "staging-two", STAGED), vec![], Some(RejectCode::ForeignAccount)),
        (object(SOURCE, "elsewhere", STAGED), vec![], Some(RejectCode::ForeignBucket)),
        (
            object(SOURCE, "staging-one", "amiferry/us-east-1/x.bin"),
            vec![],
            Some(RejectCode::ForeignKey),
        ),
        (
            object(SOURCE, "staging-one", "amiferry/eu-west-1/ami-00000001.bin"),
            vec![],
            Some(RejectCode::ForeignKey),
        ),
        (state(SOURCE, "us-east-1", image, "available"), vec![point(1)], None),
        (state(OTHER, "us-east-1", image, "available"), vec![point_of(OTHER, 1)], None),
        (state(SOURCE, "us-east-1", image, "deregistered"), vec![], None),
        (state(SOURCE, "eu-west-1", image, "available"), vec![], Some(RejectCode::ForeignAccount)),
        (
            state("444444444444", "us-east-1", image, "available"),
            vec![],
            Some(RejectCode::ForeignAccount),
        ),
        // An image of the vault that is not awaited starts nothing, whatever it is.
        (state(VAULT, "us-west-2", image, "available"), vec![], None),
        (state(VAULT, "us-west-2", image, "failed"), vec![], None),
        ("{".to_owned(), vec![], Some(RejectCode::NotJson)),
        (r#"{"hello": "world"}"#.to_owned(), vec![], Some(RejectCode::UnknownShape)),
    ] {
        let interpreted = world.role.interpret(&body);
        let codes: Vec<RejectCode> =
            interpreted.rejected.iter().map(|reject| reject.code).collect();
        assert_eq!((interpreted.keys, codes), (keys, rejected.into_iter().collect()), "{body}");
    }
    assert_eq!(world.calls().len(), 0, "a message leads to no call");
}

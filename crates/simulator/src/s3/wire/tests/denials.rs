//! What S3 tells the refused: the reason to callers of the bucket's account and organization, and
//! nothing to others.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_reason_of_a_denial_is_for_the_account_and_the_organization_of_the_bucket() {
    let client = Client::new();
    client.ok("PUT /bkt/k", &[], "hello").await;
    let nothing = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let reason = "policy allows the s3:GetObject action";
    let told = async |caller: &Client| text(&caller.send("GET /bkt/k", &[], "").await);
    assert!(told(&client.as_worker(OWNER, nothing)).await.contains(reason));
    let other = client.as_worker(OTHER, nothing);
    let silent = told(&other).await;
    assert!(silent.contains("<Message>Access Denied</Message>"), "{silent}");
    for account in [OWNER, OTHER] {
        let mut state = client.world.lock();
        let account = state.iam.entry(account.parse().unwrap()).or_default();
        account.organisation = Some("o-exampleorg1".to_owned());
    }
    assert!(told(&other).await.contains(reason));
}

#[tokio::test(start_paused = true)]
async fn a_byte_of_an_object_is_refused_for_the_same_reason_as_its_head_but_in_words() {
    let client = Client::new();
    client.ok("PUT /bkt/k", &[], "hello").await;
    let nothing = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let worker = client.as_worker(OWNER, nothing);
    let head = worker.send("HEAD /bkt/k", &[], "").await;
    assert_eq!((head.status, head.body.len()), (403, 0));
    let byte = worker.send("GET /bkt/k", &[("range", "bytes=0-0")], "").await;
    assert_eq!(code(&byte), (403, "AccessDenied".to_owned()));
    assert!(
        text(&byte).contains("s3:GetObject on resource: arn:aws:s3:::bkt/k"),
        "{}",
        text(&byte)
    );
}

//! The lists of quotas through the wire.

use serde_json::{Value, json};

use super::{Raised, Settings};
use crate::testing::{ACCOUNT, OTHER, REGION, Reply, json as call, world, world_with};
use crate::{World, iam};

const LIST: &str = "ListServiceQuotas";
const DEFAULTS: &str = "ListAWSDefaultServiceQuotas";
const CAPACITY: &str = "CreateStoreImageTask request bucket maximum capacity";
const RATE: &str = "CreateStoreImageTask request bucket refill rate";

async fn ask(world: &World, account: &str, operation: &str, more: Value) -> Reply {
    let mut body = json!({ "ServiceCode": "ec2" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(world, account, "servicequotas", operation, body).await
}

/// A world in which AWS has raised the bucket of stores of one account.
fn raised(settings: Settings) -> World {
    let raised = vec![Raised {
        account: ACCOUNT.parse().unwrap(),
        region: REGION.parse().unwrap(),
        operation: "CreateStoreImageTask".to_owned(),
        capacity: 100.0,
        refill: 0.5,
    }];
    let servicequotas = Settings { raised, ..settings };
    world_with(crate::Settings { servicequotas, ..crate::Settings::default() })
}

fn value(answer: &Value, name: &str) -> Option<f64> {
    let quotas = answer["Quotas"].as_array().unwrap();
    quotas.iter().find(|quota| quota["QuotaName"] == name)?["Value"].as_f64()
}

#[tokio::test(start_paused = true)]
async fn each_account_has_its_own_quotas_and_all_have_the_defaults() {
    let world = raised(Settings::default());
    for (account, operation, capacity, rate) in [
        (ACCOUNT, LIST, 100.0, 0.5),
        (ACCOUNT, DEFAULTS, 50.0, 0.1),
        (OTHER, LIST, 50.0, 0.1),
        (OTHER, DEFAULTS, 50.0, 0.1),
    ] {
        let answer = ask(&world, account, operation, json!({})).await.ok();
        assert_eq!(value(&answer, CAPACITY), Some(capacity), "{account} {operation}");
        assert_eq!(value(&answer, RATE), Some(rate), "{account} {operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn ec2_keeps_to_a_bucket_that_was_raised() {
    let raised = raised(Settings::default());
    for (world, admitted) in [(world(), 50), (raised, 100)] {
        let mut taken = 0;
        loop {
            let form = "Action=CreateStoreImageTask&Version=2016-11-15&ImageId=ami-0123456789abcdef0&Bucket=b";
            let answer = crate::testing::call(&world, ACCOUNT, "ec2", &[], form).await;
            if answer.element("Code").as_deref() == Some("RequestLimitExceeded") {
                break;
            }
            taken += 1;
        }
        assert_eq!(taken, admitted);
    }
}

#[tokio::test(start_paused = true)]
async fn pages_hold_each_quota_once() {
    let world = world();
    let names = |answer: &Value| -> Vec<String> {
        let quotas = answer["Quotas"].as_array().unwrap().iter();
        quotas.map(|quota| quota["QuotaName"].as_str().unwrap().to_owned()).collect()
    };
    let whole = names(&ask(&world, ACCOUNT, LIST, json!({})).await.ok());
    let (mut all, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut more = json!({ "MaxResults": 10 });
        if !token.is_null() {
            more["NextToken"] = token;
        }
        let answer = ask(&world, ACCOUNT, LIST, more).await.ok();
        assert!(names(&answer).len() <= 10);
        all.extend(names(&answer));
        token = answer["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(all, whole);
    assert!(all.len() > 20);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_listed_or_not_asked_for_rightly_has_its_answer() {
    let world = raised(Settings { buckets_listed: false, ..Settings::default() });
    let answer = ask(&world, ACCOUNT, LIST, json!({})).await.ok();
    assert_eq!(value(&answer, CAPACITY), None);
    assert_eq!(value(&answer, "AMIs"), Some(50_000.0));
    let codes = [
        (json!({ "MaxResults": 0 }), "IllegalArgumentException"),
        (json!({ "MaxResults": 101 }), "IllegalArgumentException"),
        (json!({ "NextToken": "never" }), "InvalidPaginationTokenException"),
        (json!({ "NextToken": "99" }), "InvalidPaginationTokenException"),
        (json!({ "ServiceCode": null }), "IllegalArgumentException"),
        (json!({ "ServiceCode": "nothing" }), "NoSuchResourceException"),
    ];
    for (more, code) in codes {
        let refused = ask(&world, ACCOUNT, LIST, more.clone()).await;
        assert_eq!((refused.status, refused.header("x-amzn-errortype")), (400, code), "{more}");
    }
    let ebs = ask(&world, ACCOUNT, LIST, json!({ "ServiceCode": "ebs" })).await.ok();
    assert_eq!(ebs["Quotas"], json!([]));
    let one = ask(&world, ACCOUNT, LIST, json!({ "QuotaCode": "L-B665C33B" })).await.ok();
    assert_eq!(one["Quotas"].as_array().unwrap().len(), 1);
    let none = ask(&world, ACCOUNT, LIST, json!({ "QuotaAppliedAtLevel": "RESOURCE" })).await.ok();
    assert_eq!(none["Quotas"], json!([]));
    assert_eq!(ask(&world, ACCOUNT, "ListServices", json!({})).await.status, 501);
}

#[tokio::test(start_paused = true)]
async fn iam_decides_who_may_ask() {
    let world = world();
    let policy = |action: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#)
    };
    for (action, is_allowed) in [
        ("servicequotas:ListServiceQuotas", true),
        ("servicequotas:ListAWSDefaultServiceQuotas", false),
        ("ec2:*", false),
    ] {
        let account = ACCOUNT.parse().unwrap();
        let key = {
            let mut state = world.lock();
            iam::delete_user(&mut state, &account, "asker");
            iam::create_user(&mut state, &account, "asker", &policy(action)).unwrap()
        };
        let answer = ask(&world, &key.access_key, LIST, json!({})).await;
        assert_eq!(answer.status == 200, is_allowed, "{action}: {}", answer.text);
        if !is_allowed {
            assert_eq!(answer.header("x-amzn-errortype"), "AccessDeniedException");
            let words = "because no identity-based policy allows the servicequotas:ListServiceQuotas action";
            assert!(answer.text.contains(words), "{}", answer.text);
        }
    }
}

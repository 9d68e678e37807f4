//! Faults of calls and deliveries, from the caller's side.

use std::time::Duration;

use amiferry_core::ids::{AccountId, Arn, Region};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::testing::{ACCOUNT, OTHER, REGION, pass, world, world_with};
use crate::wire::{AnswerBody, Incoming};
use crate::{Settings, World, s3, sqs};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// What reached the caller: status and body, or how the connection ended.
#[derive(Debug, PartialEq)]
enum Got {
    Answer(u16, String),
    /// Status, and what of the body came before the connection broke.
    Cut(u16, String),
    Nothing(Break),
}

impl Got {
    fn status(&self) -> u16 {
        match self {
            Self::Answer(status, _) | Self::Cut(status, _) => *status,
            Self::Nothing(_) => 0,
        }
    }
}

async fn send(world: &World, request: Request<Incoming>) -> Got {
    match exchange(world, request, Some(MINUTE)).await {
        Reply::Whole(answer) => {
            let bytes = match answer.body {
                AnswerBody::Bytes(bytes) => bytes,
                AnswerBody::Content(content) => content.to_bytes(),
            };
            Got::Answer(answer.status, String::from_utf8(bytes.to_vec()).unwrap())
        }
        Reply::Faulty(answer, mut body) => {
            let mut text = String::new();
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => {
                        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap())
                    }
                    Err(_) => return Got::Cut(answer.status, text),
                }
            }
            Got::Answer(answer.status, text)
        }
        Reply::Nothing(broken) => Got::Nothing(broken),
    }
}

fn request(
    key: &str,
    region: &str,
    service: &str,
    method: &str,
    uri: &str,
    body: &str,
) -> Request<Incoming> {
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let body = Full::new(Bytes::from(body.to_owned())).map_err(|never| match never {});
    Request::builder()
        .method(method)
        .uri(uri)
        .header("authorization", credential)
        .body(Incoming::new(body))
        .unwrap()
}

async fn s3(world: &World, method: &str, uri: &str, body: &str) -> Got {
    send(world, request(ACCOUNT, REGION, "s3", method, uri, body)).await
}

async fn ec2(world: &World, action: &str) -> Got {
    let body = format!("Version=2016-11-15&Action={action}");
    send(world, request(ACCOUNT, REGION, "ec2", "POST", "/", &body)).await
}

async fn targeted(world: &World, service: &str, target: &str) -> Got {
    let mut request = request(ACCOUNT, REGION, service, "POST", "/", "{}");
    request.headers_mut().insert("x-amz-target", target.parse().unwrap());
    send(world, request).await
}

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

fn with_bucket() -> World {
    let world = world();
    let now = world.now();
    let spec = s3::BucketSpec::new("bkt", account(), region(REGION));
    s3::create_bucket(&mut world.lock(), now, spec).unwrap();
    world
}

fn install(world: &World, rule: Rule) {
    world.faults().install(FaultPlan::new().fault(rule)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_service_words_throttling_and_failure_in_its_own_way() {
    let world = world();
    for (effect, codes) in [
        (
            Effect::Throttle,
            [
                (503, "<Code>RequestLimitExceeded</Code>"),
                (503, "<Code>SlowDown</Code>"),
                (400, "com.amazonaws.sqs#RequestThrottled"),
                (400, "\"ThrottlingException\""),
                (400, "<Code>Throttling</Code>"),
            ],
        ),
        (
            Effect::InternalError,
            [
                (500, "<Code>InternalError</Code>"),
                (500, "<Code>InternalError</Code>"),
                (500, "com.amazonaws.sqs#InternalFailure"),
                (500, "\"KMSInternalException\""),
                (500, "<Code>InternalFailure</Code>"),
            ],
        ),
        (
            Effect::ExpiredToken,
            [
                (400, "<Code>RequestExpired</Code>"),
                (400, "<Code>ExpiredToken</Code>"),
                (400, "ExpiredTokenException"),
                (400, "\"ExpiredTokenException\""),
                (403, "<Code>ExpiredToken</Code>"),
            ],
        ),
    ] {
        world.faults().clear();
        install(&world, Rule::new(effect));
        let sts = request(ACCOUNT, REGION, "sts", "POST", "/", "Action=GetCallerIdentity");
        let got = [
            ec2(&world, "DescribeImages").await,
            s3(&world, "GET", "/", "").await,
            targeted(&world, "sqs", "AmazonSQS.ListQueues").await,
            targeted(&world, "kms", "TrentService.ListKeys").await,
            send(&world, sts).await,
        ];
        for (got, (status, code)) in got.iter().zip(codes) {
            let Got::Answer(answered, text) = got else { panic!("{got:?}") };
            assert!(*answered == status && text.contains(code), "{answered} {text} without {code}");
        }
    }
    assert!(world.lock().calls.is_empty(), "no service was asked");
}

#[tokio::test(start_paused = true)]
async fn a_refused_head_has_a_status_and_no_body() {
    let world = with_bucket();
    install(&world, Rule::new(Effect::Throttle));
    assert_eq!(s3(&world, "HEAD", "/bkt/k", "").await, Got::Answer(503, String::new()));
}

#[tokio::test(start_paused = true)]
async fn before_the_effect_nothing_is_there_and_after_it_only_the_answer_is_missing() {
    for (effect, got, there) in [
        (Effect::ConnectionRefused, Break::Refused, false),
        (Effect::ConnectionReset, Break::Reset, false),
        (Effect::Timeout, Break::Silent, false),
        (Effect::ResponseLost, Break::Reset, true),
        (Effect::ResponseTimeout, Break::Silent, true),
    ] {
        let world = with_bucket();
        let kind = effect.kind();
        install(&world, Rule::new(effect).on(Service::S3, "PutObject").when(When::nth(1)));
        assert_eq!(s3(&world, "PUT", "/bkt/k", "x").await, Got::Nothing(got), "{kind}");
        let found = s3(&world, "GET", "/bkt/k", "").await.status();
        assert_eq!(found, if there { 200 } else { 404 }, "{kind}");
        assert_eq!(s3(&world, "PUT", "/bkt/k", "x").await.status(), 200, "{kind}: only the first");
        assert_eq!(world.faults().kinds(), BTreeMap::from([(kind, 1)]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_request_is_applied_even_if_its_client_has_given_up() {
    let world = with_bucket();
    let rule = Rule::new(Effect::DelayRequest(2 * MINUTE)).on(Service::S3, "PutObject");
    install(&world, rule);
    assert_eq!(s3(&world, "PUT", "/bkt/k", "x").await, Got::Nothing(Break::TimedOut));
    assert_eq!(s3(&world, "GET", "/bkt/k", "").await.status(), 404);
    pass(&world, 61).await;
    assert_eq!(s3(&world, "GET", "/bkt/k", "").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_comes_late_and_one_that_is_too_late_not_at_all() {
    let world = with_bucket();
    install(&world, Rule::new(Effect::DelayResponse(MINUTE / 2)).when(When::nth(1)));
    install(&world, Rule::new(Effect::DelayResponse(2 * MINUTE)).when(When::nth(2)));
    let begun = world.now();
    assert_eq!(s3(&world, "PUT", "/bkt/a", "x").await.status(), 200);
    assert_eq!(world.now().duration_since(begun), SignedDuration::from_secs(30));
    assert_eq!(s3(&world, "PUT", "/bkt/b", "x").await, Got::Nothing(Break::TimedOut));
    assert_eq!(s3(&world, "GET", "/bkt/b", "").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn bodies_can_be_cut_emptied_and_replaced_by_an_error_under_200() {
    let world = with_bucket();
    s3(&world, "PUT", "/bkt/k", "0123456789").await;
    install(&world, Rule::new(Effect::Truncate(4)).on(Service::S3, "GetObject").when(When::nth(1)));
    install(
        &world,
        Rule::new(Effect::Truncate(99)).on(Service::S3, "GetObject").when(When::nth(2)),
    );
    install(&world, Rule::new(Effect::EmptyBody).on(Service::S3, "GetObject").when(When::nth(3)));
    assert_eq!(s3(&world, "GET", "/bkt/k", "").await, Got::Cut(200, "0123".to_owned()));
    assert_eq!(s3(&world, "GET", "/bkt/k", "").await, Got::Cut(200, "012345678".to_owned()));
    assert_eq!(s3(&world, "GET", "/bkt/k", "").await, Got::Answer(200, String::new()));
    install(&world, Rule::new(Effect::ErrorIn200).on(Service::S3, "CopyObject"));
    let mut copy = request(ACCOUNT, REGION, "s3", "PUT", "/bkt/copy", "");
    copy.headers_mut().insert("x-amz-copy-source", "bkt/k".parse().unwrap());
    let got = send(&world, copy).await;
    assert!(matches!(&got, Got::Answer(200, text) if text.contains("<Code>InternalError</Code>")));
    assert_eq!(s3(&world, "GET", "/bkt/copy", "").await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_edited_and_a_refusal_is_not() {
    let world = with_bucket();
    s3(&world, "PUT", "/bkt/a", "x").await;
    s3(&world, "PUT", "/bkt/b", "x").await;
    let edit = Edit { add: "<Contents/>".to_owned(), ..Edit::dropping("Key").of("<Key>a<") };
    install(&world, Rule::new(Effect::Edit(edit)).on(Service::S3, "ListObjectsV2"));
    let Got::Answer(200, text) = s3(&world, "GET", "/bkt?list-type=2", "").await else { panic!() };
    assert!(!text.contains("<Key>a<") && text.contains("<Key>b<"), "{text}");
    assert!(text.contains("</Contents><Contents/>"), "{text}");
    let Got::Answer(404, text) = s3(&world, "GET", "/none?list-type=2", "").await else { panic!() };
    assert!(text.contains("NoSuchBucket") && !text.contains("<Contents/>"), "{text}");

    let json = Rule::new(Effect::Edit(Edit::dropping("Body"))).of(Service::Sqs);
    assert!(world.faults().install(FaultPlan::new().fault(json)).is_err());
}

#[tokio::test(start_paused = true)]
async fn white_space_keeps_a_copy_alive_until_its_answer_or_its_error() {
    for (then, found) in [(Outcome::Answer, "<ETag>"), (Outcome::Error, "<Code>InternalError")] {
        let world = with_bucket();
        s3(&world, "PUT", "/bkt/k", "x").await;
        let effect = Effect::KeepAlive(KeepAlive { span: MINUTE, then });
        install(&world, Rule::new(effect).on(Service::S3, "CopyObject"));
        let mut copy = request(ACCOUNT, REGION, "s3", "PUT", "/bkt/copy", "");
        copy.headers_mut().insert("x-amz-copy-source", "bkt/k".parse().unwrap());
        let begun = world.now();
        let Got::Answer(200, text) = send(&world, copy).await else { panic!("no answer") };
        assert!(text.starts_with("<?xml") && text.contains(&" ".repeat(60)), "{text}");
        assert!(text.contains(found), "{text}");
        assert!(world.now().duration_since(begun) >= SignedDuration::from_secs(60));
        let there = s3(&world, "GET", "/bkt/copy", "").await.status() == 200;
        assert_eq!(there, then == Outcome::Answer);
    }
}

#[tokio::test(start_paused = true)]
async fn ordinals_windows_places_and_limits_choose_the_calls() {
    let fails = |rule: Rule, calls: u64| async move {
        let world = world();
        install(&world, rule);
        let mut failed = Vec::new();
        for ordinal in 1..=calls {
            if ec2(&world, "DescribeImages").await.status() == 500 {
                failed.push(ordinal);
            }
            pass(&world, 60).await;
        }
        failed
    };
    let rule = || Rule::new(Effect::InternalError);
    let when = |when| rule().when(when);
    assert_eq!(fails(when(When::nth(2)), 4).await, [2]);
    assert_eq!(fails(when(When::every(2)), 5).await, [2, 4]);
    assert_eq!(fails(when(When::ordinals(2..=3)), 5).await, [2, 3]);
    assert_eq!(fails(when(When::always().at_most(2)), 4).await, [1, 2]);
    assert_eq!(fails(when(When::always().between(MINUTE, 3 * MINUTE)), 5).await, [2, 3]);
    assert_eq!(fails(rule().on(Service::Ec2, "DescribeImages"), 1).await, [1]);
    assert_eq!(fails(rule().on(Service::Ec2, "*"), 1).await, [1]);
    assert_eq!(fails(rule().from_account(account()).in_region(region(REGION)), 1).await, [1]);
    assert_eq!(fails(rule().on(Service::Ec2, "DescribeSnapshots"), 1).await, Vec::<u64>::new());
    assert_eq!(fails(rule().of(Service::S3), 1).await, Vec::<u64>::new());
    assert_eq!(fails(rule().from_account(OTHER.parse().unwrap()), 1).await, Vec::<u64>::new());
    assert_eq!(fails(rule().in_region(region("eu-west-1")), 1).await, Vec::<u64>::new());
}

#[tokio::test(start_paused = true)]
async fn chance_depends_on_seed_rule_and_ordinal_and_not_on_what_else_happens() {
    async fn failed(seed: u64, also: Option<Rule>, others: bool) -> Vec<u64> {
        let world = world_with(Settings { seed, ..Settings::default() });
        world.faults().install(also.into_iter().map(Entry::Fault).collect()).unwrap();
        install(
            &world,
            Rule::new(Effect::InternalError).of(Service::Ec2).when(When::probability(0.3)),
        );
        let mut failed = Vec::new();
        for ordinal in 0..60 {
            if others {
                ec2(&world, "DescribeSnapshots").await;
                s3(&world, "GET", "/", "").await;
            }
            if ec2(&world, "DescribeImages").await.status() == 500 {
                failed.push(ordinal);
            }
        }
        failed
    }
    let alone = failed(1, None, false).await;
    assert!((8..30).contains(&alone.len()), "{alone:?}");
    assert_eq!(failed(1, None, false).await, alone);
    assert_eq!(failed(1, None, true).await, alone);
    assert_ne!(failed(2, None, false).await, alone);
    let first = Rule::new(Effect::Throttle).on(Service::Ec2, "DescribeImages").when(When::nth(1));
    let beside = failed(1, Some(first), false).await;
    assert_eq!(beside, alone.into_iter().filter(|ordinal| *ordinal != 0).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_outage_silences_its_region_for_its_time_and_goes_before_every_rule() {
    let world = world();
    install(&world, Rule::new(Effect::Throttle));
    let plan = FaultPlan::new().outage(Outage::of_region(region(REGION)).between(MINUTE, HOUR));
    world.faults().install(plan).unwrap();
    let elsewhere = || request(ACCOUNT, "eu-west-1", "ec2", "POST", "/", "Action=DescribeImages");
    assert_eq!(ec2(&world, "DescribeImages").await.status(), 503);
    pass(&world, 60).await;
    assert_eq!(ec2(&world, "DescribeImages").await, Got::Nothing(Break::Silent));
    assert_eq!(s3(&world, "GET", "/", "").await, Got::Nothing(Break::Silent));
    assert_eq!(send(&world, elsewhere()).await.status(), 503);
    pass(&world, 3_600).await;
    assert_eq!(ec2(&world, "DescribeImages").await.status(), 503);
    let one =
        FaultPlan::new().outage(Outage::of_service(Service::Kms, region(REGION)).with_errors());
    world.faults().clear();
    world.faults().install(one).unwrap();
    assert_eq!(ec2(&world, "DescribeRegions").await.status(), 200);
    assert_eq!(targeted(&world, "kms", "TrentService.ListKeys").await.status(), 503);
    assert_eq!(world.faults().kinds()["outage"], 3);
}

fn queue(world: &World) -> Arn {
    let now = world.now();
    let spec = sqs::QueueSpec::named("q");
    sqs::create_queue(&mut world.lock(), now, &account(), &region(REGION), &spec).unwrap()
}

fn sent(world: &World, queue: &Arn, bodies: &[&str]) {
    let now = world.now();
    let mut state = world.lock();
    for (body, second) in bodies.iter().zip(1..) {
        let at = now.saturating_add(SignedDuration::from_secs(second)).unwrap();
        let (queue, body) = (queue.clone(), (*body).to_owned());
        state.agenda.plan(at, crate::agenda::Due::Deliver { queue, body });
    }
}

async fn after_ten_minutes(effect: EventEffect) -> (Vec<String>, BTreeMap<&'static str, u64>) {
    let world = world();
    let queue = queue(&world);
    let rule = EventRule::new(effect).to_queue("q").containing("hit");
    world.faults().install(FaultPlan::new().event_fault(rule)).unwrap();
    sent(&world, &queue, &["hit 1", "spared", "hit 2", "hit 3", "hit 4"]);
    pass(&world, 600).await;
    let bodies = sqs::bodies(&world.lock(), &queue);
    (bodies, world.faults().kinds())
}

#[tokio::test(start_paused = true)]
async fn events_are_lost_doubled_delayed_and_reordered_as_the_rule_says() {
    let (bodies, kinds) = after_ten_minutes(EventEffect::Lose).await;
    assert_eq!((bodies, kinds), (vec!["spared".to_owned()], BTreeMap::from([("event-lose", 4)])));
    let (bodies, _) = after_ten_minutes(EventEffect::Duplicate(2)).await;
    assert_eq!(bodies[..4], ["hit 1", "hit 1", "hit 1", "spared"]);
    assert_eq!(bodies.len(), 13);
    let (bodies, _) = after_ten_minutes(EventEffect::Delay(MINUTE)).await;
    assert_eq!(bodies, ["spared", "hit 1", "hit 2", "hit 3", "hit 4"]);
    let (bodies, _) = after_ten_minutes(EventEffect::Delay(HOUR)).await;
    assert_eq!(bodies, ["spared"]);
    let (bodies, _) = after_ten_minutes(EventEffect::Reorder(5 * MINUTE)).await;
    let mut sorted = bodies.clone();
    sorted.sort();
    assert_eq!(sorted, ["hit 1", "hit 2", "hit 3", "hit 4", "spared"]);
    assert_ne!(bodies[1..], ["hit 1", "hit 2", "hit 3", "hit 4"]);
}

#[tokio::test(start_paused = true)]
async fn events_for_a_region_that_is_down_wait_for_it_and_are_given_up_after_a_day() {
    for (hours, arrived) in [(5, 1), (30, 0)] {
        let world = world();
        let queue = queue(&world);
        let down = Outage::of_region(region(REGION)).between(Duration::ZERO, hours * HOUR);
        world.faults().install(FaultPlan::new().outage(down)).unwrap();
        sent(&world, &queue, &["event"]);
        pass(&world, 3_600).await;
        assert_eq!(sqs::depth(&world.lock(), &queue), 0);
        pass(&world, 40 * 3_600).await;
        assert_eq!(sqs::depth(&world.lock(), &queue), arrived, "{hours} hours");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_cannot_work_is_refused_with_its_reason() {
    let copies = || Rule::new(Effect::ErrorIn200).on(Service::S3, "CopyObject");
    let bad = [
        (Rule::new(Effect::ErrorIn200), "CopyObject"),
        (copies().on(Service::S3, "GetObject"), "CopyObject"),
        (copies().on(Service::S3, "copy-object"), "API reference"),
        (copies().when(When::probability(1.5)), "probability"),
        (copies().when(When::nth(0)), "count from 1"),
        (copies().when(When { every: Some(2), ..When::nth(1) }), "leave out"),
        (copies().when(When::always().between(HOUR, MINUTE)), "before until"),
    ];
    let world = world();
    for (rule, why) in bad {
        let plan = FaultPlan::new().fault(copies()).fault(rule.clone());
        let error = world.faults().install(plan).unwrap_err();
        assert!(error.contains(why), "{rule:?}: {error}");
    }
    assert_eq!(world.faults().installed(), [], "all or nothing");
    let none = FaultPlan::new().event_fault(EventRule::new(EventEffect::Duplicate(0)));
    assert!(world.faults().install(none).is_err());
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_written_as_scenario_files_write_it_and_removed_by_its_id() {
    let world = world();
    let rule = Rule::new(Effect::DelayResponse(MINUTE)).on(Service::S3, "GetObject");
    let ids = world.faults().install(FaultPlan::new().fault(rule.when(When::nth(3)))).unwrap();
    let report = serde_json::to_value(world.faults().installed()).unwrap();
    assert_eq!(
        report,
        json!([{ "id": ids[0], "seen": 0, "met": 0, "fault": {
            "service": "s3", "operation": "GetObject", "when": { "nth": 3 },
            "effect": { "delay-response": "1m" } } }])
    );
    assert!(world.faults().remove(ids[0]) && !world.faults().remove(ids[0]));
}

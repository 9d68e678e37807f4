//! The control endpoints and the faults, over a real connection on loopback.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::is_this_machine;
use crate::faults::{Effect, FaultPlan, KeepAlive, Outcome, Rule, When};
use crate::landscape::{Landscape, STAGING_BUCKET};
use crate::wire::scope::Service;
use crate::{Settings, SimClock, World, serve, testing};

/// A served world with the landscape in it; the server ends with the test's runtime.
async fn served() -> (World, SocketAddr) {
    let world = testing::world();
    Landscape::build(&world).unwrap();
    let address = serving(&world).await;
    (world, address)
}

async fn serving(world: &World) -> SocketAddr {
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve::serve(world.clone(), listener));
    address
}

/// Everything that comes back on a connection of its own until the server closes it.
async fn raw(address: SocketAddr, request: &str) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut left = request.as_bytes();
    while !left.is_empty() {
        stream.writable().await.unwrap();
        match stream.try_write(left) {
            Ok(count) => left = &left[count..],
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    let mut answer = Vec::new();
    loop {
        stream.readable().await.unwrap();
        let mut part = [0; 4096];
        match stream.try_read(&mut part) {
            // A reset is an end as well.
            Ok(0) => break,
            Err(error) if error.kind() != ErrorKind::WouldBlock => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
            Err(_) => {}
        }
    }
    String::from_utf8(answer).unwrap()
}

async fn with_headers(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let answer = raw(address, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}

async fn control(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let host = format!("host: {address}\r\n");
    let (status, body) = with_headers(address, method, path, &host, body).await;
    (status, serde_json::from_str(&body).unwrap())
}

async fn describe_images(address: SocketAddr) -> (u16, String) {
    let headers = format!(
        "host: {address}\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=111111111111/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0\r\n"
    );
    with_headers(address, "POST", "/", &headers, "Action=DescribeImages&Owner.1=self").await
}

#[tokio::test]
async fn the_world_is_shown_with_what_is_in_it_and_what_was_called() {
    let (_, address) = served().await;
    let (status, health) = control(address, "GET", "/_amiferry/health", "").await;
    assert_eq!((status, &health["status"]), (200, &json!("ok")));
    assert_eq!(describe_images(address).await.0, 200);
    let headers = format!(
        "host: {address}\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=111111111111/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0\r\n"
    );
    let unknown = with_headers(address, "POST", "/", &headers, "Action=RunInstances").await;
    assert_eq!(unknown.0, 501);
    let (_, world) = control(address, "GET", "/_amiferry/world", "").await;
    assert_eq!(world["calls"]["ec2:DescribeImages"], 1);
    assert_eq!(world["not_implemented"], json!({ "ec2:RunInstances": 1 }));
    assert_eq!(world["places"]["111111111111"], json!(["us-east-1"]));
    let has = |list: &str, member: &str, value: &str| {
        let list = world[list].as_array().unwrap();
        assert!(list.iter().any(|it| it[member] == value), "{list:?}");
    };
    has("buckets", "name", "amiferry-vault-222222222222-us-west-2");
    has("queues", "name", "amiferry-source-dead");
    has("keys", "state", "Enabled");
}

#[tokio::test]
async fn the_clock_is_set_forward_and_what_is_due_happens() {
    let (world, address) = served().await;
    let start = world.now();
    let planned = crate::landscape::fleet(&Landscape::build(&testing::world()).unwrap(), start);
    let landscape = Landscape::build(&testing::world()).unwrap();
    planned.last().unwrap().appear(&world, &landscape);
    let (status, clock) = control(address, "POST", "/_amiferry/clock", r#"{"advance":"1h"}"#).await;
    assert_eq!((status, &clock["set_forward"]), (200, &json!("1h")));
    assert!(world.now().duration_since(start).as_hours() >= 1);
    let (_, seen) = control(address, "GET", "/_amiferry/world", "").await;
    let queues = seen["queues"].as_array().unwrap();
    let source = queues.iter().find(|queue| queue["name"] == "amiferry-source").unwrap();
    assert_eq!(source["visible"], 1, "the image's event has arrived");
    for bad in [
        r#"{"advance":"-1h"}"#,
        r#"{"advance":"soon"}"#,
        r#"{"advance":"9000h"}"#,
        r#"{"back":"1h"}"#,
        "1h",
    ] {
        assert_eq!(control(address, "POST", "/_amiferry/clock", bad).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn faults_are_added_met_listed_and_removed() {
    let (_, address) = served().await;
    let rule = r#"{"fault":{"service":"ec2","operation":"DescribeImages","effect":"throttle"}}"#;
    let (status, added) = control(address, "POST", "/_amiferry/faults", rule).await;
    assert_eq!(status, 200, "{added}");
    assert_eq!(describe_images(address).await.0, 503);
    let (_, faults) = control(address, "GET", "/_amiferry/faults", "").await;
    assert_eq!(faults["kinds"], json!({ "throttle": 1 }));
    assert_eq!(faults["installed"][0]["met"], 1);
    let one = format!("/_amiferry/faults/{}", added["id"]);
    assert_eq!(control(address, "DELETE", &one, "").await.0, 200);
    assert_eq!(control(address, "DELETE", &one, "").await.0, 404);
    assert_eq!(describe_images(address).await.0, 200);
    control(address, "POST", "/_amiferry/faults", rule).await;
    assert_eq!(control(address, "DELETE", "/_amiferry/faults", "").await.1["removed"], 1);
    let odd = r#"{"fault":{"service":"ec2","operation":"DescribeImages",
        "effect":{"edit":{"add":"<item><imageId>ari-1</imageId></item>"}}}}"#;
    assert_eq!(control(address, "POST", "/_amiferry/faults", odd).await.0, 200);
    assert!(describe_images(address).await.1.contains("ari-1"));
    for (bad, why) in [
        (r#"{"fault":{"service":"ec2","effect":{"edit":{}}}}"#, "drop, set or add"),
        (r#"{"fault":{"effect":{"edit":{"drop":["name"]}}}}"#, "XML"),
        (r#"{"fault":{"effect":"error-in-200"}}"#, "CopyObject"),
        (r#"{"fault":{"effect":"explode"}}"#, "explode"),
        (r#"{"mishap":{}}"#, "mishap"),
    ] {
        let (status, answer) = control(address, "POST", "/_amiferry/faults", bad).await;
        assert!(status == 400 && answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
}

#[tokio::test]
async fn over_http_a_broken_connection_is_broken_and_a_cut_body_is_cut() {
    let (world, address) = served().await;
    for (effect, answer) in [(Effect::ConnectionReset, ""), (Effect::ResponseLost, "")] {
        let rule = Rule::new(effect).of(Service::Ec2).when(When::nth(1));
        world.faults().install(FaultPlan::new().fault(rule)).unwrap();
        let got = describe_images(address).await;
        assert_eq!(got, (0, answer.to_owned()));
        world.faults().clear();
    }
    assert_eq!(world.lock().calls[&("ec2", "DescribeImages".to_owned())], 1, "only the second");
    let (_, whole) = describe_images(address).await;
    world.faults().install(FaultPlan::new().fault(Rule::new(Effect::Truncate(50)))).unwrap();
    let (status, cut) = describe_images(address).await;
    assert_eq!((status, cut.as_str()), (200, &whole[..50]));
}

#[tokio::test]
async fn over_http_a_kept_alive_copy_comes_in_chunks_with_its_status_first() {
    // A thousand times as fast, so that a minute of white space does not take one.
    let clock = SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap(), 1_000);
    let world = World::new(clock, Settings::default());
    Landscape::build(&world).unwrap();
    let address = serving(&world).await;
    let alive = KeepAlive { span: Duration::from_secs(60), then: Outcome::Error };
    let rule = Rule::new(Effect::KeepAlive(alive)).on(Service::S3, "CopyObject");
    world.faults().install(FaultPlan::new().fault(rule)).unwrap();
    let path = format!("/{STAGING_BUCKET}/copy");
    let request = format!(
        "PUT {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n\
         x-amz-copy-source: {STAGING_BUCKET}/k\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=111111111111/20260101/us-east-1/s3/aws4_request, Signature=0\r\n\r\n"
    );
    let answer = raw(address, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("transfer-encoding: chunked"),
        "{head}"
    );
    assert_eq!(body.matches("1\r\n \r\n").count(), 60, "{body}");
    assert!(body.contains("<Code>InternalError</Code>") && body.ends_with("0\r\n\r\n"), "{body}");
}

#[tokio::test]
async fn the_trace_is_begun_read_and_ended() {
    let (_, address) = served().await;
    assert_eq!(control(address, "GET", "/_amiferry/trace", "").await.1["trace"], Value::Null);
    control(address, "POST", "/_amiferry/trace", "").await;
    describe_images(address).await;
    let (_, read) = control(address, "GET", "/_amiferry/trace", "").await;
    assert_eq!(read["trace"]["calls"], 1);
    let (_, ended) = control(address, "DELETE", "/_amiferry/trace", "").await;
    assert_eq!(ended, read);
}

#[tokio::test]
async fn web_pages_and_foreign_names_are_refused_and_paths_that_are_not_there_say_so() {
    let (world, address) = served().await;
    for headers in [
        "host: rebound.example:4566\r\n".to_owned(),
        "host: 10.0.0.1\r\n".to_owned(),
        format!("host: {address}\r\norigin: http://evil.example\r\n"),
        format!("host: {address}\r\norigin: http://localhost:3000\r\n"),
    ] {
        for (method, path) in [("GET", "world"), ("DELETE", "faults"), ("POST", "clock")] {
            let path = format!("/_amiferry/{path}");
            let body = r#"{"advance":"1h"}"#;
            let (status, _) = with_headers(address, method, &path, &headers, body).await;
            assert_eq!(status, 403, "{headers}{method} {path}");
        }
    }
    assert!(world.clock().set_forward().is_zero());
    let (status, answer) = control(address, "GET", "/_amiferry/wrold", "").await;
    assert!(status == 404 && answer["error"].as_str().unwrap().contains("GET world"), "{answer}");
}

#[test]
fn only_this_machine_is_this_machine() {
    for good in ["localhost", "LOCALHOST:4566", "127.0.0.1:4566", "127.1.2.3", "[::1]:80", "[::1]"]
    {
        assert!(is_this_machine(good), "{good}");
    }
    for bad in
        ["", "localhost.evil.example", "evil.example", "127.0.0.1.nip.io", "0.0.0.0", "[::2]"]
    {
        assert!(!is_this_machine(bad), "{bad}");
    }
}

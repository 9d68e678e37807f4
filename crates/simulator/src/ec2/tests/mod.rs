//! EC2 through the wire, under paused time.

mod images;
mod lifecycle;
mod permissions;
mod restore;
mod sharing;
mod snapshots;
mod store;

use amiferry_core::ids::{AccountId, Arn, ImageId, Region};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};

use super::{ImageSpec, VolumeSpec, add_image};
use crate::World;
use crate::kms::{self, KeySpec};
use crate::testing::{ACCOUNT, REGION, Reply};
use crate::wire::{self, AnswerBody, Incoming};

/// The Region that images are restored in.
const ELSEWHERE: &str = "us-west-2";

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

/// One call in the query protocol, from an account in a Region.
async fn call_in(
    world: &World,
    region: &str,
    key: &str,
    action: &str,
    parameters: &[(&str, &str)],
) -> Reply {
    call_with(world, region, key, &[], action, parameters).await
}

async fn call_with(
    world: &World,
    region: &str,
    key: &str,
    headers: &[(&str, &str)],
    action: &str,
    parameters: &[(&str, &str)],
) -> Reply {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", "2016-11-15");
    form.extend_pairs(parameters);
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/ec2/aws4_request, SignedHeaders=host, Signature=0"
    );
    let mut request = Request::post("/").header("authorization", credential);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::from(form.finish())).map_err(|never| match never {});
    let answer = wire::answer(world, request.body(Incoming::new(body)).unwrap()).await;
    let AnswerBody::Bytes(bytes) = answer.body else { panic!("a streamed body") };
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Reply { status: answer.status, headers: answer.headers, text }
}

/// One call of the usual account in the usual Region.
async fn call(world: &World, action: &str, parameters: &[(&str, &str)]) -> Reply {
    call_in(world, REGION, ACCOUNT, action, parameters).await
}

/// The texts of all elements of a name.
fn elements(reply: &Reply, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = reply.text.split(&open).skip(1);
    parts.map(|part| part.split(&close).next().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_code(reply: &Reply, status: u16, code: &str) {
    let found = (reply.status, reply.element("Code").unwrap_or_default());
    assert_eq!(found, (status, code.to_owned()), "{}", reply.text);
}

#[track_caller]
fn assert_ok(reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", reply.text);
}

/// An image of the usual account with one volume.
fn image(world: &World, name: &str, size_gib: u32) -> ImageId {
    let volumes = vec![VolumeSpec { size_gib, ..VolumeSpec::default() }];
    put(world, ImageSpec { name: name.to_owned(), volumes, ..ImageSpec::default() })
}

fn put(world: &World, spec: ImageSpec) -> ImageId {
    let now = world.now();
    add_image(&mut world.lock(), now, &account(ACCOUNT), &region(REGION), spec)
}

/// A new customer managed key.
fn key(world: &World, owner: &str, place: &str) -> Arn {
    let now = world.now();
    let (owner, place) = (account(owner), region(place));
    kms::create_key(&mut world.lock(), now, &owner, &place, &KeySpec::default()).unwrap()
}

//! `/_amiferry/health`, `/_amiferry/world` and `/_amiferry/trace`: reading the world.

use serde_json::{Value, json};

use crate::World;
use crate::world::State;
use crate::{kms, sqs};

pub(super) fn health(world: &World) -> Value {
    json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "now": world.now() })
}

pub(super) fn trace(world: &World) -> Value {
    json!({ "trace": world.trace() })
}

/// Starts a trace; a running one starts over.
pub(super) fn start_trace(world: &World) -> Value {
    world.lock().trace.start(false);
    trace(world)
}

pub(super) fn stop_trace(world: &World) -> Value {
    json!({ "trace": world.lock().trace.stop() })
}

/// The whole world, object contents and messages left out.
pub(super) fn world(world: &World) -> Value {
    let now = world.now();
    let mut state = world.lock();
    let queues = sqs::overview(&mut state, now);
    json!({
        "now": now,
        "seed": state.settings.seed,
        "places": places(&state),
        "images": images(&state),
        "store_tasks": store_tasks(&state, now),
        "buckets": buckets(&state),
        "queues": queues,
        "keys": kms::overview(&state),
        "calls": counted(&state.calls),
        "not_implemented": counted(&state.unimplemented),
        "mishaps": state.mishaps,
    })
}

/// Accounts and Regions in which something is.
fn places(state: &State) -> Value {
    let mut places = std::collections::BTreeMap::<_, std::collections::BTreeSet<_>>::new();
    let sites = state.ec2.keys().chain(state.sqs.keys()).chain(state.kms.keys());
    for (account, region) in sites.chain(state.events.keys()) {
        places.entry(account).or_default().insert(region);
    }
    for bucket in state.s3.all() {
        places.entry(&bucket.owner).or_default().insert(&bucket.region);
    }
    json!(places)
}

fn images(state: &State) -> Value {
    let images = state.ec2.iter().flat_map(|((account, region), site)| {
        site.images.values().map(move |image| {
            json!({
                "account": account,
                "region": region,
                "id": image.id,
                "name": image.name,
                "state": image.state.as_str(),
                "gib": image.size_gib(),
                "created": image.created,
            })
        })
    });
    images.collect()
}

fn store_tasks(state: &State, now: jiff::Timestamp) -> Value {
    let tasks = state.ec2.iter().flat_map(|((account, region), site)| {
        site.store_tasks.values().map(move |task| {
            json!({
                "account": account,
                "region": region,
                "image": task.image,
                "bucket": task.bucket,
                "key": task.key,
                "state": task.state.as_str(),
                "progress": task.progress(now),
                "ends": task.ends,
            })
        })
    });
    tasks.collect()
}

fn buckets(state: &State) -> Value {
    let buckets = state.s3.all().map(|bucket| {
        let objects = bucket.all_versions().filter(|(key, _)| bucket.has(key)).count();
        let versions: usize = bucket.all_versions().map(|(_, versions)| versions.len()).sum();
        json!({
            "name": bucket.name,
            "account": bucket.owner,
            "region": bucket.region,
            "objects": objects,
            "versions": versions,
            "uploads": bucket.upload_count(),
        })
    });
    buckets.collect()
}

fn counted(calls: &std::collections::BTreeMap<(&'static str, String), u64>) -> Value {
    let calls = calls
        .iter()
        .map(|((service, operation), times)| (format!("{service}:{operation}"), json!(times)));
    Value::Object(calls.collect())
}

//! Two of each worker, replaced one after another under a stream of images, as an upgrade does: nothing is
//! lost, next to nothing is done twice, and files of the first form lie beside those of this version.

use std::collections::BTreeSet;
use std::time::Duration;

use amiferry_audit::inventory::State;
use amiferry_core::ids::ImageId;
use amiferry_core::span::Span;
use amiferry_service::stop::Ended;
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3;
use amiferry_simulator::s3::object::VersionKind;
use jiff::SignedDuration;
use serde_json::Value;

use crate::replicas::{at_real_size, distance};
use crate::stage::images::But;
use crate::stage::wire::Call;
use crate::stage::{Options, Role, Stage, hours, run_test, spec, truth};

/// One place of a worker, with the names of those that take it in turn.
struct Place {
    role: Role,
    names: [&'static str; 2],
}

const PLACES: [Place; 4] = [
    Place { role: Role::Source, names: ["source-1", "source-1-next"] },
    Place { role: Role::Target, names: ["target-1", "target-1-next"] },
    Place { role: Role::Source, names: ["source-2", "source-2-next"] },
    Place { role: Role::Target, names: ["target-2", "target-2-next"] },
];

/// How one worker is replaced by the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The next is there first, as in a cluster.
    StartFirst,
    /// The former ends first, as on a machine of one's own.
    StopFirst,
}

/// Sizes of volumes in GiB: copies of a moment, and copies that a replacement interrupts.
const SIZES: [u32; 6] = [2, 90, 8, 1, 30, 4];

/// How many images come, and after how many the next place is replaced: each twice.
const IMAGES: usize = 48;
const EVERY: usize = 6;

/// The next image of the stream. One of four is for a sweep to find.
fn arrives(stage: &mut Stage, n: usize) {
    let workload = if n.is_multiple_of(2) { "web" } else { "analytics" };
    let spec = spec(workload, &format!("{workload}-{n}"), &[SIZES[n % SIZES.len()]]);
    stage.image(if n % 4 == 3 { spec.unannounced() } else { spec });
}

fn start(stage: &mut Stage, role: Role, name: &'static str) {
    let clock = stage.clock();
    stage.start_as(role, name, clock);
}

/// Lets time pass until this worker is in the middle of its work, for ten minutes at most; whether it is.
async fn is_busy(stage: &Stage, who: &str) -> bool {
    for _ in 0..10 * 60 * 5 {
        let now = stage.world.now();
        let acts = |call: &Call| {
            let is_work =
                ["UploadPartCopy", "CreateStoreImageTask"].contains(&call.operation.as_str());
            call.who == who && is_work && now.duration_since(call.at) < SignedDuration::from_secs(1)
        };
        if stage.wire.read(|calls| calls.iter().rev().take(200).any(acts)) {
            return true;
        }
        stage.pass(Duration::from_millis(200)).await;
    }
    false
}

/// Replaces the worker of a place for the `times`th time, and says how the former one ended.
async fn replace(stage: &mut Stage, place: &Place, times: usize, way: Way) -> Ended {
    let [former, next] = [place.names[(times + 1) % 2], place.names[times % 2]];
    if way == Way::StartFirst {
        start(stage, place.role, next);
    }
    let ended = stage.stop_named(former).await;
    if way == Way::StopFirst {
        start(stage, place.role, next);
    }
    ended
}

/// What is left of a file where its first form has a field of the same name; of tags, all.
fn in_first_form(file: &mut Value, first: &Value) {
    match (file, first) {
        (Value::Object(fields), Value::Object(known)) => {
            fields.retain(|name, _| known.contains_key(name));
            for (name, field) in fields.iter_mut().filter(|(name, _)| *name != "tags") {
                in_first_form(field, &known[name]);
            }
        }
        (Value::Array(items), Value::Array(known)) => {
            if let Some(first) = known.first() {
                items.iter_mut().for_each(|item| in_first_form(item, first));
            }
        }
        _ => {}
    }
}

const FIRST: &str =
    include_str!("../../../crates/core/src/manifest/fixtures/manifest-1-first.json");

/// Makes the manifest of an image one that the first version would have written.
fn age(stage: &Stage, id: &ImageId) {
    let key = truth::vault_key(stage, id, "manifest.json");
    let now = stage.world.now();
    let mut state = stage.world.lock();
    let written = state.s3.bucket(VAULT_BUCKET).unwrap().latest(&key).unwrap().clone();
    let object = written.object().unwrap();
    let mut manifest: Value = serde_json::from_slice(&object.content.to_bytes()).unwrap();
    let fields = |manifest: &Value| manifest.to_string().matches("\":").count();
    let before = fields(&manifest);
    in_first_form(&mut manifest, &serde_json::from_str(FIRST).unwrap());
    assert!(fields(&manifest) < before, "nothing is younger than the first form: {manifest:#}");
    s3::put(&mut state, now, VAULT_BUCKET, &key, serde_json::to_vec_pretty(&manifest).unwrap())
        .unwrap();
    let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
    bucket.remove(&key, &written.id);
    let aged = bucket.version_mut(&key, None).unwrap();
    aged.at = written.at;
    let VersionKind::Object(aged) = &mut aged.kind else { panic!("a marker under {key}") };
    aged.attributes = object.attributes.clone();
}

/// A parameter of a call of EC2, or of the query of one of S3.
fn parameter(call: &Call, name: &str) -> String {
    let mut pairs = call.text.split(['?', '&', ' ', '\n']);
    let found = pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {}", call.text)).to_owned()
}

fn path(call: &Call) -> String {
    call.text.split(['?', ' ', '\n']).next().unwrap_or_default().to_owned()
}

/// An effect that costs time or money, and what makes two calls of it the same work.
struct Work {
    operation: &'static str,
    same: fn(&Call) -> String,
}

const WORK: [Work; 5] = [
    Work { operation: "CreateStoreImageTask", same: |call| parameter(call, "ImageId") },
    Work {
        operation: "UploadPartCopy",
        same: |call| format!("{} {}", path(call), parameter(call, "partNumber")),
    },
    Work { operation: "CompleteMultipartUpload", same: path },
    Work { operation: "CreateRestoreImageTask", same: |call| parameter(call, "Name") },
    Work { operation: "PutObject", same: path },
];

/// How many calls of some work AWS got, how many it did, and how many different ones it did.
fn counts(stage: &Stage, work: &Work) -> [usize; 3] {
    let calls = stage.wire.calls(work.operation);
    let calls: Vec<&Call> = calls
        .iter()
        .filter(|call| work.operation != "PutObject" || call.text.contains("manifest.json"))
        .collect();
    let done: Vec<&&Call> = calls.iter().filter(|call| call.succeeded()).collect();
    let different: BTreeSet<String> = done.iter().map(|call| (work.same)(call)).collect();
    [calls.len(), done.len(), different.len()]
}

fn rolled(options: Options, way: Way) {
    run_test(options, async |stage| {
        stage.world.faults().install(distance()).unwrap();
        for place in &PLACES {
            start(stage, place.role, place.names[0]);
        }
        let mut aged: BTreeSet<ImageId> = BTreeSet::new();
        let (mut busy, mut cut_short) = (0, 0);
        for n in 0..IMAGES {
            arrives(stage, n);
            stage.pass(Duration::from_secs(10)).await;
            if n % EVERY == EVERY - 1 {
                let turn = n / EVERY;
                let (place, times) = (&PLACES[turn % PLACES.len()], turn / PLACES.len() + 1);
                busy += usize::from(is_busy(stage, place.names[(times + 1) % 2]).await);
                // What the former version recorded, before the next one looks at it.
                for (id, _) in truth::recorded(stage) {
                    if aged.insert(id.clone()) {
                        age(stage, &id);
                    }
                }
                match replace(stage, place, times, way).await {
                    Ended::Drained => {}
                    Ended::GraceExceeded(dropped) => cut_short += dropped,
                    ended => panic!("{ended:?}"),
                }
            }
        }
        stage.complete_within(hours(24)).await;

        eprintln!("{busy} workers were busy, {cut_short} effects cut short, {} aged", aged.len());
        assert!(busy * EVERY * 2 >= IMAGES, "{busy} of {} were busy", IMAGES / EVERY);
        let brief = stage.config.workers.grace.duration() < Duration::from_secs(5);
        assert!(!brief || cut_short > 0, "no effect was cut short");
        assert!(aged.len() * 4 >= IMAGES, "only {} manifests are of the first form", aged.len());
        assert!(aged.len() < IMAGES, "every manifest is of the first form");
        let report = stage.report().await;
        let points = &report.recovery_points;
        assert_eq!(points.len(), IMAGES);
        assert!(points.iter().all(|point| point.state == State::Complete), "{points:#?}");

        let mut all = [0; 3];
        for work in &WORK {
            let [sent, done, different] = counts(stage, work);
            eprintln!("{}: {sent} sent, {done} done, {different} different", work.operation);
            assert!(different >= IMAGES / 2, "{}: {different}", work.operation);
            if work.operation != "UploadPartCopy" {
                assert_eq!(done, different, "{} did something twice", work.operation);
            }
            all = [all[0] + sent, all[1] + done, all[2] + different];
        }
        let [sent, done, different] = all;
        let (again, in_vain) = (done - different, sent - done);
        assert!(again * 100 <= different, "{again} again of {different}");
        assert!(in_vain * 100 <= sent, "{in_vain} in vain of {sent}");
    });
}

#[test]
fn two_of_each_worker_replaced_one_by_one_under_a_stream_lose_nothing_and_repeat_next_to_nothing() {
    rolled(at_real_size(0), Way::StartFirst);
    rolled(at_real_size(1), Way::StopFirst);
}

#[test]
fn workers_that_are_cut_short_in_their_copies_leave_them_to_the_others() {
    let mut options = at_real_size(2);
    options.configure = |config| {
        config.workers.part_size_mib = None;
        config.workers.grace = Span::from_secs(1);
    };
    rolled(options, Way::StartFirst);
}

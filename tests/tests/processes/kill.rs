//! Workers that are killed at any moment and started again: everything completes, nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::support::image::text;
use crate::support::simulator::{STAGING_BUCKET, VAULT_BUCKET};
use crate::support::{Account, Process, Role, Simulator, wait};

/// What the moments of the kills follow from.
const SEED: u64 = 20_260_301;

/// How often each worker is killed.
const KILLS: usize = 8;

/// The demo's images in tier `ready`, and all that can be protected.
pub const READY: usize = 8;
pub const ELIGIBLE: usize = 12;

#[test]
fn workers_killed_at_any_moment_complete_everything_exactly_once() {
    let Some(simulator) = Simulator::with_images() else { return };
    let config = simulator.config();
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut left = [(Role::Source, KILLS), (Role::Target, KILLS)];
    let mut workers: Vec<Process> =
        left.iter().map(|(role, _)| simulator.worker(*role, &config)).collect();
    while left.iter().any(|(_, kills)| *kills > 0) {
        wait::pause(Duration::from_millis(rng.u64(200..1_500)));
        let which = rng.usize(..2);
        let (role, kills) = &mut left[which];
        if *kills > 0 {
            *kills -= 1;
            let next = simulator.worker(*role, &config);
            std::mem::replace(&mut workers[which], next).kill9();
        }
    }
    let report = simulator.until_complete(ELIGIBLE);
    assert_everything_exactly_once(&simulator, &report, READY);
    for worker in workers {
        let ended = worker.terminate();
        assert_eq!(ended.status, 0, "{ended:#?}");
    }
}

/// What the vault has of an image.
const FILES: [&str; 3] = ["image.bin", "manifest.json", "source.json"];

/// One image per recovery point of tier `ready`, of which there are so many, one version of each object, a manifest for
/// each, and nothing half done.
pub fn assert_everything_exactly_once(simulator: &Simulator, report: &Value, ready_points: usize) {
    let points = report["recovery_points"].as_array().unwrap();
    let source = |point: &Value| text(&point["source_image_id"]);
    let ready: BTreeMap<String, String> = points
        .iter()
        .filter(|point| point["tier"] == "ready")
        .map(|point| (source(point), text(&point["restored_image_id"])))
        .collect();
    assert_eq!(ready.len(), ready_points);
    assert_eq!(images(simulator), ready, "source image and the one image it was restored as");

    let folder = |image: &String| format!("amiferry/111111111111/us-east-1/{image}");
    let all: BTreeSet<String> = points.iter().map(source).collect();
    let in_vault: BTreeSet<String> = all
        .iter()
        .flat_map(|image| FILES.map(|file| format!("{}/{file}", folder(image))))
        .collect();
    assert_eq!(versions(simulator, Account::Vault, VAULT_BUCKET), in_vault);
    let staged = |image: &String| {
        ["bin", "json"].map(|ending| format!("amiferry/us-east-1/{image}.{ending}"))
    };
    let staged = all.iter().flat_map(staged).collect();
    assert_eq!(versions(simulator, Account::Source, STAGING_BUCKET), staged);

    wait::until("no upload to be left", || uploads(simulator).is_empty().then_some(()));
}

/// The uploads to the vault that were neither completed nor aborted.
pub fn uploads(simulator: &Simulator) -> Vec<Value> {
    let list = ["s3api", "list-multipart-uploads", "--bucket", VAULT_BUCKET];
    simulator.aws(Account::Vault, &list)["Uploads"].as_array().cloned().unwrap_or_default()
}

/// The images in the vault that did not fail, by the source image that their tag names.
fn images(simulator: &Simulator) -> BTreeMap<String, String> {
    let found = simulator.aws(Account::Vault, &["ec2", "describe-images", "--owners", "self"]);
    let mut images = BTreeMap::new();
    for image in found["Images"].as_array().unwrap() {
        if image["State"] == "failed" {
            continue;
        }
        let tags = image["Tags"].as_array().unwrap();
        let tag = tags.iter().find(|tag| tag["Key"] == "amiferry:source-image").unwrap();
        let second = images.insert(text(&tag["Value"]), text(&image["ImageId"]));
        assert_eq!(second, None, "two images of one recovery point: {found:#}");
    }
    images
}

/// The keys of a bucket, each of which has one version and no delete marker.
fn versions(simulator: &Simulator, account: Account, bucket: &str) -> BTreeSet<String> {
    let found = simulator.aws(account, &["s3api", "list-object-versions", "--bucket", bucket]);
    assert_eq!(found["DeleteMarkers"].as_array().map_or(0, Vec::len), 0, "{found:#}");
    let mut keys = BTreeSet::new();
    for version in found["Versions"].as_array().unwrap() {
        let key = text(&version["Key"]);
        assert!(keys.insert(key.clone()), "{key} was written twice: {found:#}");
    }
    keys
}

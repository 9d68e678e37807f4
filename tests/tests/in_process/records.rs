//! What was recorded cannot be changed from outside: neither through the living source image nor
//! through what lies beside the record.

use amiferry_audit::inventory::State;
use amiferry_audit::report::{Report, Verdict};
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::stage::{Options, Role, Stage, hours, inventory, minutes, run_test, spec, truth};

/// What the worker and the audit say of an image; both must say the same.
async fn said(stage: &Stage, id: &ImageId) -> (Verdict, State, Code, String, String) {
    let audit = inventory::partial_report(stage).await.unwrap();
    let (shown, _) = stage.shown().unwrap();
    let of = |report: &Report| {
        let point = report.recovery_points.iter().find(|point| point.source_image_id == *id);
        let point = point.unwrap_or_else(|| panic!("{id} is not in {report:#?}"));
        (report.verdict(), point.state, point.code, point.policy.clone(), point.family.clone())
    };
    assert_eq!(of(&shown), of(&audit), "audit and worker");
    of(&audit)
}

/// Puts another manifest over the right one, made from it.
fn forge(stage: &Stage, id: &ImageId, change: impl FnOnce(&mut Value)) {
    let key = truth::vault_key(stage, id, "manifest.json");
    let now = stage.world.now();
    let mut state = stage.world.lock();
    let right = state.s3.bucket(VAULT_BUCKET).unwrap().latest(&key).unwrap();
    let bytes = right.object().unwrap().content.to_bytes();
    let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
    change(&mut manifest);
    s3::put(&mut state, now, VAULT_BUCKET, &key, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

/// The same, with nothing left of the right one.
pub fn replace(stage: &Stage, id: &ImageId, change: impl FnOnce(&mut Value)) {
    forge(stage, id, change);
    let key = truth::vault_key(stage, id, "manifest.json");
    let mut state = stage.world.lock();
    let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
    let first = bucket.versions(&key)[0].id.clone();
    bucket.remove(&key, &first);
}

type Forgery = (&'static str, fn(&Stage, &ImageId), Code);

const FORGERIES: &[Forgery] = &[
    (
        "garbage over it",
        |stage, id| {
            let (key, now) = (truth::vault_key(stage, id, "manifest.json"), stage.world.now());
            s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, &key, "<html>").unwrap();
        },
        Code::ManifestUnreadable,
    ),
    (
        "a newer version of the format",
        |stage, id| replace(stage, id, |manifest| manifest["schema_version"] = json!(99)),
        Code::ManifestUnreadable,
    ),
    (
        "hidden",
        |stage, id| {
            let (key, now) = (truth::vault_key(stage, id, "manifest.json"), stage.world.now());
            s3::hide(&mut stage.world.lock(), now, VAULT_BUCKET, &key).unwrap();
        },
        Code::ManifestUnreadable,
    ),
    ("the same again", |stage, id| forge(stage, id, |_| ()), Code::ManifestUnreadable),
    (
        "from the future",
        |stage, id| {
            replace(stage, id, |manifest| {
                manifest["source"]["created_at"] = json!("2099-01-01T00:00:00Z");
                manifest["completed_at"] = json!("2099-01-01T01:00:00Z");
            });
        },
        Code::ManifestUnreadable,
    ),
    (
        "of another family",
        |stage, id| replace(stage, id, |manifest| manifest["family"] = json!("web")),
        Code::ManifestMismatch,
    ),
    (
        "of an easier policy",
        |stage, id| replace(stage, id, |manifest| manifest["policy"] = json!("silver")),
        Code::ManifestMismatch,
    ),
    (
        "of a younger image",
        |stage, id| {
            replace(stage, id, |manifest| {
                let completed = manifest["completed_at"].clone();
                manifest["source"]["created_at"] = completed;
            });
        },
        Code::ManifestMismatch,
    ),
    (
        "of another size",
        |stage, id| replace(stage, id, |manifest| manifest["vault_object"]["size"] = json!(7)),
        Code::ManifestMismatch,
    ),
    (
        "over a mebibyte",
        |stage, id| {
            let (key, now) = (truth::vault_key(stage, id, "manifest.json"), stage.world.now());
            s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, &key, vec![b' '; (1 << 20) + 1])
                .unwrap();
        },
        Code::ManifestUnreadable,
    ),
];

#[test]
fn a_manifest_that_is_not_the_recorded_one_is_tampering_with_or_without_its_source_image() {
    for (name, forge, code) in FORGERIES {
        for is_gone in [false, true] {
            run_test(Options::default(), async |stage| {
                let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
                stage.start_both();
                stage.complete_within(hours(1)).await;
                if is_gone {
                    stage.deregister(&id, true);
                }
                forge(stage, &id);
                stage.pass(minutes(20)).await;
                let (verdict, state, says, ..) = said(stage, &id).await;
                let expected = (Verdict::Lost, State::Tampered, *code);
                assert_eq!((verdict, state, says), expected, "{name}, source gone: {is_gone}");
                // Nor does a new process that knows nothing of before take it for something else.
                stage.kill(Role::Target);
                stage.start(Role::Target);
                stage.pass(minutes(10)).await;
                let (verdict, state, says, ..) = said(stage, &id).await;
                assert_eq!((verdict, state, says), expected, "{name}, after a restart");
            });
        }
    }
}

#[test]
fn what_the_living_image_says_after_the_record_moves_nothing_and_is_a_finding() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let (_, _, _, policy, family) = said(stage, &id).await;
        let tags = [("workload".to_owned(), "web".to_owned())];
        stage.retag(&id, tags.into_iter().collect());
        stage.pass(hours(1)).await;
        let (verdict, state, code, ..) = said(stage, &id).await;
        assert_eq!((verdict, state, code), (Verdict::Kept, State::Complete, Code::Complete));
        let (shown, html) = stage.shown().unwrap();
        let point = &shown.recovery_points[0];
        assert_eq!((&point.policy, &point.family), (&policy, &family));
        assert!(point.detail.contains("says family"), "{}", point.detail);
        assert!(html.contains("no longer matches its record"), "{html}");
        // Its old RPO breaks, whatever an easier policy would say.
        stage.pass(hours(30)).await;
        assert_eq!(said(stage, &id).await.0, Verdict::Breached);
    });
}

#[test]
fn an_image_of_the_future_is_not_recorded_and_keeps_no_promise() {
    run_test(Options::default(), async |stage| {
        let mut spec = spec("orders-db", "orders-db-1", &[8]);
        spec.created = Some(stage.world.now() + SignedDuration::from_hours(24 * 365));
        let id = stage.image(spec);
        stage.start_both();
        stage.until_parked(Role::Target, Code::CreatedInFuture, hours(2)).await;
        let (verdict, state, code, ..) = said(stage, &id).await;
        assert_eq!((state, code), (State::Parked, Code::CreatedInFuture));
        assert_eq!(verdict, Verdict::Breached);
        assert!(!truth::is_recorded(stage, &id));
    });
}

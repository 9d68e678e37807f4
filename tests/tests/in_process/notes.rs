//! Images that their source no longer shows: what was noted of them before finishes their copies, and
//! a note that cannot be believed finishes nothing.

use amiferry_audit::inventory::State;
use amiferry_audit::report::{Report, Verdict};
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::restore::{RestoreRequest, begin};
use amiferry_simulator::faults::{FaultPlan, Outage};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::principal::Principal;
use amiferry_simulator::s3;
use amiferry_simulator::sqs;
use serde_json::{Value, json};

use crate::restores::lose_object;
use crate::stage::story::{lines, text};
use crate::stage::{
    Fault, Mishap, Options, Role, Stage, hours, inventory, minutes, run_test, spec, truth,
};

fn note_key(stage: &Stage, id: &ImageId) -> String {
    truth::staged_key(stage, id).replace(".bin", ".json")
}

/// The source does not answer any more, neither its EC2 nor its S3.
fn silence(stage: &mut Stage) {
    stage.kill(Role::Source);
    let region = stage.landscape.source.1.clone();
    let outage = Outage::of_region(region);
    stage.world.faults().install(FaultPlan::new().outage(outage)).unwrap();
}

/// An image that is staged, and no source worker.
async fn staged(stage: &mut Stage, workload: &str) -> ImageId {
    let id = stage.image(spec(workload, &format!("{workload}-1"), &[8]));
    stage.start(Role::Source);
    stage.until_staged(&id).await;
    stage.pass(minutes(1)).await;
    stage.kill(Role::Source);
    id
}

/// The same, copied into the vault by a target worker that then died.
async fn copied(stage: &mut Stage, workload: &str) -> ImageId {
    let id = staged(stage, workload).await;
    let dies = Fault::first("CompleteMultipartUpload", Mishap::DiesAnswered);
    stage.wire.upset(Role::Target.as_str(), dies);
    stage.start(Role::Target);
    stage.until("the copy is made", hours(1), |stage| stage.is_copied(&id)).await;
    stage.kill(Role::Target);
    assert!(!truth::is_recorded(stage, &id), "it died before the record");
    id
}

async fn until_recorded(stage: &Stage, id: &ImageId) {
    stage.until("it is recorded", hours(2), |stage| truth::is_recorded(stage, id)).await;
    assert!(truth::missing(stage, id).is_empty(), "{:?}", truth::missing(stage, id));
}

/// Why the record says that its image was not seen, and who described it.
fn unseen(stage: &Stage, id: &ImageId) -> Value {
    let manifest: Value = serde_json::from_str(&truth::manifest(stage, id).unwrap()).unwrap();
    manifest["source"]["unseen"].clone()
}

/// How often what was noted of images was read.
fn notes_read(stage: &Stage, id: &ImageId) -> usize {
    let notes = [truth::vault_key(stage, id, "source.json"), note_key(stage, id)];
    let read = stage.wire.calls("GetObject").into_iter();
    read.filter(|call| notes.iter().any(|key| call.text.contains(key))).count()
}

/// Puts a delete marker over the note that the source left.
fn hide_note(stage: &Stage, id: &ImageId) {
    let (key, now) = (note_key(stage, id), stage.world.now());
    s3::hide(&mut stage.world.lock(), now, STAGING_BUCKET, &key).unwrap();
}

/// Puts another note over the one that the source left, made from it.
fn forge(stage: &Stage, id: &ImageId, change: impl FnOnce(&mut Value)) {
    let key = note_key(stage, id);
    let now = stage.world.now();
    let mut state = stage.world.lock();
    let left = state.s3.bucket(STAGING_BUCKET).unwrap().latest(&key).unwrap();
    let mut note: Value =
        serde_json::from_slice(&left.object().unwrap().content.to_bytes()).unwrap();
    change(&mut note);
    s3::put(&mut state, now, STAGING_BUCKET, &key, serde_json::to_vec(&note).unwrap()).unwrap();
}

#[test]
fn a_source_that_falls_silent_right_after_the_copy_keeps_nothing_from_becoming_complete() {
    for workload in ["orders-db", "analytics"] {
        run_test(Options::default(), async |stage| {
            let id = copied(stage, workload).await;
            silence(stage);
            stage.start(Role::Target);
            until_recorded(stage, &id).await;
            let expected = json!({ "why": "not_asked", "told_by": "vault" });
            assert_eq!(unseen(stage, &id), expected, "{workload}");
            let report = inventory::partial_report(stage).await.unwrap();
            assert_eq!(report.recovery_points[0].code, Code::Complete, "{report:#?}");
            assert_eq!(report.verdict(), Verdict::Partial, "the source is not assessed");
        });
    }
}

#[test]
fn an_image_that_is_deregistered_after_its_copy_is_restored_compared_and_recorded() {
    for workload in ["orders-db", "analytics"] {
        run_test(Options::default(), async |stage| {
            let id = copied(stage, workload).await;
            stage.deregister(&id, true);
            stage.start_both();
            stage.complete_within(hours(2)).await;
            assert_eq!(unseen(stage, &id), json!({ "why": "gone", "told_by": "vault" }));
        });
    }
}

#[test]
fn an_image_that_is_deregistered_between_store_and_copy_is_copied_and_recorded_by_its_sources_note()
{
    for workload in ["orders-db", "analytics"] {
        run_test(Options::default(), async |stage| {
            let id = staged(stage, workload).await;
            stage.deregister(&id, true);
            stage.start_both();
            until_recorded(stage, &id).await;
            assert_eq!(unseen(stage, &id), json!({ "why": "gone", "told_by": "source" }));
            stage.complete_within(hours(1)).await;
        });
    }
}

#[test]
fn a_sweep_finds_what_is_staged_of_an_image_that_is_gone_although_its_message_is_lost() {
    run_test(Options::default(), async |stage| {
        let id = staged(stage, "orders-db").await;
        stage.deregister(&id, true);
        let (queue, now) = (stage.queue(Role::Target), stage.world.now());
        assert!(sqs::purge(&mut stage.world.lock(), now, &queue));
        stage.start(Role::Target);
        until_recorded(stage, &id).await;
        assert_eq!(unseen(stage, &id), json!({ "why": "gone", "told_by": "source" }));
    });
}

#[test]
fn a_sweep_finds_an_image_that_is_gone_by_its_staged_object_although_its_note_is_hidden() {
    let lost = ("lost", Code::ImageGone);
    for (note, code) in [lost, ("hidden", Code::NoteUnusable)] {
        run_test(Options { kept: true, ..Options::default() }, async |stage| {
            let id = staged(stage, "orders-db").await;
            stage.deregister(&id, true);
            match note {
                "lost" => lose_object(stage, STAGING_BUCKET, &note_key(stage, &id)),
                _ => hide_note(stage, &id),
            }
            let (queue, now) = (stage.queue(Role::Target), stage.world.now());
            assert!(sqs::purge(&mut stage.world.lock(), now, &queue));
            stage.start(Role::Target);
            stage.pass(hours(1)).await;
            assert!(ended_as(stage, &id, code), "{note}: {:#?}", lines(stage));
            let report = inventory::report(stage).await.unwrap();
            let left: Vec<_> = report.rejected.iter().map(|left| left.code).collect();
            assert_eq!(left, [code], "{note}: worker and report agree");
        });
    }
}

#[test]
fn a_second_version_of_the_vaults_note_is_tampering_until_it_is_deleted_and_costs_no_call() {
    run_test(Options::default(), async |stage| {
        let id = copied(stage, "orders-db").await;
        let (key, now) = (truth::vault_key(stage, &id, "source.json"), stage.world.now());
        s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, &key, "{}").unwrap();
        stage.deregister(&id, true);
        stage.start(Role::Target);
        let is_tampered = |stage: &Stage| {
            let Some((report, _)) = stage.shown() else { return false };
            let mut points = report.recovery_points.iter();
            points.any(|point| (point.state, point.code) == (State::Tampered, Code::NoteRewritten))
        };
        stage.until("it is tampered with", hours(1), is_tampered).await;
        let report = inventory::partial_report(stage).await.unwrap();
        assert_eq!(report.verdict(), Verdict::Lost, "{report:#?}");
        stage.pass(hours(1)).await;
        assert_eq!(notes_read(stage, &id), 0, "the walk over the vault told it");
        let mut state = stage.world.lock();
        let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
        let later = bucket.latest(&key).unwrap().id.clone();
        bucket.remove(&key, &later);
        drop(state);
        until_recorded(stage, &id).await;
        assert_eq!(unseen(stage, &id), json!({ "why": "gone", "told_by": "vault" }));
    });
}

#[test]
fn a_delete_marker_over_the_vaults_note_is_tampering_for_worker_and_report_until_it_is_deleted() {
    run_test(Options::default(), async |stage| {
        let id = copied(stage, "orders-db").await;
        let (key, now) = (truth::vault_key(stage, &id, "source.json"), stage.world.now());
        s3::hide(&mut stage.world.lock(), now, VAULT_BUCKET, &key).unwrap();
        stage.deregister(&id, true);
        let is_tampered = |report: &Report| {
            let mut points = report.recovery_points.iter();
            points.any(|point| (point.state, point.code) == (State::Tampered, Code::NoteRewritten))
        };
        let report = inventory::partial_report(stage).await.unwrap();
        assert!(is_tampered(&report) && report.verdict() == Verdict::Lost, "{report:#?}");
        stage.start(Role::Target);
        let shown = |stage: &Stage| stage.shown().is_some_and(|(report, _)| is_tampered(&report));
        stage.until("it is tampered with", hours(1), shown).await;
        stage.pass(hours(1)).await;
        assert!(!truth::is_recorded(stage, &id));
        let mut state = stage.world.lock();
        let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
        let marker = bucket.latest(&key).unwrap().id.clone();
        bucket.remove(&key, &marker);
        drop(state);
        until_recorded(stage, &id).await;
        assert_eq!(unseen(stage, &id), json!({ "why": "gone", "told_by": "vault" }));
    });
}

#[test]
fn while_the_source_shows_its_images_no_note_is_read() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.pass(hours(2)).await;
        assert_eq!(unseen(stage, &id), Value::Null);
        assert_eq!(notes_read(stage, &id), 0);
    });
}

type Forgery = (&'static str, fn(&Stage, &ImageId), Code);

const FORGERIES: &[Forgery] = &[
    (
        "garbage",
        |stage, id| {
            let (key, now) = (note_key(stage, id), stage.world.now());
            s3::put(&mut stage.world.lock(), now, STAGING_BUCKET, &key, "<html>").unwrap();
        },
        Code::NoteUnusable,
    ),
    (
        "larger than any note",
        |stage, id| {
            let (key, now) = (note_key(stage, id), stage.world.now());
            let long = vec![b' '; (1 << 18) + 1];
            s3::put(&mut stage.world.lock(), now, STAGING_BUCKET, &key, long).unwrap();
        },
        Code::NoteUnusable,
    ),
    (
        "of a newer format",
        |stage, id| forge(stage, id, |note| note["schema_version"] = json!(9)),
        Code::NoteUnusable,
    ),
    (
        "of another image",
        |stage, id| {
            forge(stage, id, |note| note["source_image_id"] = json!("ami-0123456789abcdef0"));
        },
        Code::NoteUnusable,
    ),
    (
        "of another account's image",
        |stage, id| forge(stage, id, |note| note["source_account"] = json!("999999999999")),
        Code::NoteUnusable,
    ),
    (
        "of a policy that does not select it",
        |stage, id| forge(stage, id, |note| note["policy"] = json!("silver")),
        Code::NoteUnusable,
    ),
    (
        "of another family",
        |stage, id| forge(stage, id, |note| note["family"] = json!("web")),
        Code::NoteUnusable,
    ),
    (
        "of an image younger than its staged object",
        |stage, id| {
            forge(stage, id, |note| note["source"]["created_at"] = json!("2099-01-01T00:00:00Z"));
        },
        Code::NoteUnusable,
    ),
    (
        "of an image without end",
        |stage, id| forge(stage, id, |note| note["source"]["size_gib"] = json!(u64::MAX)),
        Code::NoteUnusable,
    ),
    ("lost", |stage, id| lose_object(stage, STAGING_BUCKET, &note_key(stage, id)), Code::ImageGone),
    ("hidden by a delete marker", hide_note, Code::NoteUnusable),
];

#[test]
fn a_note_of_the_source_that_cannot_be_believed_copies_and_records_nothing() {
    for (name, forge, code) in FORGERIES {
        run_test(Options { kept: true, ..Options::default() }, async |stage| {
            let id = staged(stage, "orders-db").await;
            forge(stage, &id);
            stage.deregister(&id, true);
            stage.start(Role::Target);
            stage.pass(hours(1)).await;
            let bucket_has = |file: &str| {
                let key = truth::vault_key(stage, &id, file);
                stage.world.lock().s3.bucket(VAULT_BUCKET).unwrap().has(&key)
            };
            for file in ["image.bin", "source.json", "manifest.json"] {
                assert!(!bucket_has(file), "{name}: {file}");
            }
            assert!(ended_as(stage, &id, *code), "{name}: {:#?}", lines(stage));
        });
    }
}

/// Whether the log says that the work on an image ended for a reason.
fn ended_as(stage: &Stage, id: &ImageId, code: Code) -> bool {
    lines(stage).iter().any(|line| {
        text(line, "amiferry.reason") == code.as_str()
            && text(line, "amiferry.image.id") == id.as_str()
    })
}

#[test]
fn a_note_that_contradicts_the_restored_image_is_not_recorded() {
    run_test(Options::default(), async |stage| {
        let id = staged(stage, "orders-db").await;
        forge(stage, &id, |note| note["source"]["shape"]["architecture"] = json!("arm64"));
        stage.deregister(&id, true);
        stage.start(Role::Target);
        stage.until_parked(Role::Target, Code::MetadataMismatch, hours(2)).await;
        assert!(!truth::is_recorded(stage, &id));
    });
}

#[test]
fn a_note_of_the_vault_that_is_lost_or_garbage_is_replaced_by_that_of_the_source() {
    for garbage in [false, true] {
        run_test(Options::default(), async |stage| {
            let id = copied(stage, "orders-db").await;
            let key = truth::vault_key(stage, &id, "source.json");
            lose_object(stage, VAULT_BUCKET, &key);
            if garbage {
                let now = stage.world.now();
                s3::put(&mut stage.world.lock(), now, VAULT_BUCKET, &key, "<html>").unwrap();
            }
            stage.deregister(&id, true);
            stage.start(Role::Target);
            until_recorded(stage, &id).await;
            assert_eq!(unseen(stage, &id), json!({ "why": "gone", "told_by": "source" }));
        });
    }
}

#[test]
fn an_image_whose_note_is_unusable_is_protected_once_its_staged_object_is_restored_and_tagged() {
    run_test(Options::default(), async |stage| {
        let id = staged(stage, "orders-db").await;
        let (key, now) = (note_key(stage, &id), stage.world.now());
        s3::put(&mut stage.world.lock(), now, STAGING_BUCKET, &key, "<html>").unwrap();
        stage.deregister(&id, true);
        stage.start_both();
        stage.pass(minutes(30)).await;
        assert!(!truth::is_recorded(stage, &id));
        // The remedy.
        let place = stage.landscape.source.clone();
        let staged_key = truth::staged_key(stage, &id);
        let tags = [("workload".to_owned(), "orders-db".to_owned())];
        let request = RestoreRequest {
            bucket: STAGING_BUCKET,
            key: &staged_key,
            name: Some("orders-db-again"),
            image_tags: tags.into_iter().collect(),
            snapshot_tags: Default::default(),
        };
        let caller = Principal::root(place.0.clone());
        let now = stage.world.now();
        let again = begin(&mut stage.world.lock(), now, (&place, &caller), request).unwrap();
        stage.until("it is recorded", hours(3), |stage| truth::is_recorded(stage, &again)).await;
    });
}

//! What was complete and is not any more is red at once, everywhere: page, report, audit, metric.
//! What can be mended is complete again once it is.

use amiferry_audit::inventory::State;
use amiferry_audit::report::Verdict;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::lifecycle::{self, Sharing};
use amiferry_simulator::kms::{self, KeyState};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3;
use amiferry_simulator::s3::storage_class::StorageClass;

use crate::restores::lose_object;
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// The restored image of a source image.
fn copy_of(stage: &Stage, id: &ImageId) -> ImageId {
    truth::restored(stage, id).pop().unwrap().id
}

/// Changes the newest version of a file of an image in the vault.
fn change(stage: &Stage, id: &ImageId, file: &str, change: impl FnOnce(&mut s3::object::Object)) {
    let key = truth::vault_key(stage, id, file);
    let mut state = stage.world.lock();
    let version = state.s3.bucket_mut(VAULT_BUCKET).unwrap().version_mut(&key, None).unwrap();
    let s3::object::VersionKind::Object(object) = &mut version.kind else { panic!("a marker") };
    change(object);
}

/// Hides a file of an image in the vault behind a delete marker.
fn hide(stage: &Stage, id: &ImageId, file: &str) {
    let (key, now) = (truth::vault_key(stage, id, file), stage.world.now());
    s3::hide(&mut stage.world.lock(), now, VAULT_BUCKET, &key).unwrap();
}

/// Removes the newest version of a file of an image in the vault for good.
fn remove_newest(stage: &Stage, id: &ImageId, file: &str) {
    let key = truth::vault_key(stage, id, file);
    let mut state = stage.world.lock();
    let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
    let newest = bucket.latest(&key).unwrap().id.clone();
    bucket.remove(&key, &newest);
}

fn set_key(stage: &Stage, to: KeyState) {
    kms::set_key_state(&mut stage.world.lock(), &stage.landscape.vault_key, to).unwrap();
}

/// With whom the restored image is shared: with a stranger, or not at all.
fn share(stage: &Stage, id: &ImageId, with_stranger: bool) {
    let (copy, mut stranger) = (copy_of(stage, id), Sharing::default());
    stranger.add_account("333333333333").unwrap();
    let (add, remove) = match with_stranger {
        true => (stranger, Sharing::default()),
        false => (Sharing::default(), stranger),
    };
    let place = &stage.landscape.vault;
    lifecycle::share(&mut stage.world.lock(), place, &copy, &add, &remove).unwrap();
}

fn retag(stage: &Stage, id: &ImageId, value: &str) {
    let copy = copy_of(stage, id);
    let mut state = stage.world.lock();
    let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
    let image = site.images.get_mut(&copy).unwrap();
    image.tags.insert("workload".to_owned(), value.to_owned());
}

fn deregister_copy(stage: &Stage, id: &ImageId) {
    let (copy, now) = (copy_of(stage, id), stage.world.now());
    let (mut state, place) = (stage.world.lock(), &stage.landscape.vault);
    lifecycle::unprotect(&mut state, now, place, &copy).unwrap();
    lifecycle::deregister(&mut state, now, place, &copy, false).unwrap();
}

/// The source image is deregistered, and its staged object expires.
fn lose_source(stage: &Stage, id: &ImageId) {
    let (now, place) = (stage.world.now(), &stage.landscape.source);
    lifecycle::deregister(&mut stage.world.lock(), now, place, id, false).unwrap();
    lose_object(stage, STAGING_BUCKET, &truth::staged_key(stage, id));
}

/// Something that happens to a complete recovery point.
struct Harm {
    name: &'static str,
    state: State,
    code: Code,
    harm: fn(&Stage, &ImageId),
    /// Whether the source is gone, which could give the image once more.
    alone: bool,
    /// What undoes it, if anything can.
    mend: Option<fn(&Stage, &ImageId)>,
}

const HARMS: &[Harm] = &[
    Harm {
        name: "a delete marker hides the object",
        state: State::Lost,
        code: Code::ObjectLost,
        alone: true,
        harm: |stage, id| hide(stage, id, "image.bin"),
        mend: Some(|stage, id| remove_newest(stage, id, "image.bin")),
    },
    Harm {
        name: "the object is deleted",
        state: State::Lost,
        code: Code::ObjectLost,
        alone: true,
        harm: |stage, id| remove_newest(stage, id, "image.bin"),
        mend: None,
    },
    Harm {
        name: "the object is archived",
        state: State::Unusable,
        code: Code::ObjectArchived,
        alone: false,
        harm: |stage, id| {
            change(stage, id, "image.bin", |object| {
                object.attributes.storage_class = StorageClass::DeepArchive;
            });
        },
        mend: Some(|stage, id| {
            change(stage, id, "image.bin", |object| {
                object.attributes.storage_class = StorageClass::Standard;
            });
        }),
    },
    Harm {
        name: "the key is disabled",
        state: State::Unusable,
        code: Code::KeyUnusable,
        alone: false,
        harm: |stage, _| set_key(stage, KeyState::Disabled),
        mend: Some(|stage, _| set_key(stage, KeyState::Enabled)),
    },
    Harm {
        name: "the key is to be deleted",
        state: State::Unusable,
        code: Code::KeyUnusable,
        alone: false,
        harm: |stage, _| set_key(stage, KeyState::PendingDeletion),
        mend: Some(|stage, _| set_key(stage, KeyState::Enabled)),
    },
    Harm {
        name: "the restored image is shared with a stranger",
        state: State::Tampered,
        code: Code::Shared,
        alone: false,
        harm: |stage, id| share(stage, id, true),
        mend: Some(|stage, id| share(stage, id, false)),
    },
    Harm {
        name: "the restored image has another tag",
        state: State::Tampered,
        code: Code::MetadataMismatch,
        alone: false,
        harm: |stage, id| retag(stage, id, "other"),
        mend: Some(|stage, id| retag(stage, id, "orders-db")),
    },
];

/// What the page, the worker's report, the audit and the metric say of an image.
async fn said(stage: &Stage, id: &ImageId) -> (Verdict, State, Code) {
    let audit = crate::stage::inventory::partial_report(stage).await.unwrap();
    let (shown, html) = stage.shown().unwrap();
    let of = |report: &amiferry_audit::report::Report| {
        let point = report.recovery_points.iter().find(|point| point.source_image_id == *id);
        let point = point.unwrap_or_else(|| panic!("{id} is not in {report:#?}"));
        (report.verdict(), point.state, point.code)
    };
    let (verdict, state, code) = of(&shown);
    assert_eq!(of(&audit), (verdict, state, code), "audit and worker");
    assert_eq!(html.contains("not what was recorded any more"), verdict == Verdict::Lost, "{html}");
    let counted = format!(
        "amiferry_recovery_points_lost{{target_account=\"222222222222\",target_region=\"us-west-2\",state=\"{}\"}}",
        state.as_str()
    );
    if verdict == Verdict::Lost {
        assert!(html.contains(code.meaning()), "{html}");
        let metrics = stage.metrics();
        let line = metrics.lines().find(|line| line.starts_with(&counted));
        assert!(line.is_some_and(|line| line.ends_with(" 1")), "{counted}: {line:?}");
    }
    (verdict, state, code)
}

#[test]
fn what_was_complete_and_is_not_any_more_is_red_everywhere_until_it_is_mended() {
    for Harm { name, state, code, alone, harm, mend } in HARMS {
        run_test(Options::default(), async |stage| {
            let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
            stage.start_both();
            stage.complete_within(hours(1)).await;
            if *alone {
                lose_source(stage, &id);
            }
            stage.pass(minutes(20)).await;
            let well = said(stage, &id).await;
            assert_eq!(well, (Verdict::Kept, State::Complete, Code::Complete), "{name}");
            harm(stage, &id);
            stage.pass(minutes(20)).await;
            assert_eq!(said(stage, &id).await, (Verdict::Lost, *state, *code), "{name}");
            let Some(mend) = mend else { return };
            mend(stage, &id);
            stage.pass(minutes(20)).await;
            assert_eq!(said(stage, &id).await, well, "{name}, mended");
            assert!(*alone || truth::missing(stage, &id).is_empty());
        });
    }
}

#[test]
fn a_deregistered_copy_is_lost_until_another_one_is_recorded() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        lose_source(stage, &id);
        deregister_copy(stage, &id);
        let state = |stage: &Stage| {
            let (report, _) = stage.shown().unwrap();
            let point = report.recovery_points.iter().find(|point| point.source_image_id == id);
            point.unwrap().state
        };
        let mut seen = vec![State::Complete];
        for _ in 0..120 {
            stage.pass(minutes(1)).await;
            let now = state(stage);
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
        assert_eq!(seen, [State::Complete, State::Lost, State::Complete]);
    });
}

#[test]
fn protection_that_was_turned_off_is_tampering_until_the_worker_turns_it_on_again() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.kill(Role::Target);
        let (copy, now) = (copy_of(stage, &id), stage.world.now());
        let place = stage.landscape.vault.clone();
        lifecycle::unprotect(&mut stage.world.lock(), now, &place, &copy).unwrap();
        let report = stage.report().await;
        let point = &report.recovery_points[0];
        assert_eq!((point.state, point.code), (State::Tampered, Code::ImageUnprotected));
        assert_eq!(report.verdict(), Verdict::Lost);
        stage.start(Role::Target);
        stage.pass(minutes(10)).await;
        assert_eq!(stage.report().await.verdict(), Verdict::Kept);
    });
}

//! The locks of copies: of the policy's and the vault bucket's own, the stronger one.

use amiferry_core::ids::ImageId;
use amiferry_core::span::Span;
use amiferry_service::config::Config;
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3::lock::{DefaultRetention, LockMode, Period};

use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use amiferry_simulator::wire::scope::Service;

use crate::stage::{Options, Stage, hours, run_test, spec, truth};

fn set_default(stage: &Stage, mode: LockMode, days: u32) {
    let default = DefaultRetention { mode, period: Period::Days(days) };
    let mut state = stage.world.lock();
    state.s3.bucket_mut(VAULT_BUCKET).unwrap().object_lock = Some(Some(default));
}

/// For how many whole hours from now the copy and its manifest are locked.
fn hours_left(stage: &Stage, id: &ImageId) -> i64 {
    locks(stage, id).1
}

/// The modes of the copy and its manifest, and for how many whole hours from now both are locked.
fn locks(stage: &Stage, id: &ImageId) -> ([LockMode; 2], i64) {
    let (state, now) = (stage.world.lock(), stage.world.now());
    let bucket = state.s3.bucket(VAULT_BUCKET).unwrap();
    let lock = |file| {
        let version = bucket.latest(&truth::vault_key(stage, id, file)).unwrap();
        version.object().unwrap().retention.unwrap()
    };
    let locks = ["image.bin", "manifest.json"].map(lock);
    let until = locks.iter().map(|lock| lock.until).min().unwrap();
    (locks.map(|lock| lock.mode), until.duration_since(now).as_hours())
}

#[test]
fn a_policy_never_weakens_what_the_vault_bucket_gives_and_the_bucket_never_what_the_policy_asks() {
    use LockMode::{Compliance, Governance};
    // The policy asks for 35 days under governance.
    for (default, mode, least) in [
        ((Compliance, 90), Compliance, 89),
        ((Governance, 90), Governance, 89),
        ((Compliance, 1), Compliance, 34),
        ((Governance, 1), Governance, 34),
    ] {
        run_test(Options::default(), async |stage| {
            set_default(stage, default.0, default.1);
            let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
            stage.start_both();
            stage.complete_within(hours(1)).await;
            let (modes, hours) = locks(stage, &id);
            let days = hours / 24;
            assert_eq!(modes, [mode; 2], "{default:?}");
            assert!((least..=least + 1).contains(&days), "{days} days, {default:?}");
        });
    }
}

#[test]
fn the_lock_of_a_family_s_newest_copy_and_of_its_files_is_extended_and_no_other_is() {
    // Days pass quickly enough if there are few of them.
    let configure = |config: &mut Config| {
        config.workers.sweep_interval = Span::from_secs(3_600);
        for policy in &mut config.policies.0 {
            policy.retention = Some(Span::from_secs(30 * 3_600));
        }
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        stage.world.lock().s3.bucket_mut(VAULT_BUCKET).unwrap().object_lock = Some(None);
        stage.start_both();
        let older = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.complete_within(hours(1)).await;
        let newest = stage.image(spec("orders-db", "orders-db-2", &[8]));
        stage.complete_within(hours(1)).await;
        for _ in 0..4 {
            stage.pass(hours(7)).await;
            let left = hours_left(stage, &newest);
            assert!((13..=30).contains(&left), "{left} hours are left");
        }
        let left = hours_left(stage, &older);
        assert!(left <= 2, "{left} hours are left: an older one keeps the lock that it had");
        // The worker is refused, and says so before the lock is over.
        let rule = Rule::new(Effect::AccessDenied).on(Service::S3, "PutObjectRetention");
        stage.world.faults().install(FaultPlan::new().fault(rule)).unwrap();
        stage.pass(hours(29)).await;
        let (report, _) = stage.shown().unwrap();
        let shown = |id: &ImageId| {
            report.recovery_points.iter().find(|point| point.source_image_id == *id).unwrap()
        };
        assert!(shown(&newest).detail.contains("extended"), "{}", shown(&newest).detail);
        assert_eq!(shown(&older).detail, "");
    });
}

//! The locks of copies: of the policy's and the vault bucket's own, the stronger one.

use amiferry_core::ids::ImageId;
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3::lock::{DefaultRetention, LockMode, Period};

use crate::stage::{Options, Stage, hours, run_test, spec, truth};

fn set_default(stage: &Stage, mode: LockMode, days: u32) {
    let default = DefaultRetention { mode, period: Period::Days(days) };
    let mut state = stage.world.lock();
    state.s3.bucket_mut(VAULT_BUCKET).unwrap().object_lock = Some(Some(default));
}

/// The modes of the copy and its manifest, and for how many whole days from now both are locked.
fn locks(stage: &Stage, id: &ImageId) -> ([LockMode; 2], i64) {
    let (state, now) = (stage.world.lock(), stage.world.now());
    let bucket = state.s3.bucket(VAULT_BUCKET).unwrap();
    let lock = |file| {
        let version = bucket.latest(&truth::vault_key(stage, id, file)).unwrap();
        version.object().unwrap().retention.unwrap()
    };
    let locks = ["image.bin", "manifest.json"].map(lock);
    let until = locks.iter().map(|lock| lock.until).min().unwrap();
    let days = until.duration_since(now).as_hours() / 24;
    (locks.map(|lock| lock.mode), days)
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
            let (modes, days) = locks(stage, &id);
            assert_eq!(modes, [mode; 2], "{default:?}");
            assert!((least..=least + 1).contains(&days), "{days} days, {default:?}");
        });
    }
}

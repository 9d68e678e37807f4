//! What was complete and is not any more: the states between, which pass by themselves. `failures`
//! has the others.

use amiferry_audit::inventory::State;
use amiferry_audit::report::Verdict;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::lifecycle;
use amiferry_simulator::landscape::STAGING_BUCKET;

use crate::failures::copy_of;
use crate::restores::lose_object;
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// Someone deregisters the restored image, with its protection off.
pub fn deregister_copy(stage: &Stage, id: &ImageId) {
    let (copy, now) = (copy_of(stage, id), stage.world.now());
    let (mut state, place) = (stage.world.lock(), &stage.landscape.vault);
    lifecycle::unprotect(&mut state, now, place, &copy).unwrap();
    lifecycle::deregister(&mut state, now, place, &copy, false).unwrap();
}

/// The source image is deregistered, and its staged object expires.
pub fn lose_source(stage: &Stage, id: &ImageId) {
    let (now, place) = (stage.world.now(), &stage.landscape.source);
    lifecycle::deregister(&mut stage.world.lock(), now, place, id, false).unwrap();
    lose_object(stage, STAGING_BUCKET, &truth::staged_key(stage, id));
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

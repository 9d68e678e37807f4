//! A source that registers images and deregisters them before any is complete renews no promise.

use amiferry_audit::family::RpoState;

use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec};

fn standing(stage: &Stage) -> Option<RpoState> {
    let (report, _) = stage.shown()?;
    report.families.iter().find(|family| family.family == "orders-db").map(|family| family.state)
}

#[test]
fn images_that_come_and_go_break_the_rpo_of_their_family_instead_of_renewing_it() {
    run_test(Options::default(), async |stage| {
        // Nothing is ever stored.
        stage.start(Role::Target);
        let mut states = Vec::new();
        let mut before = None;
        for number in 0..28 {
            let id = stage.image(spec("orders-db", &format!("orders-db-{number}"), &[8]));
            stage.pass(minutes(40)).await;
            if let Some(before) = before.replace(id) {
                stage.deregister(&before, false);
            }
            stage.pass(minutes(20)).await;
            let (report, _) = stage.shown().unwrap();
            let newest = report.recovery_points.iter().map(|point| point.source_created_at).max();
            let age = stage.world.now().duration_since(newest.unwrap());
            assert!(age <= jiff::SignedDuration::from_hours(2), "there is always a young one");
            states.push(standing(stage).unwrap());
        }
        let kept = states.iter().take_while(|state| **state == RpoState::Pending).count();
        assert!((23..=25).contains(&kept), "for the RPO of 24 h: {states:?}");
        assert!(states[kept..].iter().all(|state| *state == RpoState::Unprotected), "{states:?}");
        assert!(stage.metrics().contains("state=\"unprotected\"} 1"), "as the metrics say");

        // The first that is complete ends it.
        stage.start(Role::Source);
        stage
            .until("it is kept", hours(2), |stage| standing(stage) == Some(RpoState::WithinRpo))
            .await;
    });
}

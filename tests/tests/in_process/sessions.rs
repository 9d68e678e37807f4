//! The vault's access to the source: sessions that are revoked or expire, and a role that refuses.

use amiferry_simulator::landscape::EXTERNAL_ID;
use amiferry_simulator::sts;

use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec};

const DESCRIBE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:DescribeImages","ec2:DescribeSnapshots","ec2:DescribeStoreImageTasks"],"Resource":"*"}]}"#;

/// Replaces the trust policy of the read role: whom it lets in.
fn trust(stage: &Stage, external_id: &str) {
    stage.set_read_role(external_id, DESCRIBE);
}

#[test]
fn revoked_sessions_of_the_read_role_are_replaced_at_once() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("web", "web-1", &[50]));
        stage.start_both();
        for _ in 0..5 {
            stage.pass(minutes(4)).await;
            let role = stage.landscape.read_role.clone();
            sts::revoke_sessions(&mut stage.world.lock(), &role);
        }
        stage.complete_within(hours(1)).await;
        let assumed = stage.wire.calls("AssumeRole").len();
        assert!((2..20).contains(&assumed), "assumed {assumed} times");
    });
}

#[test]
fn sessions_that_expire_are_renewed_before_they_do() {
    run_test(Options::default(), async |stage| {
        stage.start_both();
        stage.pass(minutes(150)).await;
        stage.image(spec("web", "web-1", &[8]));
        stage.complete_within(hours(1)).await;
        let assumed = stage.wire.calls("AssumeRole").len();
        assert!((3..8).contains(&assumed), "assumed {assumed} times in three hours");
    });
}

#[test]
fn an_hour_without_the_read_role_is_sat_out() {
    run_test(Options::default(), async |stage| {
        trust(stage, "another-external-id");
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.pass(hours(1)).await;
        assert!(stage.wire.calls("CreateMultipartUpload").is_empty());
        let asked = stage.wire.calls("AssumeRole").len();
        assert!(asked < 120, "AssumeRole was asked {asked} times in an hour of denials");
        trust(stage, EXTERNAL_ID);
        // Nor did the event become a dead letter, which each play looks for at its end.
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn the_source_role_that_may_not_store_parks_and_goes_on_when_it_may() {
    run_test(Options::default(), async |stage| {
        let deny = crate::stage::Fault {
            times: usize::MAX,
            ..crate::stage::Fault::first("CreateStoreImageTask", crate::stage::Mishap::RequestLost)
        };
        stage.wire.upset(Role::Source.as_str(), deny);
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.pass(hours(1)).await;
        stage.wire.mend();
        stage.complete_within(hours(1)).await;
    });
}

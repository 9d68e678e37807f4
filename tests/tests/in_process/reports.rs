//! A report always appears: what cannot be read is not assessed, and everything else is there.

use amiferry_audit::report::{Report, Verdict};
use amiferry_core::names::SourceId;
use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use amiferry_simulator::wire::scope::Service;

use crate::stage::{Options, Role, Stage, hours, inventory, minutes, run_test, spec};

/// From now on AWS refuses this operation in the vault's account.
fn refuse_in_vault(stage: &Stage, service: Service, operation: &str) {
    let (account, _) = stage.landscape.vault.clone();
    let rule = Rule::new(Effect::AccessDenied).on(service, operation).from_account(account);
    stage.world.faults().install(FaultPlan::new().fault(rule)).unwrap();
}

async fn report(stage: &Stage) -> Report {
    inventory::partial_report(stage).await.unwrap()
}

#[test]
fn a_vault_that_cannot_be_listed_or_asked_for_its_keys_is_not_assessed_and_the_images_are_there() {
    for (service, operation) in [
        (Service::S3, "ListObjectVersions"),
        (Service::Ec2, "GetEbsEncryptionByDefault"),
        (Service::S3, "HeadObject"),
    ] {
        run_test(Options::default(), async |stage| {
            let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
            stage.start_both();
            stage.complete_within(hours(1)).await;
            refuse_in_vault(stage, service, operation);
            let report = report(stage).await;
            assert_eq!(report.verdict(), Verdict::Partial, "{operation}: {report:#?}");
            let why = &report.not_assessed[0].reason;
            assert!(why.contains(operation), "{operation}: {why}");
            let named = report.recovery_points.iter().any(|point| point.source_image_id == id)
                || report
                    .not_assessed
                    .iter()
                    .any(|unknown| unknown.source_image_id.as_deref() == Some(id.as_str()));
            assert!(named, "{operation}: {report:#?}");
        });
    }
}

#[test]
fn an_image_of_a_source_that_is_not_configured_any_more_is_not_assessed_and_not_gone() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start(Role::Source);
        stage.until_staged(&id).await;
        stage.kill(Role::Source);
        stage.start(Role::Target);
        // The copy is in the vault, and nothing is recorded yet.
        stage
            .until("the copy is made", hours(1), |stage| {
                !stage.wire.calls("CreateRestoreImageTask").is_empty()
            })
            .await;
        stage.kill(Role::Target);
        let source = SourceId {
            account: stage.landscape.source.0.clone(),
            region: stage.landscape.source.1.clone(),
        };
        stage.config.sources.retain(|other| other.id() != source);
        let report = report(stage).await;
        assert_eq!(report.rejected, [], "nobody said that it is gone");
        assert_eq!(report.not_assessed.len(), 1, "{report:#?}");
        assert!(report.not_assessed[0].reason.contains("does not name this source"));
        assert_eq!(report.verdict(), Verdict::Partial);
    });
}

#[test]
fn an_empty_world_is_not_kept_and_its_policies_are_named() {
    run_test(Options::default(), async |stage| {
        let empty = report(stage).await;
        assert_eq!(empty.verdict(), Verdict::Nothing);
        let named: Vec<&str> = empty.idle_policies.iter().map(|idle| &*idle.policy).collect();
        let configured = stage.config.policies.0.len();
        assert_eq!(named.len(), configured, "{named:?}");
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        let mut untagged = spec("", "nobody's-1", &[8]);
        untagged.tags.clear();
        stage.bystander(untagged);
        stage.start_both();
        stage.pass(minutes(30)).await;
        let report = report(stage).await;
        assert_eq!(report.idle_policies.len(), configured - 1);
        assert!(report.rejected.iter().any(|image| image.source_image_name == "nobody's-1"));
    });
}

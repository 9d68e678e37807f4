//! A report always appears: what cannot be read is not assessed, and everything else is there.

use amiferry_audit::family::RpoState;
use amiferry_audit::report::{Report, Verdict};
use amiferry_core::names::SourceId;
use amiferry_service::config::Config;
use amiferry_simulator::ec2::image::Virtualization;
use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use amiferry_simulator::wire::scope::Service;

use jiff::SignedDuration;

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

/// How many families the metrics of the target worker show in a state.
fn families(stage: &Stage, state: &str) -> f64 {
    let state = format!("state=\"{state}\"");
    let of_families = |line: &&str| line.starts_with("amiferry_families{") && line.contains(&state);
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    stage.metrics().lines().filter(of_families).filter_map(value).sum()
}

#[test]
fn families_of_which_something_cannot_be_read_are_not_assessed_and_never_without_an_image() {
    for (service, operation) in [
        (Service::Ec2, "DescribeImages"),
        (Service::Ec2, "DescribeSnapshots"),
        (Service::Ec2, "DescribeImageAttribute"),
        (Service::S3, "HeadObject"),
        (Service::S3, "GetObject"),
    ] {
        let configure = |config: &mut Config| {
            config.policies.0[0].families = vec!["orders-db".to_owned()];
            config.policies.0[1].families = vec!["web".to_owned()];
        };
        let options = Options { configure, ..Options::default() };
        run_test(options, async |stage| {
            stage.image(spec("orders-db", "orders-db-1", &[8]));
            stage.image(spec("web", "web-1", &[8]));
            let mut paravirtual = spec("web", "web-pv", &[8]);
            paravirtual.metadata.virtualization = Virtualization::Paravirtual;
            paravirtual.created = Some(stage.world.now() - SignedDuration::from_hours(9_000));
            stage.bystander(paravirtual);
            stage.start_both();
            stage.pass(minutes(90)).await;
            let before = report(stage).await;
            assert_eq!(before.verdict(), Verdict::Kept, "{before:#?}");
            refuse_in_vault(stage, service, operation);
            let told = report(stage).await;
            assert_eq!(told.verdict(), Verdict::Partial, "{operation}: {:#?}", told.families);
            for family in told.families.iter().filter(|family| family.rpo_seconds.is_some()) {
                let unknown = (RpoState::NotAssessed, None);
                let known = family.source_created_at.is_some();
                let judged = (family.state, family.margin_seconds);
                assert!(known || judged == unknown, "{operation}: {family:#?}");
            }
            let named = |name: &str| told.families.iter().any(|family| family.family == name);
            assert!(named("orders-db") && named("web"), "{operation}: {:#?}", told.families);
            // A worker that starts now says the same.
            stage.kill(Role::Target);
            stage.start(Role::Target);
            stage.pass(minutes(40)).await;
            let broken = families(stage, "unprotected") + families(stage, "breached");
            assert_eq!(broken, 0.0, "{operation}: that is not known");
            let good = families(stage, "within_rpo") + families(stage, "not_assessed");
            assert_eq!(good, 2.0, "{operation}");
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

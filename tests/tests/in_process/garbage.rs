//! A source whose answers are no XML: it is not assessed and no worker ends, and another source goes
//! on meanwhile.

use amiferry_core::ids::Region;
use amiferry_simulator::faults::{Edit, Effect, FaultPlan, Rule};
use amiferry_simulator::landscape::Landscape;
use amiferry_simulator::wire::scope::Service;

use crate::stage::{Options, Stage, hours, inventory, minutes, run_test, spec, truth};

/// What comes instead of an answer, each with status 200.
fn garbage() -> Vec<(&'static str, Effect)> {
    vec![
        ("nothing", Effect::EmptyBody),
        ("a tag that never ends", Effect::Edit(Edit::adding("<item></items><<"))),
    ]
}

/// EC2 and S3 of a Region answer so to every call.
fn all_of(stage: &Stage, region: &Region, effect: &Effect) {
    let plan = [Service::Ec2, Service::S3].into_iter().fold(FaultPlan::new(), |plan, service| {
        plan.fault(Rule::new(effect.clone()).on(service, "*").in_region(region.clone()))
    });
    stage.world.faults().install(plan).unwrap();
}

const OTHER: &str = "eu-west-1";

/// A second source for the same vault.
fn add_source(stage: &mut Stage) {
    let (account, region) = ("333333333333".parse().unwrap(), OTHER.parse().unwrap());
    let other = Landscape::neighbour(&stage.world, account, region, true).unwrap();
    let mut source = stage.config.sources[0].clone();
    source.queue_url =
        format!("https://sqs.{OTHER}.amazonaws.com/{}/amiferry-source", other.account)
            .parse()
            .unwrap();
    (source.account, source.region) = (other.account, other.region);
    (source.staging_bucket, source.read_role_arn) =
        (other.bucket.parse().unwrap(), other.read_role);
    stage.config.sources.push(source);
}

#[test]
fn a_source_that_answers_garbage_is_not_assessed_and_holds_up_no_other() {
    for (what, effect) in garbage() {
        println!("{what}");
        run_test(Options::default(), async |stage| {
            add_source(stage);
            all_of(stage, &OTHER.parse().unwrap(), &effect);
            let id = stage.image(spec("web", "web-1", &[8]));
            stage.start_both();
            let recorded = |stage: &Stage| truth::is_recorded(stage, &id);
            stage.until(&format!("{what}: the other source's image"), hours(1), recorded).await;
            let report = inventory::partial_report(stage).await.unwrap();
            let of_garbage =
                report.not_assessed.iter().filter(|item| item.source_region.as_str() == OTHER);
            assert_eq!(of_garbage.count(), 1, "{what}: {:?}", report.not_assessed);
            assert_eq!(report.not_assessed.len(), 1, "{what}: {:?}", report.not_assessed);
            stage.world.faults().clear();
            stage.complete_within(hours(2)).await;
        });
    }
}

#[test]
fn workers_outlive_an_hour_of_garbage_from_their_only_source_and_take_nothing_from_it() {
    for (what, effect) in garbage() {
        println!("{what}");
        run_test(Options::default(), async |stage| {
            let before = stage.image(spec("web", "web-1", &[8]));
            stage.start_both();
            let recorded = |stage: &Stage| truth::is_recorded(stage, &before);
            stage.until("the first image is recorded", hours(1), recorded).await;
            let region = stage.landscape.source.1.clone();
            all_of(stage, &region, &effect);
            stage.image(spec("web", "web-2", &[8]));
            stage.pass(minutes(60)).await;
            assert_eq!(stage.ended(), Vec::<&str>::new(), "{what}");
            let report = inventory::partial_report(stage).await.unwrap();
            let point = report.recovery_points.iter().find(|one| one.source_image_id == before);
            assert!(point.is_some(), "{what}: what was recorded is judged by its record");
            assert!(
                !report.not_assessed.is_empty(),
                "{what}: nothing is green for lack of an answer"
            );
            stage.world.faults().clear();
            stage.complete_within(hours(3)).await;
        });
    }
}

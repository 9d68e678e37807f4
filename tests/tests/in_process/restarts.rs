//! A target worker that starts again shows, counts and reports the same as `status`: what it forgets,
//! all of them forget.

use std::collections::BTreeMap;

use amiferry_audit::inventory::State;
use amiferry_audit::report::Report;
use amiferry_core::ids::ImageId;
use amiferry_simulator::landscape::STAGING_BUCKET;
use amiferry_simulator::s3;

use crate::stage::{Options, Role, Stage, hours, inventory, minutes, run_test, spec, truth};

/// Rows of a report that do not depend on who made it.
#[derive(Debug, PartialEq, Eq)]
struct Rows {
    points: Vec<(ImageId, State, String)>,
    left_out: Vec<(ImageId, String)>,
    families: Vec<(String, String)>,
    not_assessed: usize,
}

fn rows(report: &Report) -> Rows {
    let state = |family: &amiferry_audit::family::Family| {
        serde_json::to_value(family.state).unwrap().as_str().unwrap().to_owned()
    };
    Rows {
        points: report
            .recovery_points
            .iter()
            .map(|point| (point.source_image_id.clone(), point.state, point.code.to_string()))
            .collect(),
        left_out: report
            .rejected
            .iter()
            .filter(|image| image.promised.is_some())
            .map(|image| (image.source_image_id.clone(), image.code.to_string()))
            .collect(),
        families: report
            .families
            .iter()
            .map(|family| (family.family.clone(), state(family)))
            .collect(),
        not_assessed: report.not_assessed.len(),
    }
}

/// The sums of a metric of the target worker by one of its labels, without those that are 0.
fn sums(stage: &Stage, metric: &str, label: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in stage.metrics().lines() {
        let Some(rest) = line.strip_prefix(&format!("{metric}{{")) else { continue };
        let (labels, value) = rest.rsplit_once("} ").unwrap();
        let value: f64 = value.parse().unwrap();
        let named = labels.split(',').find_map(|pair| pair.strip_prefix(&format!("{label}=\"")));
        if value > 0.0 {
            let name = named.unwrap_or_default().trim_end_matches('"').to_owned();
            *sums.entry(name).or_default() += value as u64;
        }
    }
    sums
}

/// Page, metrics and `status` at this moment, which must agree.
async fn agreed(stage: &Stage, when: &str) -> Rows {
    let (page, html) = stage.shown().unwrap();
    let status = inventory::heard_report(stage).await;
    assert_eq!(rows(&page), rows(&status), "{when}: page and status");
    let mut by_state: BTreeMap<String, u64> = BTreeMap::new();
    for point in &page.recovery_points {
        let name = if point.state.is_lost() { "lost" } else { point.state.as_str() };
        *by_state.entry(name.to_owned()).or_default() += 1;
    }
    let left_out = page.rejected.iter().filter(|image| image.promised.is_some()).count();
    if left_out > 0 {
        by_state.insert("left_out".to_owned(), left_out as u64);
    }
    let counted = sums(stage, "amiferry_recovery_points", "state");
    assert_eq!(counted, by_state, "{when}: page and metrics");
    let mut families: BTreeMap<String, u64> = BTreeMap::new();
    for (_, state) in rows(&page).families {
        *families.entry(state).or_default() += 1;
    }
    assert_eq!(sums(stage, "amiferry_families", "state"), families, "{when}: families");
    for point in &page.recovery_points {
        let is_open = point.state != State::Complete;
        assert!(!is_open || html.contains(point.source_image_id.as_str()), "{when}: {html}");
    }
    rows(&page)
}

#[test]
fn after_a_restart_page_metrics_and_status_count_images_that_are_gone_the_same() {
    run_test(Options::default(), async |stage| {
        // Complete, and then gone at its source.
        let kept = stage.image(spec("web", "web-1", &[8]));
        // Stored, and gone before its copy; without a note nothing is known of it.
        let unknown = stage.image(spec("orders-db", "orders-db-1", &[8]));
        // The same with a note that cannot be used.
        let unusable = stage.image(spec("orders-db", "orders-db-2", &[8]));
        // Gone before anything was made of it, and its family goes on.
        stage.start(Role::Source);
        for id in [&kept, &unknown, &unusable] {
            stage.until_staged(id).await;
        }
        stage.kill(Role::Source);
        let living = stage.image(spec("payments", "payments-2", &[8]));
        let gone = stage.image(spec("payments", "payments-1", &[8]));
        let note = |id: &ImageId| truth::staged_key(stage, id).replace(".bin", ".json");
        let (lost, garbage, now) = (note(&unknown), note(&unusable), stage.world.now());
        crate::restores::lose_object(stage, STAGING_BUCKET, &lost);
        s3::put(&mut stage.world.lock(), now, STAGING_BUCKET, &garbage, "<html>").unwrap();
        stage.start(Role::Target);
        stage.until("it is recorded", hours(2), |stage| truth::is_recorded(stage, &kept)).await;
        for id in [&kept, &unknown, &unusable, &gone] {
            stage.deregister(id, false);
        }
        stage.pass(hours(2)).await;
        let before = agreed(stage, "before").await;
        assert!(before.points.iter().any(|(id, ..)| *id == kept), "{before:#?}");
        assert!(before.points.iter().any(|(id, ..)| *id == living), "{before:#?}");
        assert!(!before.points.iter().any(|(id, ..)| *id == gone), "{before:#?}");

        stage.kill(Role::Target);
        stage.start(Role::Target);
        stage
            .until("it has swept", hours(1), |stage| {
                stage.shown().is_some_and(|(report, _)| !report.recovery_points.is_empty())
            })
            .await;
        stage.pass(minutes(20)).await;
        let after = agreed(stage, "after").await;
        assert_eq!(after.points, before.points);
        assert_eq!(after.left_out, before.left_out);
    });
}

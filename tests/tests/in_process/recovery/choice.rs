//! Which images are restored, under which names, and in which order.

use amiferry_core::code::Code;
use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::ImageId;
use amiferry_core::policy::Pattern;
use amiferry_core::recovery::select::Selection;
use amiferry_recovery::report::State;
use amiferry_recovery::run::Event;
use amiferry_simulator::ec2;
use jiff::SignedDuration;

use super::{ami, audit_is_green, disaster, everything, records_of, restore, restore_as};
use crate::stage::{Options, Stage, run_test, spec, truth};

fn families(names: &[&str]) -> Selection {
    let families = names.iter().map(|name| Pattern::new(*name)).collect();
    Selection { families, ..Selection::default() }
}

/// An image of a workload that was created so many hours ago.
fn old(stage: &mut Stage, workload: &str, name: &str, hours: i64) -> ImageId {
    let mut spec = spec(workload, name, &[8]);
    spec.created = Some(stage.world.now() - SignedDuration::from_hours(hours));
    stage.image(spec)
}

#[test]
fn a_family_gives_its_newest_image_and_a_time_the_newest_that_was_created_by_then() {
    run_test(Options::default(), async |stage| {
        let [older, newer] = [30, 3].map(|h| old(stage, "analytics", &format!("analytics-{h}"), h));
        let other = old(stage, "batch", "batch-1", 40);
        let by = stage.world.now() - SignedDuration::from_hours(4);
        disaster(stage).await;
        let of_family = restore(stage, &families(&["analytics"])).await;
        let images = |of: &amiferry_recovery::report::Recovered| -> Vec<_> {
            of.map.iter().map(|row| row.source_image_id.clone()).collect()
        };
        assert_eq!(images(&of_family), [newer]);
        let selection = Selection { as_of: Some(by), ..Selection::default() };
        let mut by_time = images(&restore(stage, &selection).await);
        by_time.sort();
        let mut expected = vec![older, other.clone()];
        expected.sort();
        assert_eq!(by_time, expected);
        let nothing = restore(stage, &families(&["analytic"])).await;
        assert_eq!((nothing.map.len(), nothing.not_restored.len()), (0, 1));
        assert_eq!(nothing.not_restored[0].what, "family analytic");
        let selection = Selection { as_of: Some(by - SignedDuration::from_hours(30)), ..selection };
        let early = restore(stage, &selection).await;
        assert_eq!(images(&early), std::slice::from_ref(&other));
        assert_eq!(early.not_restored[0].family.as_deref(), Some("analytics"), "{early:#?}");
        audit_is_green(stage).await;
    });
}

#[test]
fn what_fits_each_part_of_a_selection_and_not_all_of_them_is_nothing() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("analytics", "analytics-1", &[8]));
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        let recoverer = super::recoverer(stage);
        let records = recoverer.records().await.unwrap();
        let tag = ("workload".to_owned(), Pattern::new("orders-db"));
        let tagged = Selection { tags: vec![tag], ..Selection::default() };
        let both = Selection { tags: tagged.tags.clone(), ..families(&["analytics"]) };
        for (selection, is_empty) in
            [(tagged, false), (families(&["analytics"]), false), (both, true)]
        {
            let recovery = Recovery::default();
            let chosen = recoverer.choose(&records, &selection, &recovery).await;
            assert_eq!(chosen.is_empty(), is_empty, "{selection:?}: {chosen:#?}");
        }
    });
}

#[test]
fn an_original_name_is_kept_and_a_taken_one_is_that_images_trouble_alone() {
    run_test(Options::default(), async |stage| {
        let archived = stage.image(spec("analytics", "analytics-1", &[8]));
        let taken = stage.image(spec("analytics", "analytics-2", &[8]));
        let ready = stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        super::remove_restored(stage, &truth::restored(stage, &ready)[0].id);
        let (account, region) = stage.landscape.vault.clone();
        let now = stage.world.now();
        let stranger = spec("analytics", "analytics-2", &[8]);
        let stranger = ec2::add_image(&mut stage.world.lock(), now, &account, &region, stranger);
        let recovery = Recovery { original_name: true, ..Recovery::default() };
        let (recovered, _) = restore_as(stage, &everything(), &recovery).await;
        let names: Vec<_> =
            recovered.map.iter().map(|row| row.image_name.clone().unwrap()).collect();
        assert_eq!(names.len(), 2, "{recovered:#?}");
        assert!(names.contains(&"analytics-1".into()) && names.contains(&"orders-db-1".into()));
        let not = &recovered.not_restored[0];
        assert_eq!((&not.source_image_id, not.code), (&Some(taken.clone()), Some(Code::NameTaken)));
        assert!(not.reason.contains(stranger.as_str()), "{not:#?}");
        assert!(not.remedy.contains("--name derived"), "{not:#?}");
        // Audit and worker find the one of tier ready under its other name.
        audit_is_green(stage).await;
        let again = restore(stage, &everything()).await;
        assert!(again.is_whole(), "the remedy leads out: {again:#?}");
        let state =
            |id: &ImageId| again.map.iter().find(|row| row.source_image_id == *id).unwrap().state;
        assert_eq!((state(&archived), state(&ready)), (State::There, State::There));
        assert_eq!(state(&taken), State::Restored);
        assert_eq!(ami(&again, &ready), ami(&recovered, &ready));
        assert_eq!(records_of(stage, &ready).len(), 1);
        audit_is_green(stage).await;
    });
}

#[test]
fn the_policy_with_the_highest_priority_goes_first_and_then_the_newest_of_each_family() {
    run_test(Options::default(), async |stage| {
        // Larger than the restore quota: one at a time.
        let large = |stage: &mut Stage, workload: &str, name: &str, hours: i64| {
            let mut spec = spec(workload, name, &[650]);
            spec.created = Some(stage.world.now() - SignedDuration::from_hours(hours));
            stage.image(spec)
        };
        let archived = large(stage, "analytics", "analytics-1", 5);
        let [older, newer] = [9, 2].map(|h| large(stage, "orders-db", &format!("orders-{h}"), h));
        disaster(stage).await;
        for id in [&older, &newer] {
            super::remove_restored(stage, &truth::restored(stage, id)[0].id);
        }
        let (recovered, told) = restore_as(stage, &everything(), &Recovery::default()).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        let began: Vec<_> = told
            .iter()
            .filter_map(|event| match event {
                Event::Began { id, .. } => Some(id.source_image_id.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(began, [newer, older, archived]);
    });
}

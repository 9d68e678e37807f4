//! What of an observation still counts after a step, and for how long.

use jiff::SignedDuration;

use super::fixture::*;
use crate::decide::Decision;
use crate::decide::vault::observation::{COUNTS_FOR, Observation, Part};
use crate::decide::vault::{Effect, Observed};
use crate::fault::{Fault, FaultClass};
use crate::model::{ImageState, SnapshotState};
use crate::policy::Tier;

const ALL: [Part; 6] =
    [Part::Source, Part::Staged, Part::Object, Part::Manifest, Part::Restored, Part::Details];

fn observation(observed: Observed) -> Observation {
    Observation::of(observed, &ALL, now())
}

fn counting(observation: &Observation) -> Vec<Part> {
    ALL.into_iter().filter(|part| observation.counts(*part, now())).collect()
}

/// One part of an observation, to be compared.
fn part(seen: &Observed, part: Part) -> String {
    match part {
        Part::Source => format!("{:?}", (&seen.source, seen.source_asked)),
        Part::Staged => format!("{:?}", (&seen.staged, &seen.staged_key)),
        Part::Object => format!("{:?}", seen.object),
        Part::Manifest => format!("{:?}", seen.manifest),
        Part::Restored => format!("{:?}", seen.restored),
        Part::Details => format!("{:?}", (&seen.snapshots, &seen.launch_permissions)),
    }
}

#[test]
fn what_is_there_and_finished_counts_and_so_do_records_and_restores_that_are_not_there_yet() {
    use Part::{Details, Object, Restored, Source, Staged};
    let done = observed().staged().copied().restored();
    let empty = observed().staged().with(|seen| seen.staged.as_mut().unwrap().size = 0);
    let changed = |change: fn(&mut Observed)| done.clone().with(change);
    for (seen, missing) in [
        (Observed::nothing(recovery_point()), vec![Source, Staged, Object, Details]),
        (observed(), vec![Staged, Object, Details]),
        (observed().staged(), vec![Object, Details]),
        (empty, vec![Staged, Object, Details]),
        (observed().copied(), vec![Staged, Details]),
        (observed().copied().restoring(), vec![Staged, Restored, Details]),
        (done.clone(), vec![]),
        (done.clone().newest(|image| image.state = ImageState::Failed), vec![Restored]),
        (changed(|seen| seen.launch_permissions = None), vec![Details]),
        (changed(|seen| drop(seen.snapshots.pop())), vec![Details]),
        (changed(|seen| seen.snapshots[0].state = SnapshotState::Pending), vec![Details]),
    ] {
        let counting = counting(&observation(seen.clone()));
        let asked: Vec<Part> = ALL.into_iter().filter(|part| !counting.contains(part)).collect();
        assert_eq!(asked, missing, "{seen:?}");
    }
}

#[test]
fn what_counts_after_a_step_is_what_aws_shows_after_it() {
    let short = |seen: &mut Observed| {
        let object = seen.object.as_mut().unwrap();
        object.retention.as_mut().unwrap().until = at("2026-01-20T00:00:00Z");
    };
    let lax = |seen: Observed| seen.newest(|image| image.imds_support = None);
    let restored = observed().staged().copied().restored();
    for (before, step, kept) in [
        (observed().staged(), "copy", 4),
        (observed().staged().copied().with(short), "lock", 5),
        (observed().staged().copied(), "restore", 4),
        (lax(restored.clone()), "demand", 6),
        (restored.clone(), "protect", 6),
        (restored.protected(), "record", 6),
        (weekly().staged().copied(), "record", 5),
    ] {
        let Decision::Act(effect) = before.decide() else { panic!("{step}") };
        assert!(name_of(&effect).starts_with(step), "{effect:?}");
        let mut observation = observation(before.clone());
        observation.after(&effect, now());
        let counting = counting(&observation);
        assert_eq!(counting.len(), kept, "{step}: {counting:?}");
        let shown = before.after(&effect);
        for counts in counting {
            assert_eq!(
                part(&observation.observed, counts),
                part(&shown, counts),
                "{step} {counts:?}"
            );
        }
    }
}

#[test]
fn after_a_further_copy_the_record_and_the_restored_image_are_asked_for_again() {
    let mut observation = Observation::of(
        Observed::complete(Tier::Ready).with(|seen| seen.object = None),
        &[Part::Source, Part::Staged],
        now(),
    );
    let Decision::Act(effect) = observation.observed.decide() else { panic!("no copy") };
    assert_eq!(name_of(&effect), "copy");
    observation.after(&effect, now());
    assert_eq!(counting(&observation), [Part::Source, Part::Staged]);
}

fn name_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::Copy(_) => "copy",
        Effect::Lock(..) => "lock",
        Effect::Restore(_) => "restore",
        Effect::Protect(_) => "protect",
        Effect::DemandImdsV2(_) => "demand",
        Effect::Record(_) => "record",
        Effect::RecordAgain(_) => "record again",
    }
}

#[test]
fn a_restored_image_is_protected_and_recorded_without_a_further_question() {
    let mut observation = observation(observed().staged().copied().restored());
    let mut steps = Vec::new();
    while let Decision::Act(effect) = observation.observed.decide() {
        assert_eq!(counting(&observation), ALL);
        steps.push(name_of(&effect));
        observation.after(&effect, now());
    }
    assert_eq!(steps, ["protect", "record"]);
    assert_eq!(observation.observed, Observed::complete(Tier::Ready));
}

#[test]
fn after_half_a_minute_or_a_message_a_part_is_asked_for_again() {
    let mut observation = observation(Observed::complete(Tier::Ready));
    let last = now() + COUNTS_FOR - SignedDuration::from_nanos(1);
    for part in ALL {
        assert!(observation.counts(part, last));
        assert!(!observation.counts(part, now() + COUNTS_FOR));
        observation.forget(part);
        assert!(!observation.counts(part, now()));
    }
}

#[test]
fn while_a_task_runs_no_look_asks_again_whether_its_object_is_recorded() {
    let half_an_hour_later = now() + SignedDuration::from_mins(30);
    for (seen, counts) in [
        (observed().staged(), false),
        (observed().staged().copied(), true),
        (Observed::complete(Tier::Ready), false),
    ] {
        assert_eq!(observation(seen).counts(Part::Manifest, half_an_hour_later), counts);
    }
}

#[test]
fn a_source_that_refuses_leaves_nothing_known_about_its_image() {
    let mut observation = observation(observed());
    assert_eq!(observation.source_answered(None, now()), None);
    assert!(observation.counts(Part::Source, now()), "it was not asked");
    let refusal = Fault {
        class: FaultClass::Denied,
        operation: "ec2:DescribeImages",
        resource: IMAGE.to_owned(),
        code: "UnauthorizedOperation".to_owned(),
        detail: String::new(),
        request_id: None,
    };
    assert_eq!(observation.source_answered(Some(Err(refusal.clone())), now()), Some(refusal));
    assert_eq!((&observation.observed.source, observation.observed.source_asked), (&None, false));
    assert!(!observation.counts(Part::Source, now()));
    assert_eq!(observation.source_answered(Some(Ok(Some(image()))), now()), None);
    assert_eq!(counting(&observation), [Part::Source, Part::Manifest, Part::Restored]);
}

//! The source worker's next step: what yields each answer, and what does not.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::fixture::*;
use crate::code::Code;
use crate::decide::Decision;
use crate::decide::store::{APPEARANCE, Observed, Refused, Store, next_step};
use crate::ids::ImageId;
use crate::model::{Image, ImageState, StoreTask, StoreTaskState, StoredObject};

/// What is seen of one image, owned.
#[derive(Debug, Clone)]
struct Seen {
    id: ImageId,
    image: Option<Image>,
    task: Option<StoreTask>,
    other: Option<StoreTask>,
    refused: Option<Refused>,
    holder: Option<&'static str>,
    staged: Option<StoredObject>,
    complete: bool,
    pruned: bool,
    unknown_until: Option<Timestamp>,
    settling: bool,
    missing_since: Option<Timestamp>,
    failed_since: Option<Timestamp>,
    failures: u32,
    losses: u32,
    urged: bool,
}

/// An image that nothing was done about.
fn seen(image: Image) -> Seen {
    Seen {
        id: image.id.clone(),
        image: Some(image),
        task: None,
        other: None,
        refused: None,
        holder: None,
        staged: None,
        complete: false,
        pruned: false,
        unknown_until: None,
        settling: false,
        missing_since: None,
        failed_since: None,
        failures: 0,
        losses: 0,
        urged: false,
    }
}

/// An image that EC2 has not shown for so many seconds.
fn missing(seconds: i64) -> Seen {
    seen(image())
        .with(|seen| seen.image = None)
        .with(|seen| seen.missing_since = Some(now() - SignedDuration::from_secs(seconds)))
}

impl Seen {
    fn task(self, state: StoreTaskState, ago: i64) -> Self {
        self.with(|seen| {
            let since = now() - SignedDuration::from_secs(ago);
            seen.failed_since = (state == StoreTaskState::Failed).then_some(since);
            seen.task = Some(store_task(state, ago));
        })
    }

    fn staged(self, size: u64) -> Self {
        self.with(|seen| seen.staged = Some(staged().of_size(size)))
    }

    fn settling(self) -> Self {
        self.with(|seen| seen.settling = true)
    }

    /// EC2 lists a task into another bucket instead of ours.
    fn other(self, state: StoreTaskState) -> Self {
        let task = store_task(state, 60).with(|task| task.bucket = "of-others".to_owned());
        self.with(|seen| seen.other = Some(task))
    }

    /// EC2 refused so often, the last time these seconds ago, because the bucket has the image.
    fn refused(self, times: u32, ago: i64) -> Self {
        let at = now() - SignedDuration::from_secs(ago);
        let words = "it already exists in the bucket".to_owned();
        self.with(|seen| seen.refused = Some(Refused { at, times, words }))
    }

    fn complete(self) -> Self {
        self.with(|seen| seen.complete = true)
    }

    /// A vault has been silent since the worker started; it has so many seconds left to answer.
    fn unknown(self, seconds: i64) -> Self {
        self.with(|seen| seen.unknown_until = Some(now() + SignedDuration::from_secs(seconds)))
    }

    fn lost(self, losses: u32) -> Self {
        self.with(|seen| seen.losses = losses)
    }

    fn urged(self) -> Self {
        self.with(|seen| seen.urged = true)
    }

    fn decide(&self) -> Decision<Store> {
        let Self { id, image, task, staged, complete, pruned, .. } = self;
        let Self { unknown_until, settling, .. } = self;
        let Self { missing_since, failed_since, failures, losses, urged, other, refused, .. } =
            self;
        let observed = Observed {
            id,
            image: image.as_ref(),
            task: task.as_ref(),
            other: other.as_ref(),
            refused: refused.as_ref(),
            holder: self.holder,
            staged: staged.as_ref(),
            complete: *complete,
            pruned: *pruned,
            unknown_until: *unknown_until,
            settling: *settling,
            missing_since: *missing_since,
            failed_since: *failed_since,
            failures: *failures,
            losses: *losses,
            urged: *urged,
        };
        next_step(&policies(), &source(), observed, PACE, now())
    }
}

fn table() -> Vec<(Seen, &'static str, &'static str)> {
    use StoreTaskState::{Completed, Failed, InProgress};
    let park = i64::try_from(PACE.park.duration().as_secs()).unwrap();
    let fresh = || seen(image());
    let paused = || StoreTaskState::Other("Paused".to_owned());
    vec![
        (fresh(), "act store", "nothing has been done"),
        (fresh().settling(), "wait settling", "we just started it, EC2 does not list it yet"),
        (fresh().task(InProgress, 60), "wait store_running", "EC2 is at it"),
        (fresh().task(InProgress, 60).settling(), "wait store_running", "and shows it already"),
        (fresh().task(InProgress, 60).staged(0), "wait store_running", "an empty object is none"),
        (fresh().task(paused(), 60), "wait store_running", "a state of tomorrow may end well"),
        (fresh().task(paused(), 60).staged(1), "done staged", "and here it did"),
        (fresh().staged(1), "done staged", "the object is there"),
        (fresh().task(Completed, 60).staged(1), "done staged", "task and object agree"),
        (fresh().task(Failed, 60).staged(1), "done staged", "an earlier task had succeeded"),
        (fresh().staged(0), "act store", "an empty object is no store"),
        (fresh().unknown(1), "wait vault_unknown", "a vault may have it already"),
        (fresh().unknown(0), "act store", "the vault had its time"),
        (fresh().unknown(1).complete(), "done complete", "every vault has said so"),
        (fresh().unknown(1).staged(1), "done staged", "nothing would be stored"),
        (fresh().unknown(1).task(InProgress, 60), "wait store_running", "it was stored anyway"),
        (
            fresh().task(Completed, 899),
            "wait staged_lost",
            "its object is gone, soon after its store",
        ),
        (fresh().task(Completed, 900), "act store", "its object is gone for the first time"),
        (fresh().task(Completed, 1_800).lost(3), "wait staged_lost", "and gone again and again"),
        (fresh().task(Completed, 3_600).lost(3), "act store", "each time after twice as long"),
        (fresh().task(Completed, 86_400).lost(99), "act store", "but every day at least"),
        (
            fresh().task(Completed, 86_400).complete(),
            "done complete",
            "nothing more is needed of it",
        ),
        (fresh().complete(), "done complete", "its store task is forgotten"),
        (
            fresh().complete().task(InProgress, 60).with(|seen| seen.image = None),
            "done complete",
            "another task stores it again, so nothing asked for the image",
        ),
        (fresh().staged(1).complete(), "done complete", "and its staged object may go"),
        (fresh().task(Completed, 60).settling(), "wait settling", "stored again just now"),
        (fresh().task(Failed, park - 1), "park store_failed", "failed lately"),
        (
            fresh().task(Failed, park - 1).settling(),
            "park store_failed",
            "it is the one we started",
        ),
        (fresh().task(Failed, park), "act store", "failed long enough ago to try again"),
        (
            fresh().task(Failed, 4 * park - 1).with(|s| s.failures = 3),
            "park store_failed",
            "failed three times, so it waits for four times as long",
        ),
        (
            fresh().task(Failed, 4 * park).with(|s| s.failures = 3),
            "act store",
            "and is tried again then",
        ),
        (
            fresh().task(Failed, 59).urged().with(|s| s.failures = 9),
            "park store_failed",
            "a person asks for it, but it failed a moment ago",
        ),
        (
            fresh().task(Failed, 60).urged().with(|s| s.failures = 9),
            "act store",
            "a person has repaired what made it fail",
        ),
        (fresh().task(Completed, 60).lost(9).urged(), "act store", "or wants the object again"),
        (fresh().refused(9, 60).urged(), "act store", "or has moved the other object"),
        (fresh().task(Failed, park).settling(), "wait settling", "tried again, not listed yet"),
        (
            fresh().task(Failed, park).with(|s| s.failed_since = None),
            "park store_failed",
            "failed, and this is the first look at it",
        ),
        (
            fresh().other(InProgress),
            "wait store_running",
            "EC2 stores an image into one bucket at a time",
        ),
        (fresh().other(InProgress).staged(1), "done staged", "which takes nothing from ours"),
        (fresh().other(InProgress).complete(), "done complete", "nor from its copies"),
        (fresh().other(Completed), "act store", "in another bucket it is of no use"),
        (fresh().other(Completed).settling(), "wait settling", "ours was just started"),
        (fresh().other(Failed), "act store", "what failed is no task of ours"),
        (fresh().refused(1, park - 1), "park stored_elsewhere", "another key has it"),
        (fresh().refused(1, park), "act store", "it may be gone meanwhile"),
        (fresh().refused(2, 2 * park - 1), "park stored_elsewhere", "it was not, so wait longer"),
        (fresh().refused(9, 1).staged(1), "done staged", "our own key had it after all"),
        (missing(0), "wait settling", "an id so new that EC2 does not show it"),
        (missing(APPEARANCE.as_secs() - 1), "wait settling", "the last second of patience"),
        (missing(APPEARANCE.as_secs()), "ineligible image_gone", "no longer just new"),
        (missing(0).with(|s| s.missing_since = None), "wait settling", "the first look"),
        (missing(900).staged(1), "ineligible image_gone", "a staged object without its image"),
        (seen(image().in_state(ImageState::Pending)), "wait image_pending", "passes by itself"),
        (seen(image().in_state(ImageState::Failed)), "ineligible image_failed", "does not pass"),
        (seen(image().in_state(ImageState::Disabled)), "ineligible image_disabled", "hidden"),
        (seen(image().in_state(ImageState::Deregistered)), "ineligible image_gone", "gone"),
        (seen(image().paravirtual()), "ineligible paravirtual", "cannot be stored"),
        (seen(image().instance_store()), "ineligible not_ebs_backed", "cannot be stored"),
        (seen(image().of_gib(5_001)), "ineligible too_large", "cannot be stored"),
        (seen(image().owned_by(VAULT)), "ineligible not_owned", "of another account"),
        (seen(image().tagged("backup", "no")), "ineligible no_policy", "not asked for"),
        (seen(image().made_ago("91d")), "ineligible too_old", "older than its policy takes it"),
        (
            seen(image().named("amiferry/x").tagged("amiferry:managed", "true")),
            "ineligible own_restore",
            "a copy",
        ),
        (seen(image().paravirtual()).staged(1), "ineligible paravirtual", "whatever lies there"),
    ]
}

#[test]
fn each_observation_has_its_one_next_step() {
    for (seen, expected, comment) in table() {
        assert_eq!(seen.decide().in_words(), expected, "{comment}");
        assert!(kind_fits(&seen.decide()), "{comment}");
    }
}

#[test]
fn the_table_has_every_code_that_the_source_worker_can_decide() {
    use Code::*;
    let rows = table();
    let expected = [
        NoPolicy,
        NotOwned,
        NotEbsBacked,
        Paravirtual,
        TooLarge,
        ImageFailed,
        ImageDisabled,
        ImageGone,
        OwnRestore,
        TooOld,
        ImagePending,
        StoreRunning,
        Settling,
        StoreFailed,
        StoredElsewhere,
        StagedLost,
        VaultUnknown,
        Staged,
        Complete,
    ];
    assert_eq!(codes_in(rows.iter().map(|row| row.1)), expected.into());
}

#[test]
fn a_store_says_what_the_quota_and_the_log_need() {
    let Decision::Act(store) = seen(image()).decide() else { panic!("not a store") };
    assert_eq!(store.image.as_str(), IMAGE);
    assert_eq!(store.size_gb, 108);
    assert_eq!((store.policy.as_str(), store.family.as_str()), ("daily", "shop"));
}

#[test]
fn what_waits_is_looked_at_after_a_poll_and_what_is_parked_after_a_park() {
    for (seen, _, comment) in table() {
        match seen.decide() {
            Decision::Wait { code: Code::StagedLost | Code::VaultUnknown, until, .. } => {
                assert!(until > now(), "{comment}");
            }
            Decision::Wait { until, .. } => assert_eq!(until, PACE.poll.after(now()), "{comment}"),
            Decision::Park { until, .. } => assert!(until >= PACE.poll.after(now()), "{comment}"),
            Decision::Act(_) | Decision::Ineligible { .. } | Decision::Done(_) => {}
        }
    }
}

#[test]
fn a_store_that_failed_is_parked_with_the_words_of_ec2() {
    let Decision::Park { detail, .. } = seen(image()).task(StoreTaskState::Failed, 1).decide()
    else {
        panic!("not parked")
    };
    assert_eq!(detail, "a snapshot is gone");
}

#[test]
fn what_is_stored_elsewhere_says_where_or_what_ec2_says() {
    let refused = seen(image()).refused(1, 1);
    let words = "EC2 lists no task that says where: it already exists in the bucket";
    for (holder, expected) in [(Some("old/ami-1.bin"), "it is old/ami-1.bin"), (None, words)] {
        let seen = refused.clone().with(|seen| seen.holder = holder);
        let Decision::Park { detail, .. } = seen.decide() else { panic!("not parked") };
        assert_eq!(detail, expected);
    }
}

proptest! {
    #[test]
    fn while_a_start_settles_nothing_is_started(row in 0..table().len()) {
        let seen = table().swap_remove(row).0.settling();
        prop_assert!(!matches!(seen.decide(), Decision::Act(_)));
    }

    #[test]
    fn a_running_task_is_never_joined_by_another(row in 0..table().len(), ago in 0i64..3_000_000) {
        let seen = table().swap_remove(row).0.task(StoreTaskState::InProgress, ago);
        prop_assert!(!matches!(seen.decide(), Decision::Act(_)));
    }
}

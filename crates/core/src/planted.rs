//! Mistakes that the simulation must notice, each at the place where a person could make it.
//!
//! Without the feature `planted-bugs` [`has`] is the constant `false` and no mistake is in the
//! program. With it, [`with`] plants one for the thread that a test plays on.

/// Declares the mistakes: variant, what is wrong.
macro_rules! bugs {
    ($($variant:ident $what:literal;)+) => {
        /// A mistake that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $what] $variant,)+
        }

        impl Bug {
            /// Every mistake, in the order of its declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in the table of `docs/reliability.md`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// What is wrong, in one sentence.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }
        }
    };
}

bugs! {
    // Decisions.
    SourceTagTrusted "an image is left out because a tag of its own says that amiferry made it";
    PolicyForAll "an image that no policy selects is protected by the first one";
    CompletionForgotten "an image is stored again because its staged object expired after it was complete";
    StoreFailureFinal "a failed store task is never tried again";
    FailedRestoreAwaited "the worker waits for a restored image that failed";
    FirstNameOnly "the worker looks for a restore under its first name only";
    UnfinishedRestoreCounts "a restored image counts while it is still pending";
    SquatterAdopted "an image in the vault counts as ours because of its name";
    PlaintextRestored "an image is restored while EBS encryption by default is off";
    ProtectionForgotten "the manifest is written before deregistration protection is on";
    SharingIgnored "launch permissions of a restored image are ignored";
    CopyOriginForgotten "a copy is no longer recognised once other bytes are staged";
    LockNotLengthened "a lock is not extended when the policy demands a longer one after the copy";
    NotesUnread "what was noted of an image is not read when its source no longer shows it";
    TierIgnored "an image is restored though its policy only archives";
    RecordBelieved "what was recorded counts as complete, whatever AWS shows of it now";
    ReplacementUnrecorded "a restored image that replaces a lost one is never recorded";
    StartNeverAges "when an answer is lost, the worker waits forever for a task that AWS never began";
    // Adapters.
    CopyUnfenced "a copy overwrites an existing object";
    ManifestUnfenced "a manifest overwrites an existing one";
    RangeTooLong "a part's range names one byte too many";
    BucketKeyLeftOut "a copy names no KMS key";
    SnapshotTagsDropped "a restore gives its snapshots no tags";
    FirstPageOnly "only the first page of a listing is read";
    CredentialsKept "a session that AWS refuses keeps its credentials until they expire";
    // The loop.
    DeletedBeforeLook "a message is deleted when it is received";
    RefusedMessageKept "a refused message is not deleted";
    NoHeartbeat "a message whose look takes long is not hidden again";
    SweepsOnce "only the sweep at the start is made";
    SweepFaultIsEnd "a sweep that failed is the last one";
    LookFaultIsEnd "a look that failed is the last one";
    EffectFaultIsEnd "a key whose effect failed is never looked at again";
    DeletionFaultIsEnd "a deletion that failed is the last one";
    IntakeEndsOnFault "a receive that failed ends the worker";
    // Workers and audit.
    ObjectsReadByRole "staged objects are read by the role assumed in the source";
    UploadsLeft "uploads that did not become the object are not aborted";
    AuditTrustsObject "the audit reports everything with an object in the vault as complete";
    AuditTrustsManifest "the audit reports everything with a manifest as complete";
    NotificationForgotten "what the event bus did not take is never told again";
    // Retention.
    NewestPruned "the newest complete recovery point of a family goes if no rule keeps it";
    MinimumIgnored "a family falls below its minimum";
    FloorIgnored "what was complete a moment ago goes";
    FutureCounts "an image that is said to be from the future takes the place of another";
    RepeatCountsAsNew "an image made of old snapshots counts as new for the rules";
    OldestOfPeriodKept "of each day the oldest recovery point stays instead of the newest";
    BrakeOff "any number of recovery points goes in one run";
    LockIgnored "a locked object is not seen as locked";
    ReferencesIgnored "an AMI goes though an instance or a launch template names it";
    UsedSnapshotsDeleted "a snapshot goes though another image uses it";
    DeletedUnrecorded "the first deletion comes before the record of it";
    TombstoneObeyed "a record alone decides what goes, whatever the rules say";
    TombstoneUnread "a worker does not read that a recovery point was given up";
    DoubtsIgnored "a prune deletes though the clock of its machine is wrong";
    NoSecondLook "what goes is not judged again before the first step";
    OtherVersionDeleted "another version of the object is deleted than the recorded one";
    RecordsIgnored "a snapshot that a record names goes as left over";
}

impl Bug {
    /// The mistakes that the plays of retention must notice; the swarm must notice all others.
    pub const RETENTION: &[Self] = &[
        Self::NewestPruned,
        Self::MinimumIgnored,
        Self::FloorIgnored,
        Self::FutureCounts,
        Self::RepeatCountsAsNew,
        Self::OldestOfPeriodKept,
        Self::BrakeOff,
        Self::LockIgnored,
        Self::ReferencesIgnored,
        Self::UsedSnapshotsDeleted,
        Self::DeletedUnrecorded,
        Self::TombstoneObeyed,
        Self::TombstoneUnread,
        Self::DoubtsIgnored,
        Self::NoSecondLook,
        Self::OtherVersionDeleted,
        Self::RecordsIgnored,
    ];

    /// Those of retention that no history can reach: runs of the swarm that end with prunes must notice them.
    pub const PRUNED: &[Self] = &[
        Self::TombstoneUnread,
        Self::DoubtsIgnored,
        Self::NoSecondLook,
        Self::OtherVersionDeleted,
        Self::RecordsIgnored,
    ];

    /// The mistakes that the swarm must notice.
    pub fn of_the_swarm() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|bug| !Self::RETENTION.contains(bug)).collect()
    }
}

/// Whether mistakes can be planted at all.
pub const POSSIBLE: bool = cfg!(feature = "planted-bugs");

/// Whether this is the mistake that is planted on this thread.
#[cfg(not(feature = "planted-bugs"))]
pub const fn has(_bug: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
pub use self::choice::{has, reached, with};

#[cfg(feature = "planted-bugs")]
mod choice {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        static REACHED: RefCell<BTreeSet<Bug>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// Whether this is the mistake that is planted on this thread.
    pub fn has(bug: Bug) -> bool {
        REACHED.with_borrow_mut(|reached| reached.insert(bug));
        PLANTED.get() == Some(bug)
    }

    /// Runs `play` with a mistake. What it starts on other threads has none.
    pub fn with<T>(bug: Bug, play: impl FnOnce() -> T) -> T {
        struct Sound;
        impl Drop for Sound {
            fn drop(&mut self) {
                PLANTED.set(None);
            }
        }
        let _sound = Sound;
        PLANTED.set(Some(bug));
        play()
    }

    /// Runs `play` without a mistake; also says which ones could have mattered on this thread. With
    /// any other the same play would have been the same.
    pub fn reached<T>(play: impl FnOnce() -> T) -> (T, BTreeSet<Bug>) {
        REACHED.take();
        let answer = play();
        (answer, REACHED.take())
    }
}

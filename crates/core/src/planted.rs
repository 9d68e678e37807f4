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
    StoreFailureFinal "a store task that failed is never tried again";
    FailedRestoreAwaited "a restored image that failed is waited for";
    FirstNameOnly "a restore is looked for under its first name only";
    UnfinishedRestoreCounts "a restored image counts while it is still pending";
    SquatterAdopted "an image in the vault is taken for ours because of its name";
    PlaintextRestored "an image is restored while EBS encryption by default is off";
    ProtectionForgotten "the manifest is written before deregistration protection is on";
    SharingIgnored "it does not matter who else may launch a restored image";
    CopyOriginForgotten "a copy is not known again once other bytes are staged";
    LockNotLengthened "a lock that the policy came to demand longer since the copy stays as it is";
    TierIgnored "an image is restored though its policy only archives";
    StartNeverAges "a task that AWS never began is waited for for ever when its answer was lost";
    // Adapters.
    CopyUnfenced "a copy overwrites what is there already";
    ManifestUnfenced "a manifest overwrites what is there already";
    RangeTooLong "a part's range names one byte too many";
    BucketKeyLeftOut "a copy names no KMS key";
    SnapshotTagsDropped "a restore gives its snapshots no tags";
    FirstPageOnly "of a listing only the first page is read";
    CredentialsKept "a session that AWS refuses keeps its credentials until they expire";
    // The loop.
    DeletedBeforeLook "a message is deleted when it is received";
    RefusedMessageKept "a message that is refused is not deleted";
    NoHeartbeat "a message whose look takes long is not hidden anew";
    SweepsOnce "only the sweep at start is made";
    SweepFaultIsEnd "a sweep that failed is the last one";
    LookFaultIsEnd "a look that failed is the last one";
    EffectFaultIsEnd "a key whose effect failed is never looked at again";
    DeletionFaultIsEnd "a deletion that failed is the last one";
    IntakeEndsOnFault "a receive that failed ends the worker";
    // Workers and audit.
    ObjectsReadByRole "staged objects are read by the role assumed in the source";
    UploadsLeft "nobody aborts the uploads that did not become the object";
    AuditTrustsObject "the audit calls complete what has an object in the vault";
    AuditTrustsManifest "the audit calls complete what has a manifest";
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

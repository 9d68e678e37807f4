//! The closed sets that label values come from.

use std::fmt;

/// Declares an enum whose variants are label values.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value, so that each counter can start at zero.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The label value.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

label! {
    /// Whether a vault still has to read a staged object.
    Needed {
        /// One has to.
        Yes "yes",
        /// None reads it again.
        No "no",
    }
}

label! {
    /// Which worker speaks; a demo runs both in one process.
    Worker {
        /// The source worker.
        Source "source",
        /// The target worker.
        Target "target",
    }
}

label! {
    /// A step on an image's way that takes time of its own.
    Stage {
        /// The call that starts a store task.
        Store "store",
        /// EC2's store task, from its start to its end.
        StoreTask "store_task",
        /// The copy into the vault bucket.
        Copy "copy",
        /// The call that starts a restore task.
        Restore "restore",
        /// EC2's restore task, from its start to its end.
        RestoreTask "restore_task",
        /// Protection of a restored image.
        Protect "protect",
        /// Writing the manifest.
        Manifest "manifest",
    }
}

label! {
    /// How something ended.
    Outcome {
        /// As wanted.
        Succeeded "succeeded",
        /// With a fault.
        Failed "failed",
        /// Dropped when the worker stopped.
        Dropped "dropped",
    }
}

label! {
    /// A quota of EC2 that amiferry keeps within.
    Quota {
        /// Data of images in progress to S3.
        Store "store",
        /// Data of images being restored.
        Restore "restore",
    }
}

label! {
    /// What a KMS key is for.
    KeyUse {
        /// It encrypts the vault bucket.
        VaultBucket "vault_bucket",
        /// It is the vault's key of EBS encryption by default.
        Ebs "ebs",
    }
}

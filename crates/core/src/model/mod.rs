//! What AWS says exists: images, snapshots, store tasks, objects, keys. Facts, no judgement.

mod archive;
mod checksum;
mod default_retention;
mod image;
mod key;
mod lifecycle;
mod object;
mod queue_policy;
mod resource_policy;
mod task;

pub use archive::{Archived, Depth, Retrieval, Speed};
pub use checksum::{Checksum, ChecksumAlgorithm, Coverage};
pub use default_retention::DefaultRetention;
pub use image::{
    BlockDevice, DeregistrationProtection, EbsDevice, Image, ImageState, LaunchRules,
    RootDeviceType, Snapshot, SnapshotState, Tags, Virtualization,
};
pub use key::{
    Admitted, Grant, Grantee, KeyFacts, KeyGuard, KeyOperation, KeyPurpose, KeyState, KeyVerdict,
    Probe, refusal_of,
};
pub use lifecycle::LifecycleRule;
pub use object::{ObjectVersion, PartFacts, Retention, RetentionMode, StoredObject};
pub use queue_policy::{Denials, QueuePolicy, Sending};
pub use task::{StoreTask, StoreTaskState};

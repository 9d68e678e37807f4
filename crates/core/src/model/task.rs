//! Store tasks as `DescribeStoreImageTasks` shows them.

use jiff::Timestamp;

use crate::ids::ImageId;

/// One store task. EC2 forgets it 31 days after it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTask {
    /// The image being stored.
    pub image: ImageId,
    /// The bucket as the task was given it; what it shows for a path is undocumented.
    pub bucket: String,
    /// The key of the object, which appears only when the task completes.
    pub key: String,
    pub state: StoreTaskState,
    /// 0 to 100. Accepted tasks wait at 0 in AWS's own queue.
    pub progress: u8,
    /// Why it failed. Text from AWS that may quote names of others.
    pub failure: Option<String>,
    /// When it was accepted.
    pub started: Option<Timestamp>,
}

impl StoreTask {
    /// Whether it may still write its object: also in a state that this version does not know.
    pub fn is_running(&self) -> bool {
        match self.state {
            StoreTaskState::InProgress | StoreTaskState::Other(_) => true,
            StoreTaskState::Completed | StoreTaskState::Failed => false,
        }
    }
}

/// What EC2 says about a store task; states that this version does not know are kept as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreTaskState {
    /// Accepted, not ended.
    InProgress,
    /// The object is there.
    Completed,
    /// It ended without an object.
    Failed,
    /// A state that this version does not know, as EC2 spelled it.
    Other(String),
}

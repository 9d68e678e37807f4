//! What time it is by AWS's clocks.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::fault::Fault;

/// AWS's own time, to hold this machine's clock to it.
#[async_trait]
pub trait TrueTime: Send + Sync {
    /// The time that an answer of AWS carries, to the second; `None` where it carries none.
    async fn now(&self) -> Result<Option<Timestamp>, Fault>;
}

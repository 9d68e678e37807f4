//! Rules of an account's default event bus: which events go where.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::Arn;

/// A rule of the default bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRule {
    pub name: String,
    /// Its ARN, which it shows to a queue that it sends to.
    pub arn: String,
    /// Whether it takes events at all.
    pub is_enabled: bool,
    /// Which events it takes, as EventBridge writes it; `None` of a rule that only has a schedule.
    pub pattern: Option<String>,
}

/// What EventBridge does with events, for an account in a Region.
#[async_trait]
pub trait EventRules: Send + Sync {
    /// The names of the rules of the default bus that send to this target.
    ///
    /// # Errors
    /// A page could not be had: nothing is known then.
    async fn sending_to(&self, target: &Arn) -> Result<Vec<String>, Fault>;

    /// One of them; `None` if it is gone.
    ///
    /// # Errors
    /// EventBridge does not tell.
    async fn rule(&self, name: &str) -> Result<Option<EventRule>, Fault>;

    /// Whether a pattern takes an event, as EventBridge itself judges it. Nothing is sent.
    ///
    /// # Errors
    /// EventBridge does not tell, or refuses the pattern or the event.
    async fn takes(&self, pattern: &str, event: &str) -> Result<bool, Fault>;
}

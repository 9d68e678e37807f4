//! The channel for a sweep's finds; a sweep waits while a party has enough keys to be looked at.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::role::Role;

/// Finds on their way to the loop.
pub(super) const CHANNEL: usize = 64;

/// Where a sweep reports what it finds.
pub struct Found<K> {
    sender: mpsc::Sender<K>,
    gate: Option<Arc<dyn Gate<K>>>,
}

impl<K> fmt::Debug for Found<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").finish_non_exhaustive()
    }
}

/// Waits until more keys of a party may be reported.
#[async_trait]
trait Gate<K>: Send + Sync {
    async fn pass(&self, key: &K);
}

struct PartyGate<R: Role> {
    role: Arc<R>,
    /// Parties that have enough keys to be looked at.
    full: watch::Receiver<BTreeSet<R::Party>>,
}

#[async_trait]
impl<R: Role> Gate<R::Key> for PartyGate<R> {
    async fn pass(&self, key: &R::Key) {
        let party = self.role.party(key);
        if self.full.borrow().contains(&party) {
            // The loop is gone only when the process ends, and the sweep is dropped with it.
            let _ = self.full.clone().wait_for(|full| !full.contains(&party)).await;
        }
    }
}

impl<K: Send + 'static> Found<K> {
    pub(super) fn new<R: Role<Key = K>>(
        sender: mpsc::Sender<K>,
        role: Arc<R>,
        full: watch::Receiver<BTreeSet<R::Party>>,
    ) -> Self {
        Self { sender, gate: Some(Arc::new(PartyGate { role, full })) }
    }

    /// A sink for testing a role's sweep by itself, with the receiving end.
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<K>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self { sender, gate: None }, receiver)
    }

    /// Reports one key; waits while the loop has enough to do for its party, so that an inventory
    /// of any size streams through bounded memory. Reporting a key twice is harmless.
    pub async fn add(&self, key: K) {
        if let Some(gate) = &self.gate {
            gate.pass(&key).await;
        }
        // As above.
        let _ = self.sender.send(key).await;
    }

    /// Waits until the loop has taken all that was reported.
    pub(super) async fn taken(&self) {
        let _ = self.sender.reserve_many(self.sender.max_capacity()).await;
    }
}

//! How many connections are open, and which one makes room for the next.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// Connections served at once; a scraper and a few probes need a handful.
const CONNECTIONS: usize = 32;

/// The places of one server. A new connection always gets one, so that no number of connections that are
/// held open keeps a probe from its answer: if all places are taken, the oldest connection of the peer that
/// has the most loses its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    held: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    peer: IpAddr,
    /// Wakes the connection that loses its place.
    waker: Option<Waker>,
}

impl Places {
    /// A place for a connection of this peer.
    pub(super) fn take(&self, peer: IpAddr) -> Place {
        let mut open = self.open();
        while open.held.len() >= CONNECTIONS {
            let Some(oldest) = open.to_go() else { break };
            if let Some(Held { waker: Some(waker), .. }) = open.held.remove(&oldest) {
                waker.wake();
            }
        }
        let number = open.next;
        open.next += 1;
        open.held.insert(number, Held { peer, waker: None });
        Place { number, places: self.clone() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// The oldest connection of the peer that has the most.
    fn to_go(&self) -> Option<u64> {
        let mut counts: BTreeMap<IpAddr, (usize, u64)> = BTreeMap::new();
        for (number, held) in &self.held {
            let (count, _) = counts.entry(held.peer).or_insert((0, *number));
            *count += 1;
        }
        let most = counts.into_values().max_by_key(|(count, _)| *count);
        most.map(|(_, oldest)| oldest)
    }
}

/// A place, until it is dropped or given to another connection.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    places: Places,
}

impl Place {
    /// Whether another connection has this place now; if not, the task is woken once it has.
    pub(super) fn is_taken(&self, context: &mut Context<'_>) -> bool {
        match self.places.open().held.get_mut(&self.number) {
            Some(held) => {
                held.waker = Some(context.waker().clone());
                false
            }
            None => true,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open().held.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn is_taken(place: &Place) -> bool {
        place.is_taken(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_full_server_makes_room_by_ending_the_oldest_of_the_peer_that_has_most() {
        let places = Places::default();
        let quiet: Vec<Place> = (0..4).map(|_| places.take(peer(1))).collect();
        let greedy: Vec<Place> = (4..CONNECTIONS).map(|_| places.take(peer(2))).collect();
        assert!(quiet.iter().chain(&greedy).all(|place| !is_taken(place)));
        let probe = places.take(peer(1));
        assert!(!is_taken(&probe) && quiet.iter().all(|place| !is_taken(place)));
        let ended: Vec<bool> = greedy.iter().map(is_taken).collect();
        assert_eq!(ended.iter().filter(|taken| **taken).count(), 1);
        assert!(ended[0], "the oldest goes first");
        drop(quiet);
        let next = places.take(peer(3));
        assert!(!is_taken(&next) && !is_taken(&greedy[1]), "what ended by itself left room");
    }
}

//! Which lines about messages the log shows: one a minute for each reason, because a sender can forge any
//! number. Metrics count all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How long no further line of a reason is logged.
const PAUSE: Duration = Duration::from_secs(60);

/// When a line of each reason was last logged, and how many there would have been since.
#[derive(Debug)]
pub(super) struct Seldom<K>(BTreeMap<K, (Instant, u64)>);

impl<K> Default for Seldom<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Seldom<K> {
    /// Notes a line. If it is to be logged, returns how many of its reason were not logged before it.
    pub(super) fn tell(&mut self, reason: K, now: Instant) -> Option<u64> {
        match self.0.get_mut(&reason) {
            Some((told, unlogged)) if now < *told + PAUSE => {
                *unlogged += 1;
                None
            }
            before => {
                let unlogged = before.map_or(0, |(_, unlogged)| *unlogged);
                self.0.insert(reason, (now, 0));
                Some(unlogged)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use amiferry_core::event::RejectCode;

    use super::*;

    #[test]
    fn of_each_reason_one_message_a_minute_is_logged_with_the_number_of_those_that_were_not() {
        let (mut refusals, start) = (Seldom::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(refusals.tell(RejectCode::NotJson, at(0)), Some(0));
        for second in 0..60 {
            assert_eq!(refusals.tell(RejectCode::NotJson, at(second)), None, "{second}");
        }
        assert_eq!(refusals.tell(RejectCode::TooLong, at(1)), Some(0), "another reason");
        assert_eq!(refusals.tell(RejectCode::NotJson, at(60)), Some(60));
        assert_eq!(refusals.tell(RejectCode::NotJson, at(61)), None);
        assert_eq!(refusals.tell(RejectCode::NotJson, at(600)), Some(1));
    }
}

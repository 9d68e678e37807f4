//! Which refused messages the log shows: one a minute for each reason, because a sender can forge any
//! number. The metric counts all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::event::RejectCode;
use tokio::time::Instant;

/// How long no further message of a reason is logged.
const PAUSE: Duration = Duration::from_secs(60);

/// When a message of each reason was last logged, and how many were refused since.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<RejectCode, (Instant, u64)>);

impl Refusals {
    /// Notes a refused message. If it is to be logged, returns how many of its reason were refused and
    /// not logged before it.
    pub(super) fn tell(&mut self, code: RejectCode, now: Instant) -> Option<u64> {
        match self.0.get_mut(&code) {
            Some((told, unlogged)) if now < *told + PAUSE => {
                *unlogged += 1;
                None
            }
            before => {
                let unlogged = before.map_or(0, |(_, unlogged)| *unlogged);
                self.0.insert(code, (now, 0));
                Some(unlogged)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_reason_one_message_a_minute_is_logged_with_the_number_of_those_that_were_not() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
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

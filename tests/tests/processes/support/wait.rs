//! The only way to wait: look again and again until it is so, for two minutes at most.

use std::time::Duration;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks before a wait fails. A machine that is busy with other tests is slow, not wrong.
const LOOKS: u32 = 900;

/// The first answer that a look gives.
///
/// # Panics
/// When none came in time; names what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look() {
            return found;
        }
        pause(PAUSE);
    }
    panic!("waited in vain: {what}");
}

/// Lets time pass between two looks, or before the next blow of a test that breaks things at
/// moments of no meaning. Nothing may depend on what happened meanwhile.
#[expect(clippy::disallowed_methods, reason = "these tests watch other processes from outside")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

//! The only way to wait: check a condition again and again until it holds. How long that takes
//! depends on the machine; one deadline for all waits ends those that would never succeed.

use std::time::Duration;

/// Longer than any step of a test takes on a machine that still gets on: after it, something hangs.
pub const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// The least time between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// The first answer that a look gives.
///
/// # Panics
/// When none came before the deadline; names what was waited for.
#[expect(clippy::disallowed_methods, reason = "what is watched runs in other processes")]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        let before = begun.elapsed();
        if let Some(found) = look() {
            return found;
        }
        let now = begun.elapsed();
        assert!(now < DEADLINE, "waited in vain: {what}");
        // The watched process gets at least as much of the machine as the checks.
        pause(PAUSE.max(now - before));
    }
}

/// Lets time pass between two looks, or before the next blow of a test that breaks things at
/// moments of no meaning. Nothing may depend on what happened meanwhile.
#[expect(clippy::disallowed_methods, reason = "these tests watch other processes from outside")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

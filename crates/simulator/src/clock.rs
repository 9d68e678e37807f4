//! The time of the simulated world: an epoch plus the (possibly paused) tokio clock, optionally
//! faster than it, set forward by hand, or as a machine with a wrong clock sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use amiferry_core::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The world's only clock. Cloning shares the time.
#[derive(Debug, Clone)]
pub struct SimClock {
    epoch: Timestamp,
    started: Instant,
    speed: u32,
    forward: Arc<Forward>,
}

/// How far the clock was set forward by hand, and who sleeps until a time that this may reach.
#[derive(Debug, Default)]
struct Forward {
    microseconds: AtomicI64,
    moved: Notify,
}

impl SimClock {
    /// A clock that shows `epoch` now and follows tokio's clock from here, `speed` times as fast
    /// (0 counts as 1). Must be called inside a tokio runtime.
    pub fn starting_at(epoch: Timestamp, speed: u32) -> Self {
        Self { epoch, started: Instant::now(), speed: speed.max(1), forward: Arc::default() }
    }

    /// Simulated time, to the microsecond.
    pub fn now(&self) -> Timestamp {
        let elapsed = self.started.elapsed().saturating_mul(self.speed);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
        let elapsed = elapsed.saturating_add(self.set_forward());
        self.epoch.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// What it showed when it was made.
    pub fn epoch(&self) -> Timestamp {
        self.epoch
    }

    /// How many times as fast as tokio's clock it runs.
    pub fn speed(&self) -> u32 {
        self.speed
    }

    /// How far it was set forward in all.
    pub fn set_forward(&self) -> SignedDuration {
        SignedDuration::from_micros(self.forward.microseconds.load(Ordering::Relaxed))
    }

    /// Sets it forward at once; every sleeper whose time has now passed wakes. What is due by then
    /// happens at the next access to the world, in order and each at its own time.
    pub fn advance(&self, span: Duration) {
        let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let add = |so_far: i64| Some(so_far.saturating_add(span));
        // The closure never declines, so the update never fails.
        let _ = self.forward.microseconds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        self.forward.moved.notify_waiters();
    }

    /// Waits until the simulated time `until`; returns at once when it has passed.
    pub async fn sleep_until(&self, until: Timestamp) {
        loop {
            // Created before the time is read, so that no move in between is missed.
            let moved = self.forward.moved.notified();
            let Ok(left) = Duration::try_from(until.duration_since(self.now())) else { return };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                biased;
                () = moved => {}
                () = self.pass(left) => return,
            }
        }
    }

    async fn pass(&self, span: Duration) {
        tokio::time::sleep(span / self.speed).await;
    }

    /// Waits for a span of simulated time.
    pub async fn sleep(&self, span: Duration) {
        let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
        self.sleep_until(self.now().saturating_add(span).unwrap_or(Timestamp::MAX)).await;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }
}

/// The clock of one machine, which is ahead of the world's or behind it.
///
/// Give it to a worker in place of the world's clock: it then signs, ages and expires by a wrong
/// time, while AWS goes by the right one. Clones share the error, which can change at any time,
/// also backwards.
#[derive(Debug, Clone)]
pub struct SkewedClock {
    clock: SimClock,
    ahead_microseconds: Arc<AtomicI64>,
}

impl SkewedClock {
    /// A machine whose clock is `ahead` of the world's; a negative span is behind.
    pub fn new(clock: SimClock, ahead: SignedDuration) -> Self {
        let skewed = Self { clock, ahead_microseconds: Arc::default() };
        skewed.set(ahead);
        skewed
    }

    /// Lets the machine's clock jump.
    pub fn set(&self, ahead: SignedDuration) {
        let microseconds = i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX);
        self.ahead_microseconds.store(microseconds, Ordering::Relaxed);
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_micros(self.ahead_microseconds.load(Ordering::Relaxed));
        let now = self.clock.now();
        now.saturating_add(ahead).unwrap_or(if ahead.is_negative() {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(speed: u32) -> SimClock {
        SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap(), speed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_clock_shows_its_multiple_and_sleepers_wake_by_it() {
        let clock = clock(60);
        let real = Instant::now();
        clock.sleep(Duration::from_secs(3_600)).await;
        assert_eq!(real.elapsed(), Duration::from_secs(60));
        assert_eq!(clock.now(), "2026-01-01T01:00:00Z".parse().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn who_sleeps_wakes_when_the_clock_is_set_past_the_time_and_not_before() {
        let clock = clock(1);
        let real = Instant::now();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(7_200)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(3_600));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(3_600));
        sleeper.await.unwrap();
        assert_eq!(real.elapsed(), Duration::ZERO);
        assert_eq!(clock.now(), "2026-01-01T02:00:00Z".parse().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_skewed_clock_is_off_by_its_error_and_can_jump_back() {
        let world = clock(1);
        let machine = SkewedClock::new(world.clone(), SignedDuration::from_mins(20));
        let of_worker: Arc<dyn Clock> = Arc::new(machine.clone());
        assert_eq!(of_worker.now(), "2026-01-01T00:20:00Z".parse().unwrap());
        machine.set(SignedDuration::from_mins(-30));
        assert_eq!(of_worker.now(), "2025-12-31T23:30:00Z".parse().unwrap());
        assert_eq!(world.now(), "2026-01-01T00:00:00Z".parse().unwrap());
    }
}

//! Plays the owners of a demo that keeps running: they keep registering images, so that rates and
//! durations always have values.

use std::time::Duration;

use amiferry_simulator::World;
use amiferry_simulator::landscape::{self, Landscape};
use tokio::time::{Instant, sleep};

/// The time between two images at the beginning.
const SHORTEST: Duration = Duration::from_secs(15);

/// The longest time between two images of a demo that was left running: still several in the 15
/// minutes that dashboards and rules look back.
const LONGEST: Duration = Duration::from_secs(300);

/// Registers one image after another, forever.
pub async fn go_on(world: &World, landscape: &Landscape) {
    let start = Instant::now();
    for before in 0.. {
        sleep(pause(start.elapsed())).await;
        if let Some(release) = landscape::release(landscape, before, world.now()) {
            release.appear(world, landscape);
        }
    }
}

/// How long to wait for the next image. The pauses grow, so that a demo that runs overnight has
/// hundreds of images and not thousands.
fn pause(since_start: Duration) -> Duration {
    (since_start / 40).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_often_at_first_and_a_night_makes_a_few_hundred() {
        let mut elapsed = Duration::ZERO;
        let mut images = Vec::new();
        while elapsed < Duration::from_secs(24 * 3600) {
            elapsed += pause(elapsed);
            images.push(elapsed.as_secs());
        }
        let until = |second| images.iter().filter(|at| **at <= second).count();
        assert_eq!(until(60), 4);
        assert_eq!(until(600), 40);
        assert!((300..600).contains(&images.len()), "{}", images.len());
        let gaps = images.windows(2).map(|two| two[1] - two[0]);
        assert!(gaps.max() <= Some(300), "a rate over 15 minutes always has three images");
    }
}

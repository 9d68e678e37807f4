//! When a family breaks its RPO.

use super::super::breach::{FamilyForecast, Newer, forecast};
use super::{at, now};
use crate::span::Span;

const RPO: Span = Span::from_secs(1_000);

/// An image that was made and will be complete so many seconds from now.
fn image(created: i64, finishes: Option<i64>) -> Newer {
    Newer { created: at(created), finishes: finishes.map(at) }
}

/// When the RPO breaks and is kept again, of a family whose newest complete image is so old.
fn breaks(age: i64, images: &[Newer]) -> (Option<i64>, Option<i64>) {
    seconds(forecast(at(-age), true, RPO, images.iter().copied()))
}

fn seconds(forecast: FamilyForecast) -> (Option<i64>, Option<i64>) {
    let from_now = |time: jiff::Timestamp| time.duration_since(now()).as_secs();
    (forecast.breaks_at.map(from_now), forecast.kept_again_at.map(from_now))
}

#[test]
fn a_family_whose_newer_images_come_in_time_breaks_nothing() {
    assert_eq!(breaks(900, &[]), (None, None), "nothing is known to come");
    assert_eq!(breaks(900, &[image(-10, Some(100))]), (None, None));
    let chain = [image(-500, Some(100)), image(-10, Some(400))];
    assert_eq!(breaks(900, &chain), (None, None), "the first gains time for the second");
}

#[test]
fn an_image_that_comes_too_late_breaks_the_rpo_until_it_is_there() {
    assert_eq!(breaks(900, &[image(-10, Some(101))]), (Some(100), Some(101)));
    let chain = [image(-500, Some(100)), image(-10, Some(501))];
    assert_eq!(breaks(900, &chain), (Some(500), Some(501)));
    let too_old = [image(-800, Some(300)), image(-10, Some(400))];
    assert_eq!(breaks(900, &too_old), (Some(100), Some(400)), "one too old to keep it again");
    assert_eq!(breaks(2_000, &[image(-10, Some(50))]), (Some(-1_000), Some(50)), "it is broken");
}

#[test]
fn an_image_without_a_forecast_helps_no_family() {
    assert_eq!(breaks(900, &[image(-10, None)]), (Some(100), None));
    let other = [image(-10, None), image(-20, Some(50))];
    assert_eq!(breaks(900, &other), (Some(980), None), "it breaks after the other one's time");
    let older = [image(-950, None), image(-950, Some(5))];
    assert_eq!(
        breaks(900, &older),
        (None, None),
        "images older than the complete one do not count"
    );
}

#[test]
fn a_family_without_any_complete_image_is_measured_by_its_oldest() {
    let images = [image(-900, Some(300)), image(-10, Some(101))];
    let found = forecast(at(-900), false, RPO, images);
    assert_eq!(seconds(found), (Some(100), Some(101)));
    assert_eq!(found.newest_at, Some(at(101)));
    let only = forecast(at(-900), false, RPO, [image(-900, Some(99))]);
    assert_eq!(seconds(only), (None, None));
}

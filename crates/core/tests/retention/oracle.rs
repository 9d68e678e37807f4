//! What the rules keep, worked out in the plainest way, without a line of the code under test.

use std::collections::BTreeMap;

use amiferry_core::retention::{Keep, Point};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The first day of a date's period, with the Monday of a date at hand.
type Start = fn(Date, &dyn Fn(Date) -> Date) -> Date;

/// Created more than an hour from now.
pub fn is_in_future(point: &Point, now: Timestamp) -> bool {
    point.created.duration_since(now) > SignedDuration::from_hours(1)
}

/// Whether the rules keep a recovery point among others, for whatever reason.
pub fn keeps(keep: &Keep, floor: SignedDuration, all: &[Point], at: usize, now: Timestamp) -> bool {
    let point = &all[at];
    if is_in_future(point, now) || now.duration_since(point.completed) < floor {
        return true;
    }
    let known: Vec<(usize, &Point)> =
        all.iter().enumerate().filter(|(_, point)| !is_in_future(point, now)).collect();
    let newest = |time: fn(&Point) -> Timestamp| {
        known.iter().max_by_key(|(at, point)| (time(point), point.created, *at)).map(|(at, _)| *at)
    };
    if newest(|p| p.created) == Some(at) || newest(|p| p.data_from) == Some(at) {
        return true;
    }
    let mut order: Vec<(usize, &Point)> = known.clone();
    // The same order for equal ages as the sort of the code under test, which is stable.
    order.sort_by(|(_, one), (_, other)| {
        (other.data_from, other.created).cmp(&(one.data_from, one.created))
    });
    let first_verified = order.iter().find(|(_, point)| point.verified).map(|(at, _)| *at);
    if first_verified == Some(at) {
        return true;
    }
    let rank = order.iter().position(|(other, _)| *other == at).unwrap();
    if rank < keep.last as usize {
        return true;
    }
    if keep.within.is_some_and(|within| now.duration_since(point.data_from) < within.signed()) {
        return true;
    }
    let date = |point: &Point| point.data_from.to_zoned(TimeZone::UTC).date();
    let monday = |date: Date| {
        let back = i64::from(date.weekday().to_monday_zero_offset());
        date.checked_sub(jiff::Span::new().days(back)).unwrap()
    };
    let periods: [(u32, Start); 4] = [
        (keep.daily, |date, _| date),
        (keep.weekly, |date, monday| monday(date)),
        (keep.monthly, |date, _| date.first_of_month()),
        (keep.yearly, |date, _| date.first_of_year()),
    ];
    periods.iter().any(|(count, begins)| {
        let mut newest: BTreeMap<Date, usize> = BTreeMap::new();
        for (other, point) in order.iter().rev() {
            newest.insert(begins(date(point), &monday), *other);
        }
        newest.values().rev().take(*count as usize).any(|other| *other == at)
    })
}

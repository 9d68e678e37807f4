//! The status page: what it says about which facts, and what its HTML must never contain.

mod html;
mod style;
mod view;

use amiferry_core::code::Code;
use amiferry_core::span::Span;
use jiff::{SignedDuration, Timestamp};

use super::fixture::{now, point, policies};
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, State};
use crate::page::view::{Facts, View, WorkerState};
use crate::report::Report;

pub(super) fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// A complete recovery point of a family of `daily`.
pub(super) fn complete(number: u32, family: &str, age: i64) -> RecoveryPoint {
    RecoveryPoint { family: family.to_owned(), ..point(number, hours(age), State::Complete) }
}

/// One that is not complete.
pub(super) fn open(number: u32, family: &str, age: i64, state: State, code: Code) -> RecoveryPoint {
    RecoveryPoint { family: family.to_owned(), code, ..point(number, hours(age), state) }
}

pub(super) fn inventory(points: impl IntoIterator<Item = RecoveryPoint>) -> Inventory {
    Inventory { recovery_points: points.into_iter().collect(), ..Inventory::default() }
}

fn unreachable_source(reason: &str) -> NotAssessed {
    NotAssessed {
        source_account: "333333333333".parse().unwrap(),
        source_region: "eu-west-1".parse().unwrap(),
        source_image_id: None,
        reason: reason.to_owned(),
    }
}

pub(super) fn view_of(inventory: Inventory) -> View {
    view_at(inventory, Some(now()), None)
}

fn view_at(
    inventory: Inventory,
    known_at: Option<Timestamp>,
    worker: Option<&WorkerState>,
) -> View {
    let report = Report::new(inventory, &policies(), now());
    let old_after = Span::from_secs(1_800);
    crate::page::view::view(Facts { report: &report, known_at, old_after, worker, now: now() })
}

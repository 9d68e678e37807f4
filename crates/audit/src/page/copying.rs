//! How the page describes a running copy: how much is copied, how fast, and how long the rest
//! takes.

use amiferry_core::copy_progress::CopyProgress;
use jiff::Timestamp;

use crate::render::span;

/// How far a copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRow {
    /// In thousandths.
    pub permille: u16,
    /// How much of how much.
    pub amount: String,
    /// How fast, and how long it will take; `None` before there is anything to tell by.
    pub pace: Option<String>,
}

/// How far a copy is.
pub(super) fn row(progress: &CopyProgress, now: Timestamp) -> CopyRow {
    let pace = |rate| {
        let left = i64::try_from(progress.seconds_left(now)?).ok()?;
        Some(format!("{}/s, {} left", size(rate), span(left)))
    };
    CopyRow {
        permille: progress.permille(),
        amount: format!("{} of {} copied", size(progress.done()), size(progress.total())),
        pace: progress.rate(now).and_then(pace),
    }
}

/// A number of bytes in the largest unit of which there is at least one, rounded down to a tenth.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10)),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_the_unit_that_fits_and_never_more_than_there_is() {
        for (bytes, said) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_999_999, "1.9 MB"),
            (64 << 20, "67.1 MB"),
            (999_999_999_999, "999.9 GB"),
            (5_000_000_000_000, "5.0 TB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}

//! What no order can beat, whatever it knows of the future.

use amiferry_core::pacing::CallRate;

use super::fixture::{ARRIVALS, Fixture, HOUR, SECOND};
use super::simulation::{HORIZON, QUOTAS_GB, copy, task, unavoidable};

/// A lower bound on the hours over RPO that an order could avoid.
///
/// It counts each family until its first new image is complete, or no more images come. The first k families cannot be
/// there before the k-th shortest chain of store, copy and restore has ended, nor before the k-th
/// create call, nor before either quota had room for the k smallest tasks. These times are matched
/// with the families' deadlines in the way that is best for the sum.
pub fn hours(fixture: &Fixture) -> f64 {
    let mut first = vec![(i64::MAX, 0); fixture.families.len()];
    for image in &fixture.images {
        let chain = 2 * task(image.size_gb) + copy(image.size_gb);
        let end = image.created.max(0) + chain;
        first[image.family] = first[image.family].min((end, image.size_gb));
    }
    let mut chains: Vec<i64> = first.iter().map(|(end, _)| *end).collect();
    let mut sizes: Vec<u64> = first.iter().map(|(_, size_gb)| *size_gb).collect();
    let mut deadlines: Vec<i64> =
        fixture.families.iter().map(|family| (family.complete + family.rpo).max(0)).collect();
    chains.sort_unstable();
    sizes.sort_unstable();
    deadlines.sort_unstable();
    let CallRate { burst, refill } = CallRate::default();
    let refill = i64::try_from(refill.signed().as_millis()).unwrap();
    let mut over = 0;
    for (position, (chain, deadline)) in chains.iter().zip(deadlines).enumerate() {
        let calls = i64::try_from(position + 1).unwrap() - i64::from(burst);
        let call = calls.max(0) * refill + chains[0];
        let room = QUOTAS_GB.map(|limit_gb| room(&sizes[..=position], limit_gb.cast_signed()));
        let end = room.into_iter().fold(call.max(*chain), i64::max);
        over += (end.min(ARRIVALS) - deadline).max(0);
    }
    (over - unavoidable(fixture, ARRIVALS)).max(0) as f64 / HOUR as f64
}

/// The earliest time at which tasks of these ascending sizes can all have ended. At each moment,
/// those that run are less than the quota without the one that was started last, so nothing is
/// gained by taking that to be the largest: the quota must hold what is left of all the areas when
/// the tallest are taken away for as long as there is time.
fn room(sizes: &[u64], limit_gb: i64) -> i64 {
    let fits = |time: i64| {
        let (mut free, mut area) = (time, 0);
        for size_gb in sizes.iter().rev() {
            let taken = free.min(task(*size_gb));
            free -= taken;
            area += size_gb.cast_signed() * (task(*size_gb) - taken);
        }
        area <= limit_gb * time
    };
    let (mut least, mut most) = (0, HORIZON);
    while most - least > SECOND {
        let middle = i64::midpoint(least, most);
        if fits(middle) { most = middle } else { least = middle }
    }
    least
}

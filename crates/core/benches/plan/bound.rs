//! What no order can beat, whatever it knows of the future.

use amiferry_core::pacing::CallRate;

use super::fixture::{Fixture, HOUR};
use super::simulation::{QUOTAS_GB, copy, task, unavoidable};

/// A lower bound on the hours over RPO that an order could avoid.
///
/// It counts each family until its first new image is complete. The first k families cannot be
/// there before the k-th shortest chain of store, copy and restore has ended, nor before the k-th
/// create call, nor before either quota had room for the k smallest tasks. A quota counts as if the
/// largest image were always in progress on top of it, which AWS's rule allows. These times are
/// matched with the families' deadlines in the way that is best for the sum.
pub fn hours(fixture: &Fixture) -> f64 {
    let mut first = vec![None; fixture.families.len()];
    for image in &fixture.images {
        let chain = 2 * task(image.size_gb) + copy(image.size_gb);
        let end = image.created.max(0) + chain;
        let best: &mut Option<(i64, u64)> = &mut first[image.family];
        if best.is_none_or(|(earliest, _)| end < earliest) {
            *best = Some((end, image.size_gb));
        }
    }
    let largest = fixture.images.iter().map(|image| image.size_gb).max().unwrap_or_default();
    let mut chains: Vec<i64> = first.iter().flatten().map(|(end, _)| *end).collect();
    let mut sizes: Vec<u64> = first.iter().flatten().map(|(_, size_gb)| *size_gb).collect();
    let mut deadlines: Vec<i64> =
        fixture.families.iter().map(|family| (family.complete + family.rpo).max(0)).collect();
    chains.sort_unstable();
    sizes.sort_unstable();
    deadlines.sort_unstable();
    let CallRate { burst, refill } = CallRate::default();
    let refill = i64::try_from(refill.signed().as_millis()).unwrap();
    let shortest = chains.first().copied().unwrap_or_default();
    let (mut area, mut over) = (0, 0);
    for (position, ((chain, size_gb), deadline)) in
        chains.iter().zip(sizes).zip(deadlines).enumerate()
    {
        area += size_gb.cast_signed() * task(size_gb);
        let room = QUOTAS_GB.map(|limit_gb| area / (limit_gb + largest).cast_signed());
        let room = room.into_iter().max().unwrap();
        let calls = i64::try_from(position + 1).unwrap() - i64::from(burst);
        let call = calls.max(0) * refill + shortest;
        over += (room.max(call).max(*chain) - deadline).max(0);
    }
    (over - unavoidable(fixture)).max(0) as f64 / HOUR as f64
}

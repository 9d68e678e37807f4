//! Finds the few things that a failure needs, by leaving others out.

use crate::plan::Plan;
use crate::play::play;

/// A smallest set of indexes of the plan's mischief with which the same invariant still breaks,
/// within a number of runs. Without one entry more of them it does not, if the runs sufficed.
pub fn smallest(plan: &Plan, invariant: &str, mut runs: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..plan.mischief.len()).collect();
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 && runs > 0 {
        let mut at = 0;
        let mut removed = false;
        while at < kept.len() && runs > 0 {
            let mut fewer = kept.clone();
            fewer.drain(at..(at + chunk).min(kept.len()));
            runs -= 1;
            let fails = play(&plan.with_only(&fewer));
            if fails.wrongs.iter().any(|wrong| wrong.invariant == invariant) {
                kept = fewer;
                removed = true;
            } else {
                at += chunk;
            }
        }
        if !removed || chunk > 1 {
            chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
        }
    }
    kept
}

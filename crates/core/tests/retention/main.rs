//! Random histories of recovery points under random rules: what goes, and what may never go.

#[cfg(test)]
mod histories;
#[cfg(test)]
mod model;
#[cfg(test)]
mod oracle;

#[cfg(test)]
mod tests {
    use super::histories::play;

    /// How many histories a plain run of the tests plays: a hundredth of the recorded run.
    const HISTORIES: u64 = 1_000;

    #[expect(clippy::disallowed_methods, reason = "a test has no other options")]
    fn histories() -> u64 {
        let told = std::env::var("AMIFERRY_HISTORIES").ok();
        told.map_or(HISTORIES, |text| text.parse().unwrap())
    }

    /// `AMIFERRY_HISTORIES=100000` plays as many as `docs/reliability.md` records.
    #[test]
    fn no_history_loses_what_must_stay() {
        let mut sums = [0_usize; 3];
        for seed in 0..histories() {
            let played = play(seed);
            assert!(played.wrongs.is_empty(), "seed {seed}: {:#?}", played.wrongs);
            for (sum, count) in sums.iter_mut().zip([played.points, played.gone, played.held]) {
                *sum += count;
            }
        }
        let [points, gone, held] = sums;
        eprintln!("{points} recovery points, {gone} gone, {held} times held back");
        // Something goes, and something is held: the plays are not empty.
        assert!(gone * 10 > points && held > 0, "{points} {gone} {held}");
    }
}

//! Waits that grow, with full jitter, from a seed that is handed in.

use std::time::Duration;

/// A splitmix64 generator: nothing here needs more than spread.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Somewhere in `0..=bound`.
    pub(super) fn up_to(&mut self, bound: u64) -> u64 {
        match bound.checked_add(1) {
            Some(bound) => ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64,
            None => self.next(),
        }
    }
}

/// `first * 2^(failures - 1)`, at most `max`.
pub(super) fn ceiling(first: Duration, max: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    first.saturating_mul(1 << doublings).min(max)
}

/// Full jitter: anything from a millisecond to the ceiling, so that a fleet that failed together
/// does not come back together. Not 0, so that a loop always lets time pass.
pub(super) fn jittered(random: &mut Random, ceiling: Duration) -> Duration {
    let floor = Duration::from_millis(1).min(ceiling);
    let spread = ceiling.saturating_sub(floor).as_nanos() as u64;
    floor + Duration::from_nanos(random.up_to(spread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum() {
        let at = |n| ceiling(Duration::from_secs(1), Duration::from_mins(1), n).as_secs();
        assert_eq!([0, 1, 2, 3, 6, 7, 40, u32::MAX].map(at), [1, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn jitter_fills_the_range_and_repeats_with_its_seed() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..1_000).map(|_| jittered(&mut random, Duration::from_secs(1))).collect::<Vec<_>>()
        };
        let waits = draw(7);
        assert_eq!(waits, draw(7));
        assert_ne!(waits, draw(8));
        assert!(waits.iter().all(|it| *it >= Duration::from_millis(1)));
        assert!(waits.iter().all(|it| *it <= Duration::from_secs(1)));
        assert!(waits.iter().any(|it| *it < Duration::from_millis(100)));
        assert!(waits.iter().any(|it| *it > Duration::from_millis(900)));
    }
}

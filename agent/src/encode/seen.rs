//! When bytes were read first, as journals keep it.

use serde::{Deserialize, Serialize};

use super::Day;

/// A wall clock's seconds since 1970. What tells the times of two lines apart is when they were
/// written, and a journal's entry for each of them would cost more than it tells.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seen(i64);

/// How far a clock may go back without the times of lines going back with it: they are sorted by
/// them. A clock that was wrong by more is not followed for ever.
const CLOCK_BACK_SECONDS_MAX: i64 = 60;

impl Seen {
    pub fn of_wall(wall_ns: i64) -> Self {
        Self(wall_ns.div_euclid(1_000_000_000))
    }

    pub fn of_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    pub fn seconds(self) -> i64 {
        self.0
    }

    /// What follows on `last`.
    #[must_use]
    pub fn not_before(self, last: Self) -> Self {
        let back = last.0.saturating_sub(self.0);
        if (1..=CLOCK_BACK_SECONDS_MAX).contains(&back) { last } else { self }
    }

    /// As an event's time.
    pub(super) fn text(self) -> [u8; 30] {
        let mut time = Day::from_epoch_days(self.0.div_euclid(86_400)).midnight();
        let second = self.0.rem_euclid(86_400);
        for (at, number) in [(11, second / 3_600), (14, second / 60 % 60), (17, second % 60)] {
            time[at] = b'0' + (number / 10) as u8;
            time[at + 1] = b'0' + (number % 10) as u8;
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        let check = |wall_ns: i64, expect: &str| {
            assert_eq!(Seen::of_wall(wall_ns).text(), expect.as_bytes());
        };
        check(0, "1970-01-01T00:00:00.000000000Z");
        check(-1, "1969-12-31T23:59:59.000000000Z");
        check(1_764_384_245_999_999_999, "2025-11-29T02:44:05.000000000Z");
    }

    #[test]
    fn times_go_back_only_with_a_clock_that_was_wrong() {
        let check = |last, now, expect| assert_eq!(Seen(now).not_before(Seen(last)), Seen(expect));
        check(100, 100, 100);
        check(100, 99, 100);
        check(100, 40, 100);
        check(100, 39, 39);
        check(100, 101, 101);
        check(0, 20_000, 20_000);
    }
}

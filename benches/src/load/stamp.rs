//! Times as Docker writes them.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub u64);

impl Stamp {
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_nanos() as u64)
    }

    /// RFC 3339 with the trailing zeros of the fraction dropped, and the point with them.
    pub fn write_trimmed(self, into: &mut Vec<u8>) {
        let mut nanos = self.0 % 1_000_000_000;
        self.write_seconds(into);
        if nanos > 0 {
            let mut width = 9;
            while nanos.is_multiple_of(10) {
                nanos /= 10;
                width -= 1;
            }
            write!(into, ".{nanos:0width$}").expect("a Vec takes every write");
        }
        into.push(b'Z');
    }

    pub fn trimmed(self) -> String {
        let mut text = Vec::with_capacity(30);
        self.write_trimmed(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// RFC 3339 with nine digits: 30 characters.
    pub fn padded(self) -> String {
        let mut text = Vec::with_capacity(30);
        self.write_seconds(&mut text);
        write!(text, ".{:09}Z", self.0 % 1_000_000_000).expect("a Vec takes every write");
        String::from_utf8_lossy(&text).into_owned()
    }

    fn write_seconds(self, into: &mut Vec<u8>) {
        let seconds = self.0 / 1_000_000_000;
        let (year, month, day) = civil(seconds / 86_400);
        let of_day = seconds % 86_400;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(into, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
            .expect("a Vec takes every write");
    }
}

/// Year, month and day of a day since 1970. Counts from March, so that the leap day is the last
/// of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Where a writer has its times from.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    /// The same times on every run: each reading is `step_nanos` after the one before.
    Steps {
        next: Stamp,
        step_nanos: u64,
    },
}

impl Clock {
    /// Begins on 2026-01-02 03:04:05 UTC and goes on by a little more than 0.1 ms at a time, so
    /// that fractions of all widths occur.
    pub fn steps() -> Self {
        Self::Steps { next: Stamp(1_767_323_045_000_000_000), step_nanos: 123_456_700 / 1000 }
    }

    pub fn read(&mut self) -> Stamp {
        match self {
            Self::System => Stamp::now(),
            Self::Steps { next, step_nanos } => {
                let stamp = *next;
                next.0 += *step_nanos;
                stamp
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_are_dropped() {
        let check = |nanos: u64, trimmed: &str, padded: &str| {
            assert_eq!(Stamp(nanos).trimmed(), trimmed);
            assert_eq!(Stamp(nanos).padded(), padded);
        };
        check(0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000000Z");
        check(1_500_000_000, "1970-01-01T00:00:01.5Z", "1970-01-01T00:00:01.500000000Z");
        check(1_000_000_001, "1970-01-01T00:00:01.000000001Z", "1970-01-01T00:00:01.000000001Z");
        check(
            1_709_210_096_123_456_780,
            "2024-02-29T12:34:56.12345678Z",
            "2024-02-29T12:34:56.123456780Z",
        );
        check(1_798_761_599_000_000_000, "2026-12-31T23:59:59Z", "2026-12-31T23:59:59.000000000Z");
        assert_eq!(Clock::steps().read().trimmed(), "2026-01-02T03:04:05Z");
    }
}

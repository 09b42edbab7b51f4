//! Calendar days, as far as index names and journals need them.

use serde::{Deserialize, Serialize};

/// Days since 1970-01-01.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Day(i32);

/// The first and the last day that four digits of the year can name.
const FIRST: i32 = -719_528;
const LAST: i32 = 2_932_896;

impl Day {
    /// Days beyond the years 0 to 9999 become the nearest one within.
    pub fn from_epoch_days(days: i64) -> Self {
        Self(days.clamp(i64::from(FIRST), i64::from(LAST)) as i32)
    }

    pub fn epoch_days(self) -> i32 {
        self.0
    }

    /// Of a date in the proleptic Gregorian calendar.
    pub fn from_date(year: i32, month: u8, day: u8) -> Self {
        // Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March.
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = (i32::from(month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i32::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self::from_epoch_days(i64::from(era * 146_097 + day_of_era - 719_468))
    }

    /// Year, month, day.
    pub fn date(self) -> (i32, u8, u8) {
        let days = self.0.clamp(FIRST, LAST) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year_of_era + era * 400 + i32::from(month <= 2), month as u8, day as u8)
    }

    /// `YYYY<separator>MM<separator>DD`.
    pub(super) fn text(self, separator: u8) -> [u8; 10] {
        let (year, month, day) = self.date();
        let digit = |value: i32| b'0' + (value % 10) as u8;
        let (month, day) = (i32::from(month), i32::from(day));
        [
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            separator,
            digit(month / 10),
            digit(month),
            separator,
            digit(day / 10),
            digit(day),
        ]
    }

    /// Midnight of this day, as an event's time.
    pub(super) fn midnight(self) -> [u8; 30] {
        let mut time = *b"0000-00-00T00:00:00.000000000Z";
        time[..10].copy_from_slice(&self.text(b'-'));
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_comes_back() {
        let mut before = Day(FIRST);
        assert_eq!(before.date(), (0, 1, 1));
        assert_eq!(Day(LAST).date(), (9999, 12, 31));
        assert_eq!(Day(0).date(), (1970, 1, 1));
        for days in FIRST..=LAST {
            let (year, month, day) = Day(days).date();
            assert_eq!(Day::from_date(year, month, day), Day(days));
            assert!(Day(days).date() >= before.date());
            before = Day(days);
        }
    }

    #[test]
    fn text_and_bounds() {
        assert_eq!(&Day::from_date(2026, 11, 5).text(b'.'), b"2026.11.05");
        assert_eq!(&Day::from_date(1, 1, 1).midnight(), b"0001-01-01T00:00:00.000000000Z");
        assert_eq!(Day::from_epoch_days(i64::MAX).date(), (9999, 12, 31));
        assert_eq!(Day::from_epoch_days(i64::MIN).date(), (0, 1, 1));
    }
}

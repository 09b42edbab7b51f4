//! From a record's time to the name of its index.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use super::{Day, Seen};
use crate::core::{FieldRules, JoinRules};
use crate::decode::{Clock, Extractor};

/// Elasticsearch's limit on a name, less the `-YYYY.MM.DD` that is put behind it.
const TARGET_BYTES_MAX: usize = 255 - 11;

/// What shapes the documents of a file besides its bytes, as its journal keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Of the index names; already sanitised.
    pub target: String,
    /// In which a day begins and ends.
    pub zone: Zone,
    /// The longest escaped text of a joined event.
    pub event_bytes_max: u32,
    /// What fields the text has.
    pub fields: FieldRules,
    /// Which lines are one event; each is one without.
    pub join: Option<JoinRules>,
}

/// A time zone that means the same on every node and after every restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Zone {
    #[default]
    Utc,
    /// East of UTC.
    Fixed { seconds: i32 },
    /// Of the tz database, for example `Europe/Berlin`.
    Named(String),
}

/// A zone that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ZoneError {
    /// Neither in the system's tz database nor in the one that is built in.
    #[error("unknown time zone `{0}`")]
    Unknown(String),
    /// No civil day is that far from UTC.
    #[error("time zone offset of {0} s is out of range")]
    Range(i32),
}

impl Zone {
    /// As written in a configuration: `UTC`, `local`, `+08:00`, `Asia/Shanghai`.
    ///
    /// `local` is settled here, so that what is kept does not change with the node it is read on.
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        if text.eq_ignore_ascii_case("utc") || text == "Z" {
            return Ok(Self::Utc);
        }
        if text.eq_ignore_ascii_case("local") {
            return Ok(Self::local());
        }
        if let Some(seconds) = offset_seconds(text) {
            let zone = Self::Fixed { seconds };
            return zone.time_zone().map(|_| zone);
        }
        let zone = Self::Named(text.to_owned());
        zone.time_zone().map(|_| zone)
    }

    /// The system's: by name if it has one, else its present offset.
    pub fn local() -> Self {
        let zone = TimeZone::system();
        match zone.iana_name() {
            Some("UTC" | "Etc/UTC") => Self::Utc,
            Some(name) => Self::Named(name.to_owned()),
            None => match zone.to_offset(Timestamp::now()).seconds() {
                0 => Self::Utc,
                seconds => Self::Fixed { seconds },
            },
        }
    }

    fn time_zone(&self) -> Result<TimeZone, ZoneError> {
        match self {
            Self::Utc => Ok(TimeZone::UTC),
            Self::Fixed { seconds } => Offset::from_seconds(*seconds)
                .map(TimeZone::fixed)
                .map_err(|_| ZoneError::Range(*seconds)),
            Self::Named(name) => TimeZone::get(name).map_err(|_| ZoneError::Unknown(name.clone())),
        }
    }
}

/// `+08:00`, `-0330`, `+8` in seconds.
fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "0"),
    };
    let plain = |part: &str| {
        let digits =
            !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
        if digits { part.parse::<i32>().ok() } else { None }
    };
    let (hours, minutes) = (plain(hours)?, plain(minutes)?);
    (minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Rules made ready for use.
#[derive(Clone, Debug)]
pub struct Target {
    rules: Rules,
    zone: TimeZone,
    extractor: Option<Arc<Extractor>>,
}

/// A time that a text says counts for the name of an index if its day is this near to the day on
/// which the text was read: nobody can create an index for every day of nine thousand years.
const TEXT_DAYS_MAX: u32 = 3;

impl Target {
    /// The rules' fields were checked when their declaration was read; where an older release took
    /// what this one does not, texts stay as they are.
    pub fn new(rules: Rules) -> Result<Self, ZoneError> {
        let zone = rules.zone.time_zone()?;
        let extractor = Extractor::shared(&rules.fields);
        Ok(Self { rules, zone, extractor })
    }

    /// `None` if texts stay as they are.
    #[inline]
    pub(super) fn extractor(&self) -> Option<&Arc<Extractor>> {
        self.extractor.as_ref()
    }

    pub(super) fn clock(&self, day: Day) -> Clock<'_> {
        let (year, month, day) = day.date();
        let today = Date::new(year as i16, month as i8, day as i8).unwrap_or_default();
        Clock { zone: &self.zone, today }
    }

    /// The day of a time that a text says, if it can be, else the day of reading.
    pub(super) fn day_of_text(&self, time: &[u8; 30], read: Day) -> Day {
        let said = self.day(time);
        let apart = said.epoch_days().abs_diff(read.epoch_days());
        if apart <= TEXT_DAYS_MAX { said } else { read }
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The day on which bytes were read.
    pub fn day_of(&self, seen: Seen) -> Day {
        self.day_at(seen.seconds())
    }

    /// The day of a record's time.
    ///
    /// Seconds do not count. No zone of our days has an offset with seconds, and so a day is a
    /// function of the part of the time that a cache is asked with.
    pub(super) fn day(&self, time: &[u8; 30]) -> Day {
        let number = |at: usize| i64::from(time[at] & 15) * 10 + i64::from(time[at + 1] & 15);
        let year = number(0) * 100 + number(2);
        let day = Day::from_date(year as i32, number(5) as u8, number(8) as u8);
        self.day_at(i64::from(day.epoch_days()) * 86_400 + number(11) * 3_600 + number(14) * 60)
    }

    /// `<target>-YYYY.MM.DD`.
    pub(super) fn index(&self, day: Day) -> Arc<str> {
        let (year, month, day) = day.date();
        format!("{}-{year:04}.{month:02}.{day:02}", self.rules.target).into()
    }

    fn day_at(&self, second: i64) -> Day {
        let offset = match Timestamp::from_second(second) {
            Ok(time) => self.zone.to_offset(time).seconds(),
            Err(_) => 0,
        };
        Day::from_epoch_days((second + i64::from(offset)).div_euclid(86_400))
    }
}

/// What was changed in a name to make it one of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    pub given: String,
    pub used: String,
}

impl fmt::Display for Renamed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "target {:?} is no name for an index (lower case, none of \\/*?\"<>|,#: or space, \
             no -_+. in front, at most {TARGET_BYTES_MAX} bytes), {:?} is used",
            self.given, self.used
        )
    }
}

/// Makes a name of an index out of what a tenant wrote.
///
/// A name of which nothing is left becomes `sluice`.
pub fn sanitise(given: &str) -> (String, Option<Renamed>) {
    let mut used: String = given
        .to_lowercase()
        .chars()
        .map(|c| match c {
            '\\' | '/' | '*' | '?' | '"' | '<' | '>' | '|' | ',' | '#' | ':' => '_',
            c if c.is_whitespace() || c.is_control() => '_',
            c => c,
        })
        .collect();
    used.drain(..used.len() - used.trim_start_matches(['-', '_', '+', '.']).len());
    used.truncate(used.floor_char_boundary(TARGET_BYTES_MAX));
    if used.is_empty() {
        "sluice".clone_into(&mut used);
    }
    let renamed = (used != given).then(|| Renamed { given: given.to_owned(), used: used.clone() });
    (used, renamed)
}

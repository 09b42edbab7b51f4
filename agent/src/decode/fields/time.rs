//! The time that the text of an event has.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::FieldError;

/// What a time that does not say everything is completed with.
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a> {
    /// For a time without one.
    pub zone: &'a TimeZone,
    /// When the text was read, by its file's journal.
    pub today: Date,
}

/// Where a text has its time, and how that is written.
#[derive(Debug)]
pub(super) struct TimeRule {
    key: String,
    /// In jiff's notation, tried one after the other; ISO 8601 if there are none.
    formats: Vec<String>,
}

/// A number of seconds that would lie beyond the year 5138 is one of milliseconds.
const SECONDS_MAX: f64 = 1e11;

impl TimeRule {
    /// No rule if neither is given: the time of the event is when it was read, as in log-pilot.
    pub(super) fn new(key: Option<&str>, format: Option<&str>) -> Result<Option<Self>, FieldError> {
        if key.is_none() && format.is_none() {
            return Ok(None);
        }
        let formats = match format {
            Some(format) => translate(format)?,
            None => Vec::new(),
        };
        // fluentd's name where none is given.
        Ok(Some(Self { key: key.unwrap_or("time").to_owned(), formats }))
    }

    pub(super) fn access_log() -> Self {
        Self { key: "time".into(), formats: vec!["%d/%b/%Y:%H:%M:%S %z".into()] }
    }

    pub(super) fn error_log() -> Self {
        Self { key: "time".into(), formats: vec!["%b %d %H:%M:%S%.f %Y".into()] }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The time of a JSON value, with nine digits of fraction in UTC.
    pub(super) fn read(&self, value: &[u8], clock: &Clock<'_>) -> Option<[u8; 30]> {
        let value = std::str::from_utf8(value).ok()?;
        let text = value.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let time = match text {
            // An escape is nothing that a time has.
            Some(text) => self.of_text(text.trim(), clock)?,
            None if self.formats.is_empty() => of_number(value)?,
            None => self.of_text(value, clock)?,
        };
        written(time)
    }

    fn of_text(&self, text: &str, clock: &Clock<'_>) -> Option<Timestamp> {
        if self.formats.is_empty() {
            if let Ok(time) = text.parse::<Timestamp>() {
                return Some(time);
            }
            return in_zone(text.parse::<DateTime>().ok()?, clock);
        }
        let zulu = text.strip_suffix('Z').map(|text| format!("{text}+0000"));
        self.formats.iter().find_map(|format| {
            let parse = |text: &str| strtime::parse(format, text).ok();
            completed(parse(text).or_else(|| parse(zulu.as_deref()?))?, clock)
        })
    }
}

/// Ruby's notation in jiff's, and whether jiff takes it.
fn translate(format: &str) -> Result<Vec<String>, FieldError> {
    let fault = |fault: String| FieldError::TimeFormat { format: format.to_owned(), fault };
    let mut out = String::with_capacity(format.len());
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        if c != '%' {
            continue;
        }
        let mut directive = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            directive.push(digit);
        }
        match rest.next() {
            // Parts of a second, of as many digits as there are.
            Some('L' | 'N') => out.push('f'),
            Some('Z') => {
                return Err(fault("%Z, the short name of a zone, is not unique; use %z".into()));
            }
            Some(other) => {
                out.push_str(&directive);
                out.push(other);
            }
            None => return Err(fault("a % stands at its end".into())),
        }
    }
    // What cannot be written cannot be read either, and what was written must be readable.
    let sample = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    let sample = strtime::format(&out, &sample).map_err(|error| fault(error.to_string()))?;
    strtime::parse(&out, &sample).map_err(|error| fault(error.to_string()))?;
    let with_colon = out.contains("%z").then(|| out.replace("%z", "%:z"));
    Ok([Some(out), with_colon].into_iter().flatten().collect())
}

fn in_zone(time: DateTime, clock: &Clock<'_>) -> Option<Timestamp> {
    clock.zone.to_timestamp(time).ok()
}

/// The instant of what was read; what it does not say comes from the day of reading.
fn completed(mut time: BrokenDownTime, clock: &Clock<'_>) -> Option<Timestamp> {
    if let Ok(time) = time.to_timestamp() {
        return Some(time);
    }
    let today = clock.today;
    let has_week = time.iso_week().is_some() || time.day_of_year().is_some();
    let no_year = time.year().is_none() && !has_week;
    if no_year {
        time.set_year(Some(today.year())).ok()?;
        if time.month().is_none() && time.day().is_none() {
            time.set_month(Some(today.month())).ok()?;
            time.set_day(Some(today.day())).ok()?;
        }
    }
    let mut date = time.to_date().ok()?;
    if no_year {
        // A line of December is read in January, hardly ever the other way round.
        let ahead = today.until(date).ok()?.get_days();
        if ahead > 180 {
            date = date.with().year(date.year() - 1).build().ok()?;
        } else if ahead < -180 {
            date = date.with().year(date.year() + 1).build().ok()?;
        }
    }
    let clock_time = if time.hour().is_some() { time.to_time().ok()? } else { Time::midnight() };
    let local = DateTime::from_parts(date, clock_time);
    match time.offset() {
        Some(offset) => offset.to_timestamp(local).ok(),
        None => in_zone(local, clock),
    }
}

/// Seconds since 1970, or milliseconds.
fn of_number(value: &str) -> Option<Timestamp> {
    if let Ok(number) = value.parse::<i64>() {
        return if (number as f64).abs() < SECONDS_MAX {
            Timestamp::from_second(number).ok()
        } else {
            Timestamp::from_millisecond(number).ok()
        };
    }
    let number = value.parse::<f64>().ok()?;
    let seconds = if number.abs() < SECONDS_MAX { number } else { number / 1e3 };
    // A double has no more than microseconds of the present.
    let micros = (seconds * 1e6).round();
    if micros.abs() >= 9e17 {
        return None;
    }
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_micros(micros as i64)).ok()
}

/// As the times of records are written; none before the year 0.
fn written(time: Timestamp) -> Option<[u8; 30]> {
    let text = time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
    text.as_bytes().try_into().ok().filter(|text: &[u8; 30]| text[0] != b'-')
}

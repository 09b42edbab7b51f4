//! Times of records, brought to one width.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

/// RFC 3339 in UTC with nine digits of fraction: `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`.
pub(super) type TimeText = [u8; 30];

const ZERO: &TimeText = b"0000-00-00T00:00:00.000000000Z";

/// Reads times as Docker writes them. Most lines share their minute with the line before, so
/// that the calendar is asked once a minute.
#[derive(Clone, Debug)]
pub(super) struct Times {
    /// `YYYY-MM-DDTHH:MM:` of a legal time.
    minute: [u8; 17],
}

impl Default for Times {
    fn default() -> Self {
        // Zeros would let seventeen NULs through.
        Self { minute: *b"0000-01-01T00:00:" }
    }
}

impl Times {
    /// UTC with `Z`, upper case, no or up to nine digits of fraction.
    #[inline]
    pub(super) fn canonical(&mut self, text: &[u8]) -> Option<TimeText> {
        let mut time = *ZERO;
        match text.len() {
            // Of a known length a copy is two moves; nearly all times have eight or nine digits.
            30 => time.copy_from_slice(&text[..30]),
            29 => time[..28].copy_from_slice(&text[..28]),
            len @ (20 | 22..=28) => time[..len - 1].copy_from_slice(&text[..len - 1]),
            _ => return None,
        }
        if text[text.len() - 1] != b'Z' || time[19] != b'.' {
            return None;
        }
        if text[..17] != self.minute {
            if !is_minute(&text[..17]) {
                return None;
            }
            self.minute.copy_from_slice(&text[..17]);
        }
        let legal = (b'0'..=b'5').contains(&time[17])
            && time[18].is_ascii_digit()
            && are_digits(*time[20..28].first_chunk()?)
            && time[28].is_ascii_digit();
        legal.then_some(time)
    }
}

/// Eight digits at once.
#[inline]
fn are_digits(bytes: [u8; 8]) -> bool {
    const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const DIGITS: u64 = 0x3030_3030_3030_3030;
    let word = u64::from_le_bytes(bytes);
    // The upper half is 3, and stays 3 when 6 is added to a lower half of 0 to 9.
    (word & UPPER) == DIGITS && (word.wrapping_add(0x0606_0606_0606_0606) & UPPER) == DIGITS
}

fn is_minute(text: &[u8]) -> bool {
    date(text).is_some()
        && matches!(number(&text[11..13]), Some(0..=23))
        && matches!(number(&text[14..16]), Some(0..=59))
        && text[10] == b'T'
        && text[13] == b':'
        && text[16] == b':'
}

fn date(text: &[u8]) -> Option<Date> {
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?);
    Date::new(year, month as i8, day as i8).ok()
}

/// At most four digits.
fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0, |value: i16, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i16::from(digit & 15))
    })
}

/// Any legal RFC 3339 time, offsets converted, digits beyond the ninth of a fraction dropped.
pub(super) fn normalise(text: &[u8]) -> Option<TimeText> {
    if let Some(time) = Times::default().canonical(text) {
        return Some(time);
    }
    let (moment, rest) = text.split_at_checked(19)?;
    let second = number(&moment[17..])?;
    if !moment[10].eq_ignore_ascii_case(&b'T') && moment[10] != b' ' {
        return None;
    }
    let mut minute = [0; 17];
    minute.copy_from_slice(&moment[..17]);
    minute[10] = b'T';
    if !is_minute(&minute) || second > 59 {
        return None;
    }
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => rest.split_at(rest.iter().take_while(|b| b.is_ascii_digit()).count()),
        None => (&b"0"[..], rest),
    };
    if fraction.is_empty() {
        return None;
    }
    let hour =
        Time::new(number(&minute[11..13])? as i8, number(&minute[14..16])? as i8, second as i8, 0)
            .ok()?;
    let local = DateTime::from_parts(date(&minute)?, hour);
    let utc = local.checked_sub(SignedDuration::from_mins(offset_minutes(rest)?)).ok()?;
    if utc.year() < 0 {
        return None;
    }
    let mut time = *ZERO;
    time[..19].copy_from_slice(utc.strftime("%Y-%m-%dT%H:%M:%S").to_string().get(..19)?.as_bytes());
    for (to, from) in time[20..29].iter_mut().zip(fraction) {
        *to = *from;
    }
    Some(time)
}

/// `Z`, or `+08:00`, in minutes east of UTC.
fn offset_minutes(text: &[u8]) -> Option<i64> {
    if text.eq_ignore_ascii_case(b"Z") {
        return Some(0);
    }
    let [sign, h1, h2, b':', m1, m2] = *text else {
        return None;
    };
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let minutes = i64::from(hours) * 60 + i64::from(minutes);
    match sign {
        b'+' => Some(minutes),
        b'-' => Some(-minutes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let time = normalise(text.as_bytes());
        assert_eq!(time.as_ref().map(|t| std::str::from_utf8(t).unwrap()), expect, "{text}");
        // The quick way either gives the same or leaves it to the other.
        if let Some(quick) = Times::default().canonical(text.as_bytes()) {
            assert_eq!(Some(quick), time);
        }
    }

    #[test]
    fn widths_of_the_fraction() {
        check("2026-11-25T08:59:05Z", Some("2026-11-25T08:59:05.000000000Z"));
        let full = "2026-11-25T08:59:05.123456789Z";
        for digits in 1..=9 {
            let zeros = "0".repeat(9 - digits);
            let cut = &full[..20 + digits];
            check(&format!("{cut}Z"), Some(&format!("{cut}{zeros}Z")));
        }
        check("2026-11-25T08:59:05.1234567891Z", Some(full));
        check("2026-11-25T08:59:05.Z", None);
    }

    #[test]
    fn ranges() {
        check("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00.000000000Z"));
        check("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00.000000000Z"));
        check("2024-02-29T23:59:59Z", Some("2024-02-29T23:59:59.000000000Z"));
        for illegal in [
            "2026-02-29T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-13-10T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-25T24:00:00Z",
            "2026-11-25T23:60:00Z",
            "2026-11-25T23:59:60Z",
            "2026-11-25T23:59:59",
            "",
            "Z",
            "2026-11-25T23:59:59.12a456789Z",
            "2026-11-25T23:59:59.123456:89Z",
            "2026-11-25T23:59:59.12345678/Z",
            "2026-11-25 23:59:59 Z",
            "26-11-25T23:59:59Z",
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0005.123456789Z",
            "20261125T235959Z",
            "+2026-11-25T23:59:59Z",
            "2026-11-25T23:59:5\u{0}Z",
        ] {
            check(illegal, None);
        }
    }

    #[test]
    fn offsets() {
        check("2026-01-01T01:00:00.5+08:00", Some("2025-12-31T17:00:00.500000000Z"));
        check("2025-12-31T23:00:00-01:30", Some("2026-01-01T00:30:00.000000000Z"));
        check("2026-11-25t08:59:05z", Some("2026-11-25T08:59:05.000000000Z"));
        check("2026-11-25 08:59:05+00:00", Some("2026-11-25T08:59:05.000000000Z"));
        for illegal in [
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-00:01",
            "2026-11-25T08:59:05+0800",
            "2026-11-25T08:59:05+24:00",
            "2026-11-25T08:59:05+08:60",
            "2026-11-25T08:59:05+08",
        ] {
            check(illegal, None);
        }
    }

    #[test]
    fn a_known_minute_does_not_let_others_through() {
        let mut times = Times::default();
        assert!(times.canonical(b"2026-11-25T08:59:05Z").is_some());
        assert!(times.canonical(b"2026-11-25T08:59:60Z").is_none());
        assert!(times.canonical(b"2026-11-25T08:60:05Z").is_none());
        assert!(times.canonical(b"2026-11-25T08:59:06.9Z").is_some());
    }
}

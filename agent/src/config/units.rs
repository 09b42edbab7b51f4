//! Times and sizes as people write them.

use std::time::Duration;

/// A century is no wait that anybody means, and it keeps every sum of nanoseconds in range.
const MS_MAX: u64 = 100 * 366 * 86_400_000;

/// `250ms`, `5s`, `10m`, `24h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a time with its unit, like 250ms, 5s, 10m, 24h or 7d";
    let (number, unit) = split(text).ok_or(EXPECTED)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED.to_owned()),
    };
    number
        .checked_mul(unit_ms)
        .filter(|ms| *ms <= MS_MAX)
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a time below a hundred years".to_owned())
}

/// `4MiB`, `512KiB`, `1GiB`, or a bare count of bytes.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    const EXPECTED: &str = "expected a size like 4MiB, 512KiB, 1GiB or a count of bytes";
    let (number, unit) = split(text).ok_or(EXPECTED)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(EXPECTED.to_owned()),
    };
    number
        .checked_mul(1 << shift)
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| EXPECTED.to_owned())
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text: &str, ms: Option<u64>| {
            assert_eq!(duration(text).ok(), ms.map(Duration::from_millis), "{text}");
        };
        check("250ms", Some(250));
        check("5s", Some(5_000));
        check("5 s", Some(5_000));
        check("10m", Some(600_000));
        check("24h", Some(86_400_000));
        check("7d", Some(604_800_000));
        check("0s", Some(0));
        for bad in ["", "5", "s", "-5s", "1.5s", "5 sec", "99999999999999999999s", "40000000d"] {
            check(bad, None);
        }
    }

    #[test]
    fn sizes() {
        let check = |text: &str, size: Option<usize>| assert_eq!(bytes(text).ok(), size, "{text}");
        check("4MiB", Some(4 << 20));
        check("512 KiB", Some(512 << 10));
        check("1GiB", Some(1 << 30));
        check("17", Some(17));
        check("17B", Some(17));
        for bad in ["", "4MB", "MiB", "-1", "4mib", "99999999999GiB"] {
            check(bad, None);
        }
    }
}

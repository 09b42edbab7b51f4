//! Which names in a directory belong to one log, and which of them is older.

/// Numbers up to this many digits count rotations; longer ones are dates, or seconds.
const COUNT_DIGITS_MAX: usize = 4;

/// Ranks of names with a date begin here: `.1` is younger than any date, since who writes dates
/// does not write numbers alone.
const DATED: u64 = 1 << 32;

/// A date with its time of day and a number behind it has no more digits.
const DATED_DIGITS_MAX: usize = 18;

/// Age rank of a name among the files of one log: 0 for the current file and for what that became
/// when it was compressed, higher for older ones; `None` for names of other files.
///
/// For `app.log` these are `app.log.1`, `app.log.2.gz`, `app.log-20261128`, `app.log.2026-11-28`,
/// `app-2026-11-28.log`, `app.2026-11-28.3.log.gz`: what stands for the date holds digits and
/// what parts them, and is long enough for a date unless it is a number behind the whole name.
pub fn file_rank(name: &str, current: &str) -> Option<u64> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    if plain == current {
        return Some(0);
    }
    if let Some(behind) = plain.strip_prefix(current) {
        return counted(behind).or_else(|| dated(behind));
    }
    let (stem, extension) = current.rsplit_once('.')?;
    let between = plain.strip_prefix(stem)?.strip_suffix(extension)?.strip_suffix('.')?;
    dated(between)
}

/// `.1` and older.
fn counted(behind: &str) -> Option<u64> {
    let number = behind.strip_prefix('.')?;
    let is_count = number.len() <= COUNT_DIGITS_MAX && is_digits(number);
    let rank = if is_count { number.parse().ok()? } else { 0 };
    (rank > 0).then_some(rank)
}

/// A date, or seconds since 1970, with a number behind it where there are several of one date.
fn dated(part: &str) -> Option<u64> {
    let part = part.strip_prefix(['.', '-', '_'])?;
    let is_date = part.bytes().all(|byte| byte.is_ascii_digit() || b"-_.T:".contains(&byte));
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    if !is_date || !(8..=DATED_DIGITS_MAX).contains(&digits) {
        return None;
    }
    // Numbers within a date have fixed widths, but the one behind it.
    let (date, count) = match part.rsplit_once(['.', '-', '_']) {
        Some((date, count)) if date.bytes().filter(u8::is_ascii_digit).count() >= 8 => {
            (date, count)
        }
        _ => (part, ""),
    };
    let digits = date.bytes().filter(u8::is_ascii_digit);
    let mut value: u64 = 0;
    let mut width = 0;
    for digit in digits {
        value = value * 10 + u64::from(digit - b'0');
        width += 1;
    }
    // To the second, so that names of one log with and without a time of day compare.
    for _ in width..14 {
        value *= 10;
    }
    let count: u64 = if count.is_empty() { 0 } else { count.parse().ok()? };
    let youth = value.checked_mul(10_000)?.checked_add(count.min(9_999))?;
    Some(u64::MAX.checked_sub(youth)?.max(DATED))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Of the names in one directory that were asked for, those that are logs of their own: the others
/// are older files of these.
pub fn logs_among<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let is_older =
        |name: &str| names.iter().any(|other| *other != name && file_rank(name, other).is_some());
    let mut logs: Vec<&str> = names.iter().copied().filter(|name| !is_older(name)).collect();
    logs.sort_unstable();
    logs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_docker_have_ranks() {
        let check =
            |name: &str, expect| assert_eq!(file_rank(name, "c-json.log"), expect, "{name}");
        check("c-json.log", Some(0));
        check("c-json.log.1", Some(1));
        check("c-json.log.12.gz", Some(12));
        check("c-json.log.gz", Some(0));
        check("c-json.log.0", None);
        check("c-json.log.+1", None);
        check("c-json.log.1.tmp", None);
        check("c-json.log.12345", None);
        check("hostconfig.json", None);
    }

    #[test]
    fn names_with_dates_are_older_the_earlier_the_date() {
        let ages = [
            "app.log",
            "app.log.1",
            "app.log.2.gz",
            "app.log-20261129",
            "app.log.2026-11-28.2",
            "app.log.2026-11-28.1.gz",
            "app-2026-11-28.log",
            "app.2026-11-27T10.log",
            "app_20261127.log.gz",
        ];
        let ranks: Vec<u64> =
            ages.iter().map(|name| file_rank(name, "app.log").expect(name)).collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
        assert_eq!(file_rank("app-1764374400.log", "app.log").map(|rank| rank > DATED), Some(true));
    }

    #[test]
    fn other_names_are_other_logs() {
        let names = [
            "app.log.bak",
            "app.log.old",
            "app2.log",
            "app-web.log",
            "app-1.log",
            "application.log",
            "app.log.1.zip",
            "app.logs",
            "app.log.20261128-x",
        ];
        for name in names {
            assert_eq!(file_rank(name, "app.log"), None, "{name}");
        }
        assert_eq!(file_rank("anything.1", ""), None);
    }

    #[test]
    fn rotated_files_are_no_logs_of_their_own() {
        let names =
            ["b.log", "a.log.1", "a.log", "a-2026-11-28.log", "c.2026-11-28.log", "a.log.2.gz"];
        assert_eq!(logs_among(&names), ["a.log", "b.log", "c.2026-11-28.log"]);
        assert_eq!(logs_among(&[]), Vec::<&str>::new());
    }
}

//! Which files that containers write are logs.

use crate::core::matches;

/// What no log is called, unless the configuration says otherwise: with a `/` a pattern is of the
/// path in the container, without one of the name.
pub const DENY: [&str; 33] = [
    ".*",
    "*.bz2",
    "*.db",
    "*.db-*",
    "*.gz",
    "*.journal",
    "*.lock",
    "*.pid",
    "*.pipe",
    "*.rdb",
    "*.aof",
    "*.seed",
    "*.sock",
    "*.sqlite",
    "*.sqlite-*",
    "*.sqlite3",
    "*.sqlite3-*",
    "*.swp",
    "*.tmp",
    "*.wal",
    "*.xz",
    "*.zip",
    "*.zst",
    "*-journal",
    "*~",
    "core",
    "core.*",
    "/dev/*",
    "/proc/*",
    "/run/*",
    "/sys/*",
    "/tmp/*",
    "/var/tmp/*",
];

/// Whose kernel files these are is nobody's to choose.
const NEVER: [&str; 3] = ["/dev/", "/proc/", "/sys/"];

/// This much of a file's head is looked at.
pub(super) const HEAD_BYTES: usize = 4 << 10;

/// One byte in this many may be no UTF-8: old applications write Latin-1.
const BAD_BYTES_SHARE: usize = 10;

/// What a head says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Text,
    /// No whole line yet.
    TooShort,
    Binary,
}

pub(super) fn is_denied(path: &str, deny: &[String]) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let fits = |pattern: &String| matches(pattern, if pattern.contains('/') { path } else { name });
    NEVER.iter().any(|never| path.starts_with(never)) || deny.iter().any(fits)
}

/// The name that a rotated file had, for `app.log.1` and `app.log.2.gz`.
pub(super) fn unrotated(name: &str) -> Option<&str> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let (base, number) = plain.rsplit_once('.')?;
    let is_number = (1..=4).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    (is_number && !base.is_empty()).then_some(base)
}

pub(super) fn look(head: &[u8]) -> Look {
    // A hole is what `copytruncate` leaves before the text.
    let start = head.iter().take_while(|&&byte| byte == 0).count();
    let text = &head[start..];
    if text.contains(&0) {
        return Look::Binary;
    }
    let bad: usize = text.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    let control = |byte: &u8| *byte < b' ' && !b"\t\n\r\x0c\x1b\x08".contains(byte);
    let controls = text.iter().filter(|byte| control(byte)).count();
    if (bad + controls) * BAD_BYTES_SHARE > text.len() {
        return Look::Binary;
    }
    if text.contains(&b'\n') {
        Look::Text
    } else if head.len() >= HEAD_BYTES && start == 0 {
        // An endless line is no log, whatever it is.
        Look::Binary
    } else {
        Look::TooShort
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_denied() {
        let deny = DENY.map(str::to_owned);
        let check = |path: &str, expect| assert_eq!(is_denied(path, &deny), expect, "{path}");
        check("/var/log/app.log", false);
        check("/var/log/nginx/access.log.1", false);
        check("/data/out", false);
        check("/run/app.log", true);
        check("/running/app.log", false);
        check("/var/run.log", false);
        check("/tmp/a/b.log", true);
        check("/root/.bash_history", true);
        check("/data/app.sqlite-wal", true);
        check("/data/x.db", true);
        check("/var/log/app.log.2.gz", true);
        check("/core.12", true);
        check("/score.12", false);
        assert!(is_denied("/proc/self/x", &[]));
        assert!(!is_denied("/tmp/x.log", &[]));
    }

    #[test]
    fn names_of_rotated_files() {
        let check = |name: &str, expect| assert_eq!(unrotated(name), expect, "{name}");
        check("app.log", None);
        check("app.log.1", Some("app.log"));
        check("app.log.12.gz", Some("app.log"));
        check("app.log.20261128", None);
        check(".1", None);
        check("v1.2", Some("v1"));
    }

    #[test]
    fn heads_tell_text() {
        let check = |head: &[u8], expect| assert_eq!(look(head), expect, "{head:?}");
        check(b"2026-11-28 started\n", Look::Text);
        check("gr\u{fc}n\n".as_bytes(), Look::Text);
        check(b"a line of Latin-1: gr\xfcn\n", Look::Text);
        check(b"\x1b[32mINFO\x1b[0m coloured\n", Look::Text);
        check(b"\0\0\0after a hole\n", Look::Text);
        check(b"no end yet", Look::TooShort);
        check(b"", Look::TooShort);
        check(b"SQLite format 3\0\n", Look::Binary);
        check(&[0xff, 0xfe, 0x80, 0x81, b'\n'], Look::Binary);
        check(&[b'x'; HEAD_BYTES], Look::Binary);
    }
}

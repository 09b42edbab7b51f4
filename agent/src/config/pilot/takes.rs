//! Values as log-pilot's users write them, turned into what our keys take.

use super::super::units;
use crate::core::limits;

/// What a variable may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    /// A list with commas between.
    List,
    Number,
    /// Of things at a time: at least one, and never more than anybody has.
    Count,
    Port,
    Switch,
    /// A size as fluentd has it (`8m`), brought into the range of a batch.
    Batch,
    /// A time as fluentd and Filebeat have it: a bare number is seconds.
    Time,
    /// Acknowledgements of Kafka.
    Acks,
    /// One of these words; the second of each pair is what our key takes, nothing if it stays.
    Word(&'static [(&'static str, &'static str)]),
}

const COUNT_MAX: u64 = 256;
const BATCH_MIN: u64 = 16 << 10;
const BATCH_MAX: u64 = 64 << 20;
const _: () = assert!(BATCH_MIN as usize <= limits::BATCH_BYTES);

impl Takes {
    /// What our key takes in its place, or what would have fitted.
    pub(super) fn read(self, text: &str) -> Result<String, String> {
        let owned = |fits: bool, expected: &str| {
            if fits { Ok(text.to_owned()) } else { Err(format!("expected {expected}")) }
        };
        match self {
            Self::Text => Ok(text.to_owned()),
            Self::List => {
                owned(text.split(',').any(|item| !item.trim().is_empty()), "a list with commas")
            }
            Self::Number => owned(text.parse::<u64>().is_ok(), "a whole number"),
            Self::Count => match text.parse::<u64>() {
                Ok(count) => Ok(count.clamp(1, COUNT_MAX).to_string()),
                Err(_) => Err("expected a whole number".to_owned()),
            },
            Self::Port => {
                owned(text.parse::<u16>().is_ok_and(|port| port > 0), "a port, 1 to 65535")
            }
            Self::Switch => owned(
                matches!(text, "true" | "false" | "yes" | "no" | "on" | "off" | "1" | "0"),
                "true or false",
            ),
            Self::Batch => {
                let bytes =
                    size(text).ok_or("expected a size like 8m, 512k or a count of bytes")?;
                Ok(bytes.clamp(BATCH_MIN, BATCH_MAX).to_string())
            }
            Self::Time => time(text)
                .ok_or_else(|| "expected a time like 5s, 1m, 0.5s or a count of seconds".into()),
            Self::Acks => owned(
                matches!(text, "all" | "-1" | "0" | "1") || text.parse::<u16>().is_ok(),
                "-1, 0, 1 or all",
            ),
            Self::Word(words) => {
                let found = words.iter().find(|(theirs, _)| *theirs == text);
                found.map(|(_, ours)| (*ours).to_owned()).ok_or_else(|| {
                    let known: Vec<_> = words.iter().map(|(theirs, _)| *theirs).collect();
                    format!("expected {}", known.join(" or "))
                })
            }
        }
    }
}

/// `8m`, `8MB` and `8MiB` are all 2^23 to fluentd, or were meant so.
fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let shift = match text[digits..].trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

fn time(text: &str) -> Option<String> {
    let text = text.trim();
    if units::duration(text).is_ok() {
        return Some(text.to_owned());
    }
    let seconds: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    let is_time = seconds.is_finite() && (0.0..1e9).contains(&seconds);
    is_time.then(|| format!("{}ms", (seconds * 1e3).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_log_pilot_are_read() {
        let check = |takes: Takes, text: &str, expected: Option<&str>| {
            assert_eq!(takes.read(text).ok().as_deref(), expected, "{takes:?} {text}");
        };
        check(Takes::Text, "a b", Some("a b"));
        check(Takes::List, "a:1,b:2", Some("a:1,b:2"));
        check(Takes::List, " , ", None);
        check(Takes::Number, "0600", Some("0600"));
        check(Takes::Number, "many", None);
        check(Takes::Count, "0", Some("1"));
        check(Takes::Count, "4", Some("4"));
        check(Takes::Count, "100000", Some("256"));
        check(Takes::Count, "-1", None);
        check(Takes::Port, "9200", Some("9200"));
        check(Takes::Port, "0", None);
        check(Takes::Port, "65536", None);
        check(Takes::Switch, "true", Some("true"));
        check(Takes::Switch, "maybe", None);
        for same in ["8m", "8M", "8MB", "8 MiB", "8388608"] {
            check(Takes::Batch, same, Some("8388608"));
        }
        check(Takes::Batch, "1k", Some("16384"));
        check(Takes::Batch, "1g", Some("67108864"));
        check(Takes::Batch, "big", None);
        check(Takes::Time, "60s", Some("60s"));
        check(Takes::Time, "1m", Some("1m"));
        check(Takes::Time, "5", Some("5000ms"));
        check(Takes::Time, "0.5", Some("500ms"));
        check(Takes::Time, "0.5s", Some("500ms"));
        check(Takes::Time, "-1", None);
        check(Takes::Time, "nan", None);
        check(Takes::Acks, "-1", Some("-1"));
        check(Takes::Acks, "all", Some("all"));
        check(Takes::Acks, "-2", None);
        check(Takes::Word(&[("a", "b")]), "a", Some("b"));
        check(Takes::Word(&[("a", "b")]), "b", None);
    }
}

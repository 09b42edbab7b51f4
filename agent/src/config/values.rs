//! What one value may look like. Each error says what would have fitted.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::checked::ReadFrom;
use super::units;
use crate::encode::Zone;

/// `None` for the word `auto`.
pub(super) fn auto_or<T>(
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> impl FnOnce(&str) -> Result<Option<T>, String> {
    move |text| if text == "auto" { Ok(None) } else { parse(text).map(Some) }
}

/// `None` for the word `off`. `false` is what a YAML 1.1 editor may have made of it.
pub(super) fn off_or<T>(
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> impl FnOnce(&str) -> Result<Option<T>, String> {
    move |text| if matches!(text, "off" | "false") { Ok(None) } else { parse(text).map(Some) }
}

pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("expected a path that begins with /".to_owned()) }
}

pub(super) fn number(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
}

pub(super) fn size(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let bytes = units::bytes(text)?;
    if range.contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("expected from {} KiB to {} KiB", range.start() >> 10, range.end() >> 10))
}

pub(super) fn node_label(text: &str) -> Result<String, String> {
    let legal = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
    if legal { Ok(text.to_owned()) } else { Err("expected a name of 1 to 255 bytes".to_owned()) }
}

pub(super) fn read_from_text(text: &str) -> Result<ReadFrom, String> {
    match text {
        "head" => Ok(ReadFrom::Head),
        "now" => Ok(ReadFrom::Now),
        age => units::duration(age)
            .map(ReadFrom::Age)
            .map_err(|_| "expected head, now or an age like 24h".to_owned()),
    }
}

pub(super) fn label_pattern(text: &str) -> Result<String, String> {
    let illegal = |character: char| character.is_whitespace() || character.is_control();
    if text.chars().any(illegal) {
        return Err("expected a pattern of label names, like com.example.*".to_owned());
    }
    Ok(text.to_owned())
}

/// Of names of variables and labels, so nothing that could not stand in one.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    let illegal =
        |character: char| character.is_whitespace() || character.is_control() || character == '=';
    if text.chars().any(illegal) {
        return Err("expected a prefix of names of variables, like aliyun".to_owned());
    }
    Ok(text.to_owned())
}

/// The rules of Elasticsearch for the name of an index, less the date behind it.
pub(super) fn target_name(text: &str) -> Result<String, String> {
    const ILLEGAL: &str = "\\/*?\"<>| ,#:";
    const DATE_BYTES: usize = "-2026.11.25".len();
    if text.is_empty() || text.len() > 255 - DATE_BYTES {
        return Err("expected a name of 1 to 244 bytes".to_owned());
    }
    if text.starts_with(['-', '_', '+', '.']) {
        return Err("expected a name that does not begin with - _ + or a full stop".to_owned());
    }
    let illegal = |character: char| ILLEGAL.contains(character) || character.is_control();
    if text.chars().any(illegal) || text.to_lowercase() != text {
        return Err(format!("expected lower case and none of {ILLEGAL:?}"));
    }
    Ok(text.to_owned())
}

pub(super) fn zone(text: &str) -> Result<Zone, String> {
    Zone::parse(text).map_err(|fault| {
        format!("{fault}; expected UTC, local, a name like Europe/Berlin or an offset like +08:00")
    })
}

pub(super) fn socket_path(text: &str) -> Result<PathBuf, String> {
    absolute(text.strip_prefix("unix://").unwrap_or(text))
        .map_err(|_| "expected the path of a socket, or off".to_owned())
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address like 127.0.0.1:9600, or off".to_owned())
}

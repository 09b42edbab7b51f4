//! From a canonical Docker record to a bulk action and its document, without parsing.

use std::path::Path;

use crate::rng::Rng;

/// What is the same in every document of a file.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Before the day: `sluice` makes `sluice-2026.11.25`.
    pub index: String,
    /// 16 characters.
    pub id_prefix: String,
    /// Everything behind the sort key: from `,"file":` to the end of the document.
    pub tail: String,
}

impl Origin {
    /// With the names of a container that could have this log.
    pub fn new(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let mut rng = Rng::new(name.len() as u64);
        let id: String = (0..4).map(|_| format!("{:016x}", rng.next())).collect();
        Self::of_container(&file.display().to_string(), &id, "web", "nginx:1.29", "node-1")
    }

    pub fn of_container(file: &str, id: &str, name: &str, image: &str, host: &str) -> Self {
        let text = |text: &str| serde_json::json!(text).to_string();
        let (file, container, name) = (text(file), text(id), text(name));
        let (image, host) = (text(image), text(host));
        Self {
            index: "sluice".to_owned(),
            id_prefix: format!("{id:0<16.16}"),
            tail: format!(
                r#","file":{{"path":{file}}}}},"container":{{"id":{container},"name":{name},"image":{{"name":{image}}}}},"host":{{"name":{host}}}}}"#
            ),
        }
    }
}

const HEAD: &[u8] = b"{\"log\":\"";
const STDOUT: &[u8] = b"\\n\",\"stream\":\"stdout\",\"time\":\"";
const STDERR: &[u8] = b"\\n\",\"stream\":\"stderr\",\"time\":\"";
/// `Z"}`
const END: &[u8] = b"Z\"}";
/// `2026-11-25T08:52:54`
const SECONDS: usize = 19;
/// With nine digits and the `Z`.
const TIME: usize = 30;
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Digits of an offset in ids and sort keys: 16 TiB.
const OFFSET_DIGITS: usize = 11;

pub(super) struct Splicer {
    /// `{"create":{"_index":"sluice-2026.11.25","_id":"0123456789abcdef`, of the present day.
    action: Vec<u8>,
    /// Where the day is in it.
    day_at: usize,
    /// With its newline.
    tail: Vec<u8>,
}

impl Splicer {
    pub(super) fn new(origin: &Origin) -> Self {
        let before = format!("{{\"create\":{{\"_index\":\"{}-", origin.index);
        let day_at = before.len();
        let action = format!("{before}0000.00.00\",\"_id\":\"{}", origin.id_prefix);
        let tail = format!("{}\n", origin.tail);
        Self { action: action.into_bytes(), day_at, tail: tail.into_bytes() }
    }

    /// Appends action and document of one line; false if it is no canonical record of a whole
    /// line, and then nothing is appended.
    pub(super) fn splice(&mut self, line: &[u8], offset: u64, into: &mut Vec<u8>) -> bool {
        let Some((text, stream, time)) = take_apart(line) else { return false };
        let day = &mut self.action[self.day_at..self.day_at + 10];
        if day[..4] != time[..4] || day[5..7] != time[5..7] || day[8..] != time[8..10] {
            day[..4].copy_from_slice(&time[..4]);
            day[5..7].copy_from_slice(&time[5..7]);
            day[8..].copy_from_slice(&time[8..10]);
        }
        let mut padded = *b"0000-00-00T00:00:00.000000000Z";
        padded[..SECONDS].copy_from_slice(&time[..SECONDS]);
        if time.len() > SECONDS {
            padded[SECONDS..time.len()].copy_from_slice(&time[SECONDS..]);
        }
        let offset_hex = hex(offset);
        into.reserve(self.action.len() + self.tail.len() + text.len() + 256);
        into.extend_from_slice(&self.action);
        into.extend_from_slice(&offset_hex);
        into.extend_from_slice(b"\"}}\n{\"@timestamp\":\"");
        into.extend_from_slice(&padded);
        into.extend_from_slice(b"\",\"message\":\"");
        into.extend_from_slice(text);
        into.extend_from_slice(b"\",\"stream\":\"");
        into.extend_from_slice(stream);
        into.extend_from_slice(b"\",\"log\":{\"offset\":");
        decimal(into, offset);
        into.extend_from_slice(b",\"order\":\"");
        into.extend_from_slice(&padded);
        into.push(b'-');
        into.extend_from_slice(&offset_hex);
        into.push(b'"');
        into.extend_from_slice(&self.tail);
        true
    }
}

/// From the end: the time without its `Z`, the stream, the text still escaped.
fn take_apart(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let line = line.strip_prefix(HEAD)?.strip_suffix(END)?;
    let window = line.len().saturating_sub(TIME);
    let time_at = memchr::memrchr(b'"', &line[window..])? + window + 1;
    let (line, time) = line.split_at(time_at);
    if time.len() < SECONDS {
        return None;
    }
    if let Some(text) = line.strip_suffix(STDOUT) {
        return Some((text, b"stdout", time));
    }
    line.strip_suffix(STDERR).map(|text| (text, &b"stderr"[..], time))
}

fn hex(mut number: u64) -> [u8; OFFSET_DIGITS] {
    let mut digits = [0; OFFSET_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = HEX[(number & 0xF) as usize];
        number >>= 4;
    }
    digits
}

fn decimal(into: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            into.extend_from_slice(&digits[at..]);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_to_the_byte() {
        let origin = Origin::of_container("/x.log", "0123456789abcdef0123", "web", "nginx", "n1");
        let mut splicer = Splicer::new(&origin);
        let check = |splicer: &mut Splicer, line: &str, expected: &str| {
            let mut out = Vec::new();
            assert!(splicer.splice(line.as_bytes(), 1_000_000, &mut out), "{line}");
            assert_eq!(String::from_utf8(out).expect("is text"), expected);
        };
        check(
            &mut splicer,
            r#"{"log":"say \"hi\"\n","stream":"stdout","time":"2026-11-25T08:52:54.12Z"}"#,
            concat!(
                r#"{"create":{"_index":"sluice-2026.11.25","_id":"0123456789abcdef000000f4240"}}"#,
                "\n",
                r#"{"@timestamp":"2026-11-25T08:52:54.120000000Z","message":"say \"hi\"","stream":"stdout","log":{"offset":1000000,"order":"2026-11-25T08:52:54.120000000Z-000000f4240","file":{"path":"/x.log"}},"container":{"id":"0123456789abcdef0123","name":"web","image":{"name":"nginx"}},"host":{"name":"n1"}}"#,
                "\n",
            ),
        );
        let mut out = Vec::new();
        for line in [
            r#"{"log":"piece","stream":"stdout","time":"2026-11-25T08:52:54Z"}"#,
            r#"{"stream":"stdout","time":"2026-11-25T08:52:54Z"}"#,
            "",
        ] {
            assert!(!splicer.splice(line.as_bytes(), 0, &mut out), "{line}");
        }
        let line = r#"{"log":"\n","stream":"stderr","time":"2027-01-02T00:00:00Z"}"#;
        assert!(splicer.splice(line.as_bytes(), 0, &mut out));
        let out = String::from_utf8(out).expect("is text");
        assert!(out.contains("sluice-2027.01.02") && out.contains("00:00:00.000000000Z-0000"));
        assert!(out.contains(r#""message":"","stream":"stderr""#));
    }
}

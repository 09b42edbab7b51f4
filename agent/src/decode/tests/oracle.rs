//! A reader that is as plain as can be, and strategies for files.

use proptest::prelude::*;
use serde_json::Value;

use super::time::normalise;
use super::*;

/// What the decoder should make of a file that is finished.
pub(super) fn oracle(bytes: &[u8], event_bytes_max: usize) -> (Vec<Owned>, u64, u64) {
    let mut oracle = Oracle { event_bytes_max, ..Oracle::default() };
    let mut at = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        oracle.line(at as u64, line);
        at += line.len();
    }
    for stream in Stream::ALL {
        oracle.flush(stream);
    }
    (oracle.events, oracle.nuls, oracle.blank)
}

#[derive(Default)]
struct Oracle {
    event_bytes_max: usize,
    events: Vec<Owned>,
    nuls: u64,
    blank: u64,
    /// Per stream the event in the making, and how many pieces and escaped bytes it has.
    open: [Option<(Owned, usize, usize)>; 2],
    cut: [bool; 2],
}

impl Oracle {
    fn line(&mut self, offset: u64, line: &[u8]) {
        let nuls = line.iter().take_while(|&&b| b == 0).count();
        self.nuls += nuls as u64;
        let (offset, line) = (offset + nuls as u64, &line[nuls..]);
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        if self.record(offset, line.len(), content) {
            return;
        }
        if content.iter().all(|b| b" \t\r".contains(b)) {
            self.blank += line.len() as u64;
            return;
        }
        let head = br#"{"log":"#;
        let glued = (1..content.len()).rev().find(|&at| content[at..].starts_with(head));
        match glued {
            Some(at) => {
                if !self.record(offset, at, &content[..at]) {
                    self.raw(offset, at, &content[..at], DamageReason::Torn);
                }
                self.line(offset + at as u64, &line[at..]);
            }
            None if content.len() == line.len() => {
                self.raw(offset, line.len(), content, DamageReason::Torn);
            }
            None => self.raw(offset, line.len(), content, DamageReason::NotJson),
        }
    }

    fn raw(&mut self, offset: u64, raw_len: usize, mut text: &[u8], reason: DamageReason) {
        while let Some(shorter) = text.strip_suffix(b"\0") {
            text = shorter;
            self.nuls += 1;
        }
        self.events.push(Owned {
            base: FILE.base,
            offset,
            raw_len: raw_len as u32,
            stream: Stream::Stdout,
            time: None,
            text: String::from_utf8_lossy(text).into_owned(),
            attrs: None,
            partial: false,
            damage: Some(reason),
        });
    }

    fn record(&mut self, offset: u64, raw_len: usize, content: &[u8]) -> bool {
        let text = String::from_utf8_lossy(content);
        let Ok(Value::Object(members)) = serde_json::from_str(&without_lone_surrogates(&text))
        else {
            return false;
        };
        let log = match members.get("log") {
            Some(Value::String(log)) => log.as_str(),
            None if members.contains_key("stream") || members.contains_key("time") => "",
            _ => return false,
        };
        let stderr = members.get("stream").is_some_and(|stream| stream == "stderr");
        let time = members.get("time").and_then(Value::as_str);
        let time = time.and_then(|time| normalise(time.as_bytes()));
        let damage = std::str::from_utf8(content).is_err().then_some(DamageReason::NotUtf8);
        let piece = Owned {
            base: FILE.base,
            offset,
            raw_len: raw_len as u32,
            stream: if stderr { Stream::Stderr } else { Stream::Stdout },
            time: time.map(|time| String::from_utf8(time.to_vec()).unwrap()),
            text: log.strip_suffix('\n').unwrap_or(log).to_owned(),
            attrs: match members.get("attrs") {
                Some(Value::Object(attrs)) if !attrs.is_empty() => Some(attrs.clone()),
                _ => None,
            },
            partial: false,
            damage,
        };
        self.join(&piece, log.ends_with('\n'), escaped_len(content, log));
        true
    }

    fn join(&mut self, piece: &Owned, ends_line: bool, escaped: usize) {
        let stream = piece.stream;
        let at = stream.index();
        if let Some((_, _, held)) = &self.open[at]
            && held + escaped > self.event_bytes_max
        {
            self.flush(stream);
        }
        let (event, pieces, held) = self.open[at].get_or_insert_with(|| {
            let fresh = Owned { text: String::new(), damage: None, ..piece.clone() };
            (fresh, 0, 0)
        });
        event.text.push_str(&piece.text);
        event.damage = event.damage.or(piece.damage);
        *pieces += 1;
        *held += escaped;
        if *pieces > 1 {
            event.raw_len = 0;
        }
        if ends_line {
            let (event, ..) = self.open[at].take().unwrap();
            self.events.push(Owned { partial: self.cut[at], ..event });
            self.cut[at] = false;
        }
    }

    fn flush(&mut self, stream: Stream) {
        if let Some((event, ..)) = self.open[stream.index()].take() {
            self.events.push(Owned { partial: true, ..event });
            self.cut[stream.index()] = true;
        }
    }
}

/// The limit counts bytes as they are delivered: spliced, or written anew.
fn escaped_len(content: &[u8], log: &str) -> usize {
    let spliced = std::str::from_utf8(content)
        .ok()
        .and_then(|_| record::canonical(content, content.len(), &mut record::Memory::default()));
    let log = log.strip_suffix('\n').unwrap_or(log);
    let anew = || {
        let mut text = Vec::new();
        escape_into(&mut text, log);
        text.len()
    };
    spliced.map_or_else(anew, |record| record.text.len())
}

fn without_lone_surrogates(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        if digits.starts_with('+') { None } else { u16::from_str_radix(digits, 16).ok() }
    };
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let len = match unit(rest) {
            Some(0xd800..=0xdbff)
                if matches!(rest.get(6..).and_then(unit), Some(0xdc00..=0xdfff)) =>
            {
                12
            }
            Some(0xd800..=0xdfff) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            _ => rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at),
        };
        out.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    out + rest
}

fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..60_u8, 0..1_000_000_000_u32, 0..=9_usize).prop_map(|(second, nano, digits)| {
            let fraction = format!(".{nano:09}");
            let cut = if digits == 0 { 0 } else { digits + 1 };
            format!("2026-11-25T08:59:{second:02}{}Z", &fraction[..cut])
        }),
        1 => Just("0001-01-01T00:00:00Z".to_owned()),
        1 => Just("2026-02-30T00:00:00Z".to_owned()),
        1 => Just("2026-11-25T08:59:05.5+08:00".to_owned()),
        1 => "[0-9TZ:.-]{0,31}",
    ]
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[ -~]{0,40}".prop_map(String::into_bytes),
        2 => "\\PC{0,5}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..6),
        1 => Just(br#"{"log":"a\n","stream":"stdout","time":"x"}"#.to_vec()),
        1 => Just(b"\r".to_vec()),
    ];
    (prop::collection::vec(piece, 0..4), prop::bool::weighted(0.7)).prop_map(|(pieces, ends)| {
        let mut log = pieces.concat();
        log.retain(|&b| b != b'\n');
        if ends {
            log.push(b'\n');
        }
        log
    })
}

fn attrs() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#""attrs":{"a.b":"1","tag":"\u003cx\u003e"},"#.to_owned()),
        Just(r#""attrs":{"tag":"y"},"#.to_owned()),
        Just(r#""attrs":{},"#.to_owned()),
        Just(r#""attrs":{"a":"\ud83d"},"#.to_owned()),
        Just(r#""attrs":{"s":"\",\"stream\":\"stdout\",\"attrs\":{"},"#.to_owned()),
    ]
}

/// A line with its newline, most often a record.
pub(super) fn line() -> impl Strategy<Value = Vec<u8>> {
    let stream = || prop_oneof![4 => Just("stdout"), 2 => Just("stderr"), 1 => Just("")];
    let with_attrs = (log(), stream(), time(), attrs()).prop_map(|(log, stream, time, attrs)| {
        let text = String::from_utf8(go_escape(&log)).unwrap();
        format!("{{\"log\":\"{text}\",\"stream\":\"{stream}\",{attrs}\"time\":\"{time}\"}}\n")
            .into_bytes()
    });
    let escaped = prop::collection::vec(
        prop::sample::select(vec![
            r"\n", r"\t", r"\/", r"\u000a", r"\ud83d", r"\ude00", r"\\", r"\u", "x", r#"\""#, "\"",
            r"\u000", "a", "\u{1}", "\t", "é", r"\x",
        ]),
        0..8,
    );
    let raw_text = (escaped, stream(), time()).prop_map(|(text, stream, time)| {
        let text = text.concat();
        format!("{{\"log\":\"{text}\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n").into_bytes()
    });
    let other =
        prop::sample::select(vec![
        &b"{\"time\":\"0001-01-01T00:00:00Z\"}\n"[..],
        b" {\"stream\": \"stderr\", \"log\" : \"other order\\n\", \"x\": [1, {}]}\r\n",
        b"{\"log\":\"first\",\"log\":\"second\\n\"}\n",
        b"{\"log\":\"not \xff utf8\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-25T08:59:05Z\"}\n",
        b"{\"log\":null}\n", b"{}\n", b"\n", b" \t\r\n", b"[]\n", b"panic: not json\n",
        b"{\"log\":\"to", b"\0\0\0", b"caf\xe9\n", b"{\"log\":", b"\0\n", b"{\"log\":\"to\0\0\n",
    ]);
    prop_oneof![
        6 => (log(), stream(), time()).prop_map(|(log, stream, time)| docker(&log, stream, &time)),
        2 => with_attrs,
        2 => raw_text,
        2 => other.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

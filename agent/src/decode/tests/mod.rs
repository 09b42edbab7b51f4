//! The room as a whole, against a naive reader of the same files.

mod files;
mod join;
mod lines;
mod oracle;
mod text;

use super::*;

/// An event that owns what it says, with its text unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    base: u64,
    offset: u64,
    raw_len: u32,
    stream: Stream,
    time: Option<String>,
    text: String,
    attrs: Option<serde_json::Map<String, serde_json::Value>>,
    partial: bool,
    damage: Option<DamageReason>,
}

impl Owned {
    fn new(event: &Event<'_>) -> Self {
        let text = [&b"\""[..], &event.text.concat(), b"\""].concat();
        Self {
            base: event.file.base,
            offset: event.offset,
            raw_len: event.raw_len,
            stream: event.stream.expect("a record has a stream"),
            time: event.time.map(|time| String::from_utf8(time.to_vec()).unwrap()),
            text: serde_json::from_slice(&text).unwrap(),
            attrs: event.attrs.map(|attrs| serde_json::from_slice(attrs).unwrap()),
            partial: event.partial,
            damage: event.damage,
        }
    }
}

/// Collects, and answers what it is told to.
#[derive(Default)]
struct Collect {
    events: Vec<Owned>,
    nuls: u64,
    blank: u64,
    /// Says `Stop` at every event.
    stop: bool,
    /// Refuses every event once.
    refuse: bool,
    refused: bool,
}

impl Sink for Collect {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        if self.refuse && !self.refused {
            self.refused = true;
            return Flow::Refuse;
        }
        self.refused = false;
        self.events.push(Owned::new(event));
        if self.stop { Flow::Stop } else { Flow::Go }
    }

    fn damage(&mut self, reason: DamageReason, bytes: u64) {
        match reason {
            DamageReason::Nul => self.nuls += bytes,
            DamageReason::NotJson => self.blank += bytes,
            other => panic!("{other:?} belongs on an event"),
        }
    }
}

const FILE: FileContext = FileContext { prefix: IdPrefix(*b"prefix-of-a-file"), base: 1_000 };

/// Pushes what lies between `from` and `to`, as often as the sink stops; returns how far it came.
fn push_all(
    decoder: &mut Decoder,
    bytes: &[u8],
    mut from: usize,
    to: usize,
    sink: &mut Collect,
) -> usize {
    loop {
        let pushed = decoder.push(FILE, from as u64, &bytes[from..to], sink);
        from += pushed.consumed;
        assert!(from <= to);
        if pushed.flow == Flow::Go {
            return from;
        }
    }
}

/// All events of a file that is offered in chunks which end at `ends`, and finished.
fn decode(bytes: &[u8], event_bytes_max: usize, ends: &[usize], sink: Collect) -> Collect {
    let mut sink = sink;
    let mut decoder = Decoder::new(Format::Docker, event_bytes_max);
    let mut from = 0;
    for &end in ends {
        from = push_all(&mut decoder, bytes, from, end.max(from), &mut sink);
        // All that is to be known of the past stands in the carry.
        let carry = postcard::to_stdvec(&decoder.carry()).unwrap();
        decoder = Decoder::new(Format::Docker, event_bytes_max);
        decoder.restore(postcard::from_bytes(&carry).unwrap());
    }
    loop {
        let pushed = decoder.finish(FILE, from as u64, &bytes[from..], &mut sink);
        from += pushed.consumed;
        if pushed.flow == Flow::Go {
            break;
        }
    }
    assert_eq!(from, bytes.len());
    for stream in Stream::ALL {
        while decoder.cut(stream, &mut sink) == Flow::Refuse {}
        assert!(!decoder.has_carry(stream));
    }
    assert_eq!(decoder.carry_bytes(), 0);
    sink
}

fn events(bytes: &[u8]) -> Vec<Owned> {
    decode(bytes, 4 << 20, &[], Collect::default()).events
}

/// A record as Docker writes it.
fn docker(log: &[u8], stream: &str, time: &str) -> Vec<u8> {
    let mut out = b"{".to_vec();
    if !log.is_empty() {
        out.extend_from_slice(b"\"log\":\"");
        out.extend_from_slice(&go_escape(log));
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(format!("\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n").as_bytes());
    out
}

/// The inside of a string as Docker's encoder writes it.
fn go_escape(log: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in log.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(format!("\\{c}").as_bytes()),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\0'..'\x20' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes());
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out
}

const TIME: &str = "2026-11-25T08:59:05.123456789Z";

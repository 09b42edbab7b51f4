//! Records that are not as Docker writes them, through a parser; and text out of lines that are
//! no records at all.

use std::cell::Cell;
use std::sync::Arc;

use memchr::memchr;
use simd_json::{Buffers, Node, Tape};

use super::escape::{escape_into, escape_lossy_into};
use super::record::{Memory, Record};
use super::time::normalise;
use crate::core::Stream;

/// A scratch that has grown beyond this is given back to the allocator.
const SCRATCH_BYTES_KEPT: usize = 1 << 20;

thread_local! {
    /// One scratch per thread and not per source: ten thousand sources rarely have one line for
    /// it at the same time.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Buffers of the slow path.
#[derive(Default)]
pub(super) struct Scratch {
    /// The line; the parser unescapes within.
    line: Vec<u8>,
    buffers: Buffers,
    tape: Option<Tape<'static>>,
    /// The escaped text that came of it.
    text: Vec<u8>,
    attrs: Vec<u8>,
}

impl Scratch {
    /// Works with this thread's scratch. A call inside of another one gets a fresh scratch.
    pub(super) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        let result = work(&mut scratch);
        let held = scratch.line.capacity() + scratch.text.capacity() + scratch.attrs.capacity();
        if held <= SCRATCH_BYTES_KEPT {
            SCRATCH.set(Some(scratch));
        }
        result
    }

    /// Reads a line, without its newline, as a JSON object with the members of a Docker record.
    ///
    /// `None` if it is no object, has none of these members, or a `log` that is no string.
    pub(super) fn record(&mut self, line: &[u8], memory: &mut Memory) -> Option<Record<'_>> {
        self.line.clear();
        let mut mended = false;
        for chunk in line.utf8_chunks() {
            self.line.extend_from_slice(chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                self.line.extend_from_slice("\u{fffd}".as_bytes());
                mended = true;
            }
        }
        replace_lone_surrogates(&mut self.line);
        self.text.clear();
        self.attrs.clear();
        let mut tape = self.tape.take().unwrap_or_else(Tape::null).reset();
        let found = match simd_json::fill_tape(&mut self.line, &mut self.buffers, &mut tape) {
            Ok(()) => members(&tape.0, &mut self.text, &mut self.attrs),
            Err(_) => None,
        };
        self.tape = Some(tape.reset());
        let found = found?;
        let has_attrs = !self.attrs.is_empty();
        if has_attrs && memory.attrs.as_deref() != Some(&self.attrs[..]) {
            memory.attrs = Some(Arc::from(&self.attrs[..]));
        }
        let Found { ends_line, stream, time } = found;
        Some(Record { text: &self.text, ends_line, stream, time, has_attrs, mended })
    }

    /// The bytes as escaped text.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> &[u8] {
        self.text.clear();
        escape_lossy_into(&mut self.text, bytes);
        &self.text
    }
}

struct Found {
    ends_line: bool,
    stream: Stream,
    time: Option<[u8; 30]>,
}

/// Walks over the members of the object at the head of a tape. Of two with one name the last
/// holds, as in Go and in `serde_json`.
fn members(tape: &[Node<'_>], text: &mut Vec<u8>, attrs: &mut Vec<u8>) -> Option<Found> {
    let (mut log, mut stream, mut time, mut attributes) = (None, None, None, None);
    for (name, value) in object(tape)? {
        match name {
            "log" => log = Some(value),
            "stream" => stream = Some(value),
            "time" => time = Some(value),
            "attrs" => attributes = Some(value),
            _ => {}
        }
    }
    let log = match log {
        Some([Node::String(log)]) => log,
        Some(_) => return None,
        None if stream.is_none() && time.is_none() => return None,
        None => "",
    };
    let line = log.strip_suffix('\n');
    escape_into(text, line.unwrap_or(log));
    if let Some(object) = attributes.and_then(object) {
        strings(object, attrs);
    }
    Some(Found {
        ends_line: line.is_some(),
        stream: match stream {
            Some([Node::String("stderr")]) => Stream::Stderr,
            _ => Stream::Stdout,
        },
        time: match time {
            Some([Node::String(time)]) => normalise(time.as_bytes()),
            _ => None,
        },
    })
}

/// The members of an object that a part of a tape begins with.
pub(super) fn object<'t, 'i>(
    tape: &'t [Node<'i>],
) -> Option<impl Iterator<Item = (&'i str, &'t [Node<'i>])>> {
    let (Node::Object { len, .. }, mut rest) = tape.split_first()? else {
        return None;
    };
    Some((0..*len).map_while(move |_| {
        let (Node::String(name), values) = rest.split_first()? else {
            return None;
        };
        let nodes = match values.first()? {
            Node::Object { count, .. } | Node::Array { count, .. } => 1 + count,
            Node::String(_) | Node::Static(_) => 1,
        };
        let (value, more) = values.split_at_checked(nodes)?;
        rest = more;
        Some((*name, value))
    }))
}

/// Writes an object of strings; a scalar that is no string becomes one, and what is nested, which
/// Docker never writes, is left out.
fn strings<'t, 'i: 't>(
    members: impl Iterator<Item = (&'i str, &'t [Node<'i>])>,
    out: &mut Vec<u8>,
) {
    for (name, value) in members {
        let scalar;
        let value = match value {
            [Node::String(value)] => value,
            [Node::Static(value)] => {
                scalar = value.to_string();
                scalar.as_str()
            }
            _ => continue,
        };
        out.extend_from_slice(if out.is_empty() { b"{\"" } else { b",\"" });
        escape_into(out, name);
        out.extend_from_slice(b"\":\"");
        escape_into(out, value);
        out.push(b'"');
    }
    if !out.is_empty() {
        out.push(b'}');
    }
}

/// Puts `\ufffd` in the place of each surrogate without its other half, which the parser would
/// refuse together with the whole line. Outside of strings a backslash is illegal anyway.
pub(super) fn replace_lone_surrogates(line: &mut [u8]) {
    let mut at = 0;
    while let Some(next) = memchr(b'\\', &line[at..]) {
        at += next;
        match surrogate(line, at) {
            Some(Half::High) if surrogate(line, at + 6) == Some(Half::Low) => at += 12,
            Some(_) => {
                line[at + 2..at + 6].copy_from_slice(b"fffd");
                at += 6;
            }
            None => at += 2,
        }
        if at >= line.len() {
            return;
        }
    }
}

#[derive(PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Which half of a pair the escape at `at` is, if it is one.
fn surrogate(line: &[u8], at: usize) -> Option<Half> {
    let [b'\\', b'u', b'd' | b'D', half, c, d] = *line.get(at..at + 6)? else {
        return None;
    };
    if !c.is_ascii_hexdigit() || !d.is_ascii_hexdigit() {
        return None;
    }
    match half {
        b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(Half::High),
        b'c'..=b'f' | b'C'..=b'F' => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, text: Option<&str>) {
        let mut scratch = Scratch::default();
        let record = scratch.record(line.as_bytes(), &mut Memory::default());
        assert_eq!(record.map(|r| String::from_utf8_lossy(r.text)).as_deref(), text, "{line}");
    }

    #[test]
    fn what_is_a_record() {
        check(r#"{"log":"a\n"}"#, Some("a"));
        check(r#" { "time" : 1 , "log" : "a\tb\u0041" } "#, Some(r"a\tbA"));
        check(r#"{"time":"0001-01-01T00:00:00Z"}"#, Some(""));
        check(r#"{"stream":"stderr"}"#, Some(""));
        check(r#"{"log":"a","log":"b"}"#, Some("b"));
        check(r#"{"log":"a","x":[1,{"log":"no"}],"y":{}}"#, Some("a"));
        check(r#"{"x":{"log":"no"},"log":"\ud83d\ude00"}"#, Some("😀"));
        for no in
            [r"{}", "[]", r#""log""#, r#"{"x":1}"#, r#"{"log":1}"#, r#"{"log":null}"#, "", " "]
        {
            check(no, None);
        }
    }

    #[test]
    fn lone_surrogates() {
        check(r#"{"log":"\ud83d"}"#, Some("\u{fffd}"));
        check(r#"{"log":"\ude00x"}"#, Some("\u{fffd}x"));
        check(r#"{"log":"\ud83d\ud83d\ude00"}"#, Some("\u{fffd}😀"));
        check(r#"{"log":"\\ud83d"}"#, Some(r"\\ud83d"));
        check(r#"{"log":"\ud83d\u0041"}"#, Some("\u{fffd}A"));
        check(r#"{"log":"\uD83"}"#, None);
    }

    #[test]
    fn deep_nesting_is_no_stack_overflow() {
        let deep = format!(r#"{{"log":"a","x":{}{}}}"#, "[".repeat(500_000), "]".repeat(500_000));
        check(&deep, None);
        let deep = format!(r#"{{"log":"a","x":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000));
        check(&deep, Some("a"));
        check(&"{\"a\":".repeat(200_000), None);
    }
}

//! The two ways to a record, held together.

use serde_json::Value;

use super::record::{Memory, Record, canonical};
use super::slow::Scratch;

/// Panics if a line, without its newline, is taken apart otherwise than it is parsed.
pub fn compare_paths(line: &[u8]) {
    if line.contains(&b'\n') || std::str::from_utf8(line).is_err() {
        return;
    }
    let mut memory = Memory::default();
    let Some(quick) = canonical(line, line.len(), &mut memory) else {
        return;
    };
    // Once more with the attributes remembered, and with bytes behind the line.
    let longer = [line, b"\n{\"log\":\"\\\\\"}\\u"].concat();
    assert_eq!(canonical(&longer, line.len(), &mut memory), Some(quick));
    let attrs = memory.attrs.clone();
    let mut scratch = Scratch::default();
    let parsed = scratch.record(line, &mut memory).expect("what is canonical is JSON");
    let frame = |record: &Record<'_>| (record.ends_line, record.stream, record.time);
    assert_eq!(frame(&quick), frame(&parsed));
    assert_eq!(text(quick.text), text(parsed.text));
    assert!(!quick.mended && !parsed.mended);
    assert_eq!(quick.has_attrs, parsed.has_attrs);
    if quick.has_attrs {
        assert_eq!(attrs.as_deref().map(json), memory.attrs.as_deref().map(json));
    }
}

fn text(escaped: &[u8]) -> Value {
    json(&[b"\"", escaped, b"\""].concat())
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("decoded parts are valid JSON")
}

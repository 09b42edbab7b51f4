//! What arrived, kept small: one bit and one sort key per line.

use std::collections::{BTreeMap, BTreeSet};

use crate::line::Line;

const LINES_PER_PAGE: u64 = 4096;
/// Examples kept of each kind of fault; beyond it they are only counted.
pub(super) const EXAMPLES_MAX: usize = 100;

/// Everything that arrived, by source.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub(super) sources: BTreeMap<String, SourceReceived>,
    pub(super) documents: u64,
    pub(super) lines: u64,
    pub(super) foreign: u64,
    pub(super) foreign_examples: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct SourceReceived {
    /// Distinct line numbers.
    pub(super) lines: u64,
    pages: BTreeMap<u64, Box<Page>>,
    pub(super) doubled: u64,
    pub(super) doubled_examples: BTreeSet<u64>,
    pub(super) corrupt: u64,
    pub(super) corrupt_examples: BTreeSet<u64>,
}

/// Pages keep a wild line number, as from a damaged line, from asking for much memory.
#[derive(Clone, Debug)]
struct Page {
    seen: [u64; (LINES_PER_PAGE / 64) as usize],
    /// Sort key per line; empty while no document had one.
    keys: Vec<u128>,
}

impl Received {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one document. A message of several lines, as multi-line joining makes them, counts
    /// each of its lines. `order` is the document's sortable key (`log.order`), if it has one.
    pub fn take(&mut self, message: &[u8], order: Option<&[u8]>) {
        self.documents += 1;
        let key = order.map(sort_key);
        for line in message.split(|&byte| byte == b'\n') {
            if line.is_empty() && message.ends_with(b"\n") {
                continue;
            }
            self.lines += 1;
            if let Some(line) = Line::parse(line) {
                self.take_line(line, key);
            } else {
                self.foreign += 1;
                if self.foreign_examples.len() < EXAMPLES_MAX {
                    let shown = &line[..line.len().min(120)];
                    self.foreign_examples.push(String::from_utf8_lossy(shown).into_owned());
                }
            }
        }
    }

    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Distinct lines of a source.
    pub fn lines_of(&self, source: &str) -> u64 {
        self.sources.get(source).map_or(0, |source| source.lines)
    }

    fn take_line(&mut self, line: Line<'_>, key: Option<u128>) {
        let source = match self.sources.get_mut(line.source) {
            Some(source) => source,
            None => self.sources.entry(line.source.to_owned()).or_default(),
        };
        if !line.is_intact() {
            source.corrupt += 1;
            if source.corrupt_examples.len() < EXAMPLES_MAX {
                source.corrupt_examples.insert(line.seq);
            }
        }
        if source.see(line.seq, key) {
            source.lines += 1;
        } else {
            source.doubled += 1;
            if source.doubled_examples.len() < EXAMPLES_MAX {
                source.doubled_examples.insert(line.seq);
            }
        }
    }
}

impl SourceReceived {
    /// False if the line was seen before.
    fn see(&mut self, seq: u64, key: Option<u128>) -> bool {
        let page = self.pages.entry(seq / LINES_PER_PAGE).or_insert_with(|| {
            Box::new(Page { seen: [0; (LINES_PER_PAGE / 64) as usize], keys: Vec::new() })
        });
        let at = (seq % LINES_PER_PAGE) as usize;
        if page.seen[at / 64] & (1 << (at % 64)) != 0 {
            return false;
        }
        page.seen[at / 64] |= 1 << (at % 64);
        if let Some(key) = key {
            if page.keys.is_empty() {
                page.keys.resize(LINES_PER_PAGE as usize, 0);
            }
            page.keys[at] = key;
        }
        true
    }

    /// Numbers seen, in order, each with its sort key (0: it had none).
    pub(super) fn seen(&self) -> impl Iterator<Item = (u64, u128)> {
        self.pages.iter().flat_map(|(number, page)| {
            (0..LINES_PER_PAGE).filter_map(move |at| {
                let at = at as usize;
                let is_seen = page.seen[at / 64] & (1 << (at % 64)) != 0;
                let key = page.keys.get(at).copied().unwrap_or_default();
                is_seen.then_some((number * LINES_PER_PAGE + at as u64, key))
            })
        })
    }
}

/// The order of the strings in 16 bytes: of `<time>-<offset>` the digits of the time since 2000
/// and the offset, of anything else the first 16 bytes.
fn sort_key(order: &[u8]) -> u128 {
    packed(order).unwrap_or_else(|| {
        let mut first = [0; 16];
        let length = order.len().min(16);
        first[..length].copy_from_slice(&order[..length]);
        u128::from_be_bytes(first)
    })
}

/// `2026-11-25T08:52:54.123456789Z-0000000001f`: 40 years in nanoseconds fit 61 bits, the offset
/// 44.
fn packed(order: &[u8]) -> Option<u128> {
    if order.len() < 31 || order[30] != b'-' || order[29] != b'Z' {
        return None;
    }
    let text = std::str::from_utf8(order).ok()?;
    let digits = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let days = (digits(0, 4)? * 12 + digits(5, 7)?) * 31 + digits(8, 10)?;
    let seconds = ((days * 24 + digits(11, 13)?) * 60 + digits(14, 16)?) * 60 + digits(17, 19)?;
    let nanos = u128::from(seconds) * 1_000_000_000 + u128::from(digits(20, 29)?);
    let offset = u64::from_str_radix(text.get(31..)?, 16).ok()?;
    Some(nanos << 48 | u128::from(offset & ((1 << 48) - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_strings() {
        let mut orders: Vec<String> = Vec::new();
        for time in ["2025-12-31T23:59:59.999999999Z", "2026-01-01T00:00:00.000000000Z"] {
            for offset in [0u64, 1, 0xFFF, 0x1_0000_0000] {
                orders.push(format!("{time}-{offset:011x}"));
            }
        }
        let keys: Vec<u128> = orders.iter().map(|order| sort_key(order.as_bytes())).collect();
        assert!(keys.is_sorted_by(|one, next| one < next), "{keys:x?}");
    }

    #[test]
    fn joined_lines_count_one_by_one() {
        let mut message = Vec::new();
        crate::line::write_line(&mut message, "s", 0, b"first");
        message.push(b'\n');
        crate::line::write_line(&mut message, "s", 1, b"second");
        let mut received = Received::new();
        received.take(&message, None);
        assert_eq!((received.documents, received.lines_of("s")), (1, 2));
    }
}

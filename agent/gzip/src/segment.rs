//! How a text becomes blocks: which code, when a new one, and when none.
//!
//! A text is written in segments. A segment's beginning is counted while it is written; only if a
//! code made for it would have been clearly better does a new block begin. What follows is written
//! in pieces, and where a piece takes clearly more or fewer bits than the first, the content has
//! changed and some of it is counted again. So most bytes are seen once, and the code lives on
//! from one segment to the next.

use crate::bits::{Bits, Partial};
use crate::code::{CODE_BITS_MAX, Code, Packed};
use crate::counts::Counts;
use crate::header::HEADER_BYTES_MAX;
use crate::member::STORED_BYTES_MAX;
use crate::scan::{OVERSHOOT_BYTES, Repeat, Scan, Scanned};
use crate::sys::{Level, Text};
use crate::table::Table;

/// No segment is longer, so that content that changes gets a new code and what cannot be
/// compressed is found.
pub(crate) const SEGMENT_BYTES_MAX: usize = 256 << 10;
/// So much of a segment is counted.
const SAMPLE_BYTES: usize = 16 << 10;
/// Cost of a sample against the best possible, beyond which the code is changed behind it.
const CHANGE_FACTOR: f32 = 1.06;
/// And beyond which the sample itself is written again.
const AGAIN_FACTOR: f32 = 1.4;
/// After so much the bits are looked at.
const PIECE_BYTES: usize = 12 << 10;
/// A piece tells of other content if it takes more or fewer bits than usual by one in so many.
const PIECE_TOLERANCE: usize = 5;
/// So much is counted then.
const LOOK_BYTES: usize = 8 << 10;
/// As [`CHANGE_FACTOR`]; larger, for what was counted is less.
const LOOK_FACTOR: f32 = 1.1;
/// A shorter text is written with the fixed code, as a header of its own would not pay.
const OWN_CODE_BYTES_MIN: usize = 1 << 10;

/// Blocks that a segment begins or ends at most: one that was open, one for the sample and one
/// behind it, and one behind each look.
const BLOCKS_MAX: usize = 3 + SEGMENT_BYTES_MAX / (PIECE_BYTES + LOOK_BYTES);

/// Room for a segment in the worst case: every byte by the longest code, and all blocks. It is more
/// than the segment itself, and written again as stored blocks then.
pub(crate) const ROOM_BYTES: usize = (SEGMENT_BYTES_MAX + OVERSHOOT_BYTES) * CODE_BITS_MAX / 8
    + BLOCKS_MAX * (HEADER_BYTES_MAX + CODE_BITS_MAX)
    + 64;

const _: () = assert!(SAMPLE_BYTES < SEGMENT_BYTES_MAX);
const _: () = assert!(ROOM_BYTES > bound_of_stored());

const fn bound_of_stored() -> usize {
    let len = SEGMENT_BYTES_MAX + OVERSHOOT_BYTES;
    len + (len / STORED_BYTES_MAX + 2) * 5 + 16
}

/// What lives on from text to text.
pub(crate) struct Segments {
    table: Table,
    code: Code,
    fixed: Code,
    counts: Counts,
    /// Whether `code` was made for anything yet.
    adapted: bool,
    /// The end of the block that is open.
    open: Option<Packed>,
    partial: Partial,
    room: Box<[u8]>,
}

impl Segments {
    pub(crate) const MEMORY_BYTES: usize = size_of::<Self>() + ROOM_BYTES;

    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            table: Table::new(),
            code: Code::fixed(),
            fixed: Code::fixed(),
            counts: Counts::new(),
            adapted: false,
            open: None,
            partial: Partial::default(),
            room: vec![0; ROOM_BYTES].into_boxed_slice(),
        })
    }

    /// Forgets what was written before, so that the next member depends on its body alone.
    pub(crate) fn forget(&mut self) {
        self.table.clear();
        self.adapted = false;
    }

    /// Begins a member's blocks.
    pub(crate) fn begin(&mut self) {
        self.open = None;
        self.partial = Partial::default();
    }

    /// Writes `text`.
    pub(crate) fn write(
        &mut self,
        level: Level,
        text: &[u8],
        repeats: &[Repeat],
        out: &mut Vec<u8>,
    ) {
        // Equal parts, so that none is so short that its sample is most of it.
        let parts = text.len().div_ceil(SEGMENT_BYTES_MAX);
        let step = text.len().div_ceil(parts.max(1));
        let mut room = std::mem::take(&mut self.room);
        let mut reached = Scanned { at: 0, repeats };
        for part in 1..=parts {
            let to = (part * step).min(text.len());
            if reached.at < to {
                let mut bits = Bits::new(self.partial, &mut room);
                reached = self.segment(level, text, reached, to, &mut bits);
                let (bytes, partial) = bits.end();
                out.extend_from_slice(bytes);
                self.partial = partial;
            }
        }
        self.room = room;
    }

    /// Ends a member's blocks.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        let mut bits = Bits::new(self.partial, &mut self.room);
        close(&mut self.open, &mut bits);
        // An empty last block with the fixed code, whose end is seven zeros.
        bits.put(0b011, 10);
        bits.align();
        out.extend_from_slice(bits.end().0);
    }

    fn segment<'a>(
        &mut self,
        level: Level,
        text: &'a [u8],
        from: Scanned<'a>,
        to: usize,
        bits: &mut Bits,
    ) -> Scanned<'a> {
        let (begin, open) = (bits.mark(), self.open);
        let reached = if to - from.at < OWN_CODE_BYTES_MIN && self.open.is_none() {
            self.fixed_block(level, text, from, to, bits)
        } else {
            let sampled = self.sample(level, text, from, (from.at + SAMPLE_BYTES).min(to), bits);
            self.rest(level, text, sampled, to, bits)
        };
        let len = reached.at - from.at;
        if bits.since(begin) > len * 8 {
            bits.rewind(begin);
            self.open = open;
            self.stored(&text[from.at..reached.at], bits);
        }
        reached
    }

    fn fixed_block<'a>(
        &mut self,
        level: Level,
        text: &'a [u8],
        from: Scanned<'a>,
        to: usize,
        bits: &mut Bits,
    ) -> Scanned<'a> {
        self.fixed.header.write(bits);
        let reached = level.run(Scan::<false> {
            text: Text::new(text),
            from: from.at,
            to,
            repeats: from.repeats,
            table: &mut self.table,
            code: &self.fixed,
            counts: &mut self.counts,
            bits,
        });
        self.open = Some(self.fixed.end);
        close(&mut self.open, bits);
        reached
    }

    /// Writes a beginning and judges the code by it.
    fn sample<'a>(
        &mut self,
        level: Level,
        text: &'a [u8],
        from: Scanned<'a>,
        to: usize,
        bits: &mut Bits,
    ) -> Scanned<'a> {
        let (begin, open) = (bits.mark(), self.open);
        let reached = self.scan::<true>(level, text, from, to, bits);
        let weights = self.counts.weights();
        let cost = self.code.cost(&weights);
        if self.adapted && !cost.exceeds(AGAIN_FACTOR) {
            if cost.exceeds(CHANGE_FACTOR) {
                close(&mut self.open, bits);
                self.code.adapt(&weights);
            }
            return reached;
        }
        bits.rewind(begin);
        self.open = open;
        close(&mut self.open, bits);
        self.code.adapt(&weights);
        self.adapted = true;
        self.scan::<false>(level, text, from, to, bits)
    }

    /// Writes what follows a beginning.
    fn rest<'a>(
        &mut self,
        level: Level,
        text: &'a [u8],
        from: Scanned<'a>,
        to: usize,
        bits: &mut Bits,
    ) -> Scanned<'a> {
        let mut reached = from;
        let mut usual = None;
        while reached.at < to {
            let (begin, at) = (bits.mark(), reached.at);
            reached = self.scan::<false>(level, text, reached, (at + PIECE_BYTES).min(to), bits);
            let piece = Piece { bytes: reached.at - at, bits: bits.since(begin) };
            if piece.is_like(*usual.get_or_insert(piece)) || reached.at >= to {
                continue;
            }
            let look = (reached.at + LOOK_BYTES).min(to);
            reached = self.scan::<true>(level, text, reached, look, bits);
            let weights = self.counts.weights();
            if self.code.cost(&weights).exceeds(LOOK_FACTOR) {
                close(&mut self.open, bits);
                self.code.adapt(&weights);
            }
            usual = None;
        }
        reached
    }

    fn scan<'a, const COUNT: bool>(
        &mut self,
        level: Level,
        text: &'a [u8],
        from: Scanned<'a>,
        to: usize,
        bits: &mut Bits,
    ) -> Scanned<'a> {
        if COUNT {
            self.counts.clear();
        }
        if self.open.is_none() {
            self.code.header.write(bits);
            self.open = Some(self.code.end);
        }
        level.run(Scan::<COUNT> {
            text: Text::new(text),
            from: from.at,
            to,
            repeats: from.repeats,
            table: &mut self.table,
            code: &self.code,
            counts: &mut self.counts,
            bits,
        })
    }

    fn stored(&mut self, bytes: &[u8], bits: &mut Bits) {
        close(&mut self.open, bits);
        for part in bytes.chunks(STORED_BYTES_MAX) {
            let len = part.len() as u16;
            bits.put(0, 3);
            bits.align();
            bits.bytes(&len.to_le_bytes());
            bits.bytes(&(!len).to_le_bytes());
            bits.bytes(part);
        }
    }
}

/// What a piece of text took.
#[derive(Clone, Copy)]
struct Piece {
    bytes: usize,
    bits: usize,
}

impl Piece {
    fn is_like(self, usual: Self) -> bool {
        let (ours, theirs) = (self.bits * usual.bytes, usual.bits * self.bytes);
        ours.abs_diff(theirs) <= theirs / PIECE_TOLERANCE
    }
}

fn close(open: &mut Option<Packed>, bits: &mut Bits) {
    if let Some(end) = open.take() {
        bits.put(end.bits(), end.count());
        bits.flush();
    }
}

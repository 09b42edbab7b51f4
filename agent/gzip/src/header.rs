//! How a block begins: its kind, and the codes if they are its own (RFC 1951, 3.2.3 and 3.2.7).

use crate::bits::{Bits, Partial};
use crate::huffman;
use crate::symbols::{DISTANCES, LITERALS_AND_LENGTHS};

/// Symbols of the code in which the lengths of the codes are written.
const SYMBOLS: usize = 19;
const CODE_BITS_MAX: usize = 7;
/// The order in which their own lengths are written, rarest last.
const ORDER: [u8; SYMBOLS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// No header is longer: its first bits, the lengths of the 19 codes, and for each length of the two
/// codes at most the longest code with the most extra bits.
pub(crate) const HEADER_BYTES_MAX: usize =
    (3 + 14 + SYMBOLS * 3 + (LITERALS_AND_LENGTHS + DISTANCES) * (CODE_BITS_MAX + 7)).div_ceil(8);

/// Eight bytes are written and read at once, of which the last may lie behind the header.
const ROOM_BYTES: usize = HEADER_BYTES_MAX + 8;

/// How a block with a certain code begins. It is made with the code and not with the block: small
/// members that follow each other begin alike.
pub(crate) struct Header {
    bytes: [u8; ROOM_BYTES],
    bits: usize,
}

impl Header {
    /// Of blocks with the fixed code.
    pub(crate) const fn fixed() -> Self {
        let mut bytes = [0; ROOM_BYTES];
        bytes[0] = 0b010;
        Self { bytes, bits: 3 }
    }

    /// Makes it that of blocks whose codes have such lengths.
    pub(crate) fn adapt(
        &mut self,
        literals_and_lengths: &[u8; LITERALS_AND_LENGTHS],
        distances: &[u8; DISTANCES],
    ) {
        let mut all = [0; LITERALS_AND_LENGTHS + DISTANCES];
        // Every symbol has a code here, so none can be left off at the end.
        all[..LITERALS_AND_LENGTHS].copy_from_slice(literals_and_lengths);
        all[LITERALS_AND_LENGTHS..].copy_from_slice(distances);
        let mut bits = Bits::new(Partial::default(), &mut self.bytes);
        let begin = bits.mark();
        write(&all, &mut bits);
        self.bits = bits.since(begin);
        bits.align();
    }

    /// Opens a block, which is not the last.
    pub(crate) fn write(&self, bits: &mut Bits) {
        // Eight bytes are read and seven of them written, which fit between two flushes.
        for begin in (0..self.bits).step_by(56) {
            let count = (self.bits - begin).min(56);
            let mut eight = [0; 8];
            eight.copy_from_slice(&self.bytes[begin / 8..][..8]);
            bits.put(u64::from_le_bytes(eight) & ((1 << count) - 1), count as u32);
            bits.flush();
        }
    }
}

/// One or several lengths at once.
#[derive(Clone, Copy)]
struct Run {
    symbol: u8,
    extra: u8,
}

fn write(all: &[u8; LITERALS_AND_LENGTHS + DISTANCES], bits: &mut Bits) {
    let mut runs = [Run { symbol: 0, extra: 0 }; LITERALS_AND_LENGTHS + DISTANCES];
    let runs = shorten(all, &mut runs);
    let mut counts = [0; SYMBOLS];
    for run in runs {
        counts[usize::from(run.symbol)] += 1;
    }
    let mut lengths = [0; SYMBOLS];
    huffman::lengths(&counts, CODE_BITS_MAX, &mut lengths);
    let mut codes = [0; SYMBOLS];
    huffman::codes(&lengths, &mut codes);
    let written = ORDER.iter().rposition(|&symbol| lengths[usize::from(symbol)] > 0);
    let written = written.map_or(4, |last| (last + 1).max(4));

    bits.put(0b100, 3);
    bits.put(LITERALS_AND_LENGTHS as u64 - 257, 5);
    bits.put(DISTANCES as u64 - 1, 5);
    bits.put(written as u64 - 4, 4);
    bits.flush();
    for &symbol in &ORDER[..written] {
        bits.put(u64::from(lengths[usize::from(symbol)]), 3);
        bits.flush();
    }
    for four in runs.chunks(4) {
        for run in four {
            let symbol = usize::from(run.symbol);
            bits.put(u64::from(codes[symbol]), u32::from(lengths[symbol]));
            bits.put(u64::from(run.extra), extra_bits(run.symbol));
        }
        bits.flush();
    }
}

fn extra_bits(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

/// Repeated lengths as runs. Zeros do not occur: every symbol has a code.
fn shorten<'a>(lengths: &[u8], runs: &'a mut [Run]) -> &'a [Run] {
    let mut len = 0;
    let mut rest = lengths;
    let mut last = 0;
    while let Some(&length) = rest.first() {
        debug_assert!(length > 0);
        let same = rest.iter().take(6).take_while(|&&other| other == length).count();
        let taken = if length == last && same >= 3 { same } else { 1 };
        runs[len] = if taken > 1 {
            Run { symbol: 16, extra: taken as u8 - 3 }
        } else {
            Run { symbol: length, extra: 0 }
        };
        len += 1;
        last = length;
        rest = &rest[taken..];
    }
    &runs[..len]
}

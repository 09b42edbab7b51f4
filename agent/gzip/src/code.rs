//! A pair of prefix codes, laid out so that the scan needs one look-up for a literal and two for a
//! match.

use crate::counts::Weights;
use crate::header::Header;
use crate::huffman;
use crate::symbols::{
    DISTANCE_EXTRA, DISTANCE_SLOTS, DISTANCE_SYMBOL, DISTANCES, END, FIRST_LENGTH, LENGTH_BASE,
    LENGTH_EXTRA, LENGTH_SYMBOL, LITERALS_AND_LENGTHS, MATCH_BYTES_MAX,
};

/// No code is longer, so that four literals fit between two flushes, as do the two codes of a match
/// with their extra bits. The limit of DEFLATE, 15, would save less than a thousandth.
pub(crate) const CODE_BITS_MAX: usize = 12;

const _: () = assert!(4 * CODE_BITS_MAX <= 56 && 2 * CODE_BITS_MAX + 5 + 13 <= 56);

/// How many bits to write, in the lowest byte, and above it the bits, at most 24 of them.
#[derive(Clone, Copy)]
pub(crate) struct Packed(pub(crate) u32);

impl Packed {
    const NONE: Self = Self(0);

    fn new(bits: u32, count: u32) -> Self {
        debug_assert!(bits < 1 << 24 && bits >> count == 0);
        Self(bits << 8 | count)
    }

    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.0 >> 8)
    }

    #[inline(always)]
    pub(crate) fn count(self) -> u32 {
        self.0 & 0xff
    }
}

/// A distance symbol's code, its bits, and how many extra bits follow.
#[derive(Clone, Copy)]
pub(crate) struct Distance(u32);

impl Distance {
    const NONE: Self = Self(0);

    fn new(code: u16, bits: u8, extra: u8) -> Self {
        Self(u32::from(code) | u32::from(bits) << 16 | u32::from(extra) << 24)
    }

    /// Code and extra bits of `distance`.
    #[inline(always)]
    pub(crate) fn bits(self, distance: usize) -> (u64, u32) {
        let (code_bits, extra_bits) = (self.0 >> 16 & 0xff, self.0 >> 24);
        let extra = (distance as u64 - 1) & ((1 << extra_bits) - 1);
        (u64::from(self.0 & 0xffff) | extra << code_bits, code_bits + extra_bits)
    }
}

pub(crate) struct Code {
    pub(crate) literals: [Packed; 256],
    /// By length, with the extra bits.
    pub(crate) lengths: [Packed; MATCH_BYTES_MAX + 1],
    /// By [`crate::symbols::distance_slot`].
    pub(crate) distances: [Distance; DISTANCE_SLOTS],
    pub(crate) end: Packed,
    pub(crate) header: Header,
    literal_and_length_bits: [u8; LITERALS_AND_LENGTHS],
    distance_bits: [u8; DISTANCES],
}

impl Code {
    /// The code that needs no header (RFC 1951, 3.2.6).
    pub(crate) fn fixed() -> Self {
        // Two more symbols than there are: they have codes, which shifts those of 9 bits.
        let mut bits = [8; LITERALS_AND_LENGTHS + 2];
        bits[144..256].fill(9);
        bits[256..280].fill(7);
        let mut codes = [0; LITERALS_AND_LENGTHS + 2];
        huffman::codes(&bits, &mut codes);
        let mut code = Self::empty();
        code.literal_and_length_bits.copy_from_slice(&bits[..LITERALS_AND_LENGTHS]);
        code.distance_bits = [5; DISTANCES];
        code.lay_out(&codes);
        code
    }

    /// The best code for symbols of such weights.
    pub(crate) fn adapt(&mut self, weights: &Weights) {
        huffman::lengths(
            &weights.literals_and_lengths,
            CODE_BITS_MAX,
            &mut self.literal_and_length_bits,
        );
        huffman::lengths(&weights.distances, CODE_BITS_MAX, &mut self.distance_bits);
        let mut codes = [0; LITERALS_AND_LENGTHS];
        huffman::codes(&self.literal_and_length_bits, &mut codes);
        self.lay_out(&codes);
        self.header.adapt(&self.literal_and_length_bits, &self.distance_bits);
    }

    /// What symbols of such weights take without their extra bits, which no code changes.
    pub(crate) fn cost(&self, weights: &Weights) -> Cost {
        let mut cost = Cost { bits: 0, best: 0.0 };
        cost.add(&weights.literals_and_lengths, &self.literal_and_length_bits);
        cost.add(&weights.distances, &self.distance_bits);
        cost
    }

    fn empty() -> Self {
        Self {
            literals: [Packed::NONE; 256],
            lengths: [Packed::NONE; MATCH_BYTES_MAX + 1],
            distances: [Distance::NONE; DISTANCE_SLOTS],
            end: Packed::NONE,
            header: Header::fixed(),
            literal_and_length_bits: [0; LITERALS_AND_LENGTHS],
            distance_bits: [0; DISTANCES],
        }
    }

    fn lay_out(&mut self, codes: &[u16]) {
        let bits = &self.literal_and_length_bits;
        let packed = |symbol: usize| Packed::new(u32::from(codes[symbol]), u32::from(bits[symbol]));
        for (symbol, literal) in self.literals.iter_mut().enumerate() {
            *literal = packed(symbol);
        }
        self.end = packed(END);
        for (len, entry) in self.lengths.iter_mut().enumerate().skip(3) {
            let step = usize::from(LENGTH_SYMBOL[len]);
            let symbol = FIRST_LENGTH + step;
            let extra = len as u32 - u32::from(LENGTH_BASE[step]);
            *entry = Packed::new(
                u32::from(codes[symbol]) | extra << bits[symbol],
                u32::from(bits[symbol] + LENGTH_EXTRA[step]),
            );
        }
        let mut codes = [0; DISTANCES];
        huffman::codes(&self.distance_bits, &mut codes);
        for (entry, symbol) in self.distances.iter_mut().zip(DISTANCE_SYMBOL) {
            let symbol = usize::from(symbol);
            let bits = self.distance_bits[symbol];
            *entry = Distance::new(codes[symbol], bits, DISTANCE_EXTRA[symbol]);
        }
    }
}

/// In bits times the weight of one occurrence.
pub(crate) struct Cost {
    bits: u64,
    best: f32,
}

impl Cost {
    /// Whether the best possible code would take less than one part in `factor` of it.
    pub(crate) fn exceeds(&self, factor: f32) -> bool {
        self.bits as f32 > self.best * factor
    }

    fn add(&mut self, weights: &[u32], bits: &[u8]) {
        let mut total = 0;
        // Sums that do not wait for each other.
        let mut best = [0.0; 8];
        for (weights, bits) in weights.chunks(8).zip(bits.chunks(8)) {
            for ((&weight, &bits), best) in weights.iter().zip(bits).zip(&mut best) {
                total += weight;
                self.bits += u64::from(weight) * u64::from(bits);
                *best += weight as f32 * log2(weight as f32);
            }
        }
        self.best += total as f32 * log2(total as f32) - best.iter().sum::<f32>();
    }
}

/// Good to a thousandth, for numbers of at least 1. The libraries' own may differ from one platform to the
/// next, and with it the output.
fn log2(of: f32) -> f32 {
    let bits = of.to_bits();
    let exponent = (bits >> 23) as f32 - 127.0;
    let mantissa = f32::from_bits(bits & 0x7f_ffff | 0x3f80_0000);
    let mut sum = -0.056_570_85;
    for term in [0.447_179_55, -1.469_956_8, 2.821_202_6, -1.741_793_9] {
        sum = sum * mantissa + term;
    }
    // The polynomial is the natural logarithm.
    exponent + sum * std::f32::consts::LOG2_E
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm() {
        for of in (0..24).map(|power| 1.37_f32.powi(power)) {
            assert!((log2(of) - of.log2()).abs() < 1e-3, "{of}: {}", log2(of));
        }
    }

    #[test]
    fn fixed_code_is_that_of_the_rfc() {
        let code = Code::fixed();
        let forward = |packed: Packed| (packed.bits() << (64 - packed.count())).reverse_bits();
        assert_eq!((forward(code.literals[0]), code.literals[0].count()), (0b0011_0000, 8));
        assert_eq!((forward(code.literals[144]), code.literals[144].count()), (0b1_1001_0000, 9));
        assert_eq!((forward(code.end), code.end.count()), (0, 7));
        assert_eq!((forward(code.lengths[258]), code.lengths[258].count()), (0b1100_0101, 8));
    }
}

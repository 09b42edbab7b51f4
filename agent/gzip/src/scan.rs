//! The loop through which every byte goes: finds what stood there before, and writes it.

use crate::bits::Bits;
use crate::code::Code;
use crate::counts::Counts;
use crate::symbols::{MATCH_BYTES_MAX, WINDOW_BYTES, distance_slot};
use crate::sys::{AHEAD, Cpu, Place, Text, Work};
use crate::table::{MATCH_BYTES_MIN, Table};

/// A match may reach beyond the end of the part that is asked for, but no further than this, so
/// that the room for what is written is known.
pub(crate) const OVERSHOOT_BYTES: usize = 4 << 10;

/// `text[at..at + len]` is what stands at the smaller position `from`, says whoever wrote it.
///
/// It is a hint. The bytes are compared, so a wrong one costs some compression and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub at: u32,
    pub len: u32,
    pub from: u32,
}

/// A part of a text to be written with one code.
pub(crate) struct Scan<'a, 'w, 'out, const COUNT: bool> {
    pub(crate) text: Text<'a>,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) repeats: &'a [Repeat],
    pub(crate) table: &'w mut Table,
    pub(crate) code: &'w Code,
    /// Counted in if `COUNT`.
    pub(crate) counts: &'w mut Counts,
    pub(crate) bits: &'w mut Bits<'out>,
}

/// Where a scan ended.
#[derive(Clone, Copy)]
pub(crate) struct Scanned<'a> {
    /// `to`, or the end of a match that goes beyond.
    pub(crate) at: usize,
    pub(crate) repeats: &'a [Repeat],
}

impl<'a, const COUNT: bool> Work for Scan<'a, '_, '_, COUNT> {
    type Output = Scanned<'a>;

    #[inline(always)]
    fn on(mut self, cpu: impl Cpu) -> Scanned<'a> {
        let at = self.run(cpu);
        Scanned { at, repeats: self.repeats }
    }
}

impl<const COUNT: bool> Scan<'_, '_, '_, COUNT> {
    /// Searches up to each hint, then follows the hint. Returns where it ended.
    #[inline(always)]
    fn run(&mut self, cpu: impl Cpu) -> usize {
        let stop = self.text.limit(self.to).at();
        let mut at = self.from;
        let mut written = self.from;
        loop {
            let hint = self.repeats.first();
            let until = hint.map_or(stop, |hint| stop.min(hint.at as usize));
            (at, written) = self.search(cpu, at, written, until);
            let Some((hint, rest)) = self.repeats.split_first().filter(|_| at < stop) else {
                break;
            };
            self.repeats = rest;
            (at, written) = self.follow(cpu, *hint, at, written);
        }
        let end = at.max(self.to).min(self.text.bytes().len());
        self.last_literals(written, end);
        end
    }

    /// Finds matches from `at` on up to a position that is not before `until`. What is before
    /// `written` is in the output.
    #[inline(always)]
    fn search(
        &mut self,
        cpu: impl Cpu,
        mut at: usize,
        mut written: usize,
        until: usize,
    ) -> (usize, usize) {
        let limit = self.text.limit(until);
        while let Some(here) = limit.place(at) {
            // What follows a match is nearly always a number or an id, in which nothing is found.
            let here = here.behind_number(cpu);
            at = here.at();
            if at >= until {
                break;
            }
            let before = self.table.replace(here.load::<0>(), at);
            let found = before.and_then(|distance| Some((distance, here.back(distance)?)));
            let Some((distance, there)) = found else {
                at = behind_word(cpu, here);
                continue;
            };
            let mut len = cpu.equal(here, there);
            if len < MATCH_BYTES_MIN {
                at = behind_word(cpu, here);
                continue;
            }
            if len == 32 {
                len += self.equal_bytes(cpu, at + 32, distance);
            }
            let next = at + len;
            let begin = at - same_before(here, there).min(at - written);
            self.literals(written, begin);
            self.put_match(next - begin, distance);
            self.table.enter(here.load::<1>(), at + 1);
            if let Some(last) = limit.place(next - 2) {
                self.table.enter(last.load::<0>(), next - 2);
            }
            at = next;
            written = next;
        }
        (at, written)
    }

    #[inline(always)]
    fn follow(&mut self, cpu: impl Cpu, hint: Repeat, at: usize, written: usize) -> (usize, usize) {
        let begin = (hint.at as usize).max(written);
        let distance = hint.at.wrapping_sub(hint.from) as usize;
        let end = (hint.at as usize).saturating_add(hint.len as usize);
        let known = distance.wrapping_sub(1) < WINDOW_BYTES.min(begin);
        if known && begin + MATCH_BYTES_MIN <= end {
            let len = self.equal_bytes(cpu, begin, distance);
            if len >= MATCH_BYTES_MIN {
                self.literals(written, begin);
                self.put_match(len, distance);
                return (begin + len, begin + len);
            }
        }
        (at, written)
    }

    /// How many bytes from `at` on are the same as `distance` before, as far as a match may go.
    #[inline(always)]
    fn equal_bytes(&self, cpu: impl Cpu, at: usize, distance: usize) -> usize {
        let bytes = self.text.bytes();
        let end = (self.to + OVERSHOOT_BYTES).min(bytes.len());
        let mut len = 0;
        while at + len + 32 <= end {
            let Some(here) = self.text.place::<32>(at + len) else { break };
            let Some(there) = here.back(distance) else { break };
            let same = cpu.equal(here, there);
            if same != 32 {
                return len + same;
            }
            // Not `len += same`, for the next load would wait for this comparison.
            len += 32;
        }
        while at + len < end && bytes[at + len] == bytes[at + len - distance] {
            len += 1;
        }
        len
    }

    /// Up to four at a time, without a branch on how many: all four are looked up, and one shift
    /// picks the sum of the lengths of those that count.
    #[inline(always)]
    fn literals(&mut self, from: usize, to: usize) {
        let mut at = from;
        loop {
            let Some(here) = self.text.place::<4>(at) else {
                return self.last_literals(at, to);
            };
            let bytes = here.first::<4>();
            let [a, b, c, d] = bytes.map(|byte| self.code.literals[usize::from(byte)].0);
            let wanted = (to - at).min(4);
            // A shift looks at its count's lowest bits alone, and a sum's lowest byte is that of
            // the lowest bytes.
            let ab = a.wrapping_add(b);
            let abc = ab.wrapping_add(c);
            let abcd = abc.wrapping_add(d);
            let bit = |code: u32| u64::from(code >> 8);
            let bits = bit(a)
                | bit(b).wrapping_shl(a)
                | bit(c).wrapping_shl(ab)
                | bit(d).wrapping_shl(abc);
            let counts = u64::from(a as u8) << 8
                | u64::from(ab as u8) << 16
                | u64::from(abc as u8) << 24
                | u64::from(abcd as u8) << 32;
            let count = (counts >> (8 * wanted)) as u32 & 0xff;
            self.bits.put(bits & ((1 << count) - 1), count);
            self.bits.flush();
            if COUNT {
                for (i, &byte) in bytes.iter().enumerate() {
                    let counted = if i < wanted { usize::from(byte) } else { 256 };
                    self.counts.literals[counted] += 1;
                }
            }
            at += 4;
            if at >= to {
                return;
            }
        }
    }

    /// The same near the end of the text.
    fn last_literals(&mut self, from: usize, to: usize) {
        for &byte in &self.text.bytes()[from.min(to)..to] {
            let code = self.code.literals[usize::from(byte)];
            self.bits.put(code.bits(), code.count());
            self.bits.flush();
            if COUNT {
                self.counts.literals[usize::from(byte)] += 1;
            }
        }
    }

    #[inline(always)]
    fn put_match(&mut self, len: usize, distance: usize) {
        let mut rest = len;
        while rest > MATCH_BYTES_MAX {
            // What is left must be sayable, so not one or two.
            let part =
                if rest < MATCH_BYTES_MAX + 3 { MATCH_BYTES_MAX - 3 } else { MATCH_BYTES_MAX };
            self.put_part(part, distance);
            rest -= part;
        }
        self.put_part(rest, distance);
    }

    #[inline(always)]
    fn put_part(&mut self, len: usize, distance: usize) {
        let code = self.code.lengths[len];
        let (distance_bits, distance_count) =
            self.code.distances[distance_slot(distance)].bits(distance);
        self.bits.put(code.bits(), code.count());
        self.bits.put(distance_bits, distance_count);
        self.bits.flush();
        if COUNT {
            self.counts.add_match(len, distance);
        }
    }
}

/// The position behind the word whose first byte is here, of which 17 bytes are looked at.
#[inline(always)]
fn behind_word(cpu: impl Cpu, here: Place<'_, { AHEAD - 16 }>) -> usize {
    let next: Place<'_, { AHEAD - 32 }> = here.next();
    next.at() + cpu.word(next)
}

/// How many of the eight bytes before both places are the same: a number or a word may have been
/// stepped over that belongs to the match.
#[inline(always)]
fn same_before<const N: usize>(here: Place<'_, N>, there: Place<'_, N>) -> usize {
    let (Some(here), Some(there)) = (here.back(8), there.back(8)) else {
        return 0;
    };
    let differ = here.load::<0>() ^ there.load::<0>();
    differ.leading_zeros() as usize / 8
}

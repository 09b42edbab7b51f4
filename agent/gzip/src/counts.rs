//! How often each symbol was written.

use crate::symbols::{
    DISTANCE_BASE, DISTANCE_SLOTS, DISTANCES, FIRST_LENGTH, LENGTH_BASE, LITERALS_AND_LENGTHS,
    MATCH_BYTES_MAX, distance_slot,
};

/// The weight of one occurrence. Every symbol has the weight 1 besides, so that each code can
/// write anything and lives on when the content changes.
const WEIGHT: u32 = 8;

/// Begin and end of the lengths of each symbol.
const LENGTHS: [(u16, u16); 29] = {
    let mut all = [(0, 0); 29];
    let mut symbol = 0;
    while symbol < 29 {
        let end = if symbol < 28 { LENGTH_BASE[symbol + 1] } else { MATCH_BYTES_MAX as u16 + 1 };
        all[symbol] = (LENGTH_BASE[symbol], end);
        symbol += 1;
    }
    all
};

/// Begin and end of the slots of each distance symbol.
const SLOTS: [(u16, u16); DISTANCES] = {
    let mut all = [(0, 0); DISTANCES];
    let mut symbol = 0;
    while symbol < DISTANCES {
        let end = if symbol + 1 < DISTANCES {
            distance_slot(DISTANCE_BASE[symbol + 1] as usize)
        } else {
            DISTANCE_SLOTS
        };
        all[symbol] = (distance_slot(DISTANCE_BASE[symbol] as usize) as u16, end as u16);
        symbol += 1;
    }
    all
};

/// Lengths and distances are counted as they are and become symbols later, which is once for a
/// sample and not once for a match.
pub(crate) struct Counts {
    /// The last one takes literals of the group of four that do not count.
    pub(crate) literals: [u32; 257],
    lengths: [u32; MATCH_BYTES_MAX + 1],
    distances: [u32; DISTANCE_SLOTS],
}

/// Weights by symbol.
pub(crate) struct Weights {
    pub(crate) literals_and_lengths: [u32; LITERALS_AND_LENGTHS],
    pub(crate) distances: [u32; DISTANCES],
}

impl Counts {
    pub(crate) const fn new() -> Self {
        Self {
            literals: [0; 257],
            lengths: [0; MATCH_BYTES_MAX + 1],
            distances: [0; DISTANCE_SLOTS],
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    #[inline(always)]
    pub(crate) fn add_match(&mut self, len: usize, distance: usize) {
        self.lengths[len] += 1;
        self.distances[distance_slot(distance)] += 1;
    }

    pub(crate) fn weights(&self) -> Weights {
        let mut literals_and_lengths = [1; LITERALS_AND_LENGTHS];
        let mut distances = [1; DISTANCES];
        for (weight, count) in literals_and_lengths.iter_mut().zip(&self.literals[..256]) {
            *weight += count * WEIGHT;
        }
        for (weight, lengths) in literals_and_lengths[FIRST_LENGTH..].iter_mut().zip(LENGTHS) {
            *weight += sum(&self.lengths, lengths) * WEIGHT;
        }
        for (weight, slots) in distances.iter_mut().zip(SLOTS) {
            *weight += sum(&self.distances, slots) * WEIGHT;
        }
        Weights { literals_and_lengths, distances }
    }
}

fn sum(counts: &[u32], (begin, end): (u16, u16)) -> u32 {
    counts[usize::from(begin)..usize::from(end)].iter().sum()
}

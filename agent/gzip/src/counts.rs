//! How often each symbol was written.

use crate::symbols::{
    DISTANCE_SLOTS, DISTANCE_SYMBOL, DISTANCES, FIRST_LENGTH, LENGTH_SYMBOL, LITERALS_AND_LENGTHS,
    MATCH_BYTES_MAX, distance_slot,
};

/// The weight of one occurrence. Every symbol has the weight 1 besides, so that each code can
/// write anything and lives on when the content changes.
const WEIGHT: u32 = 8;

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
        for (count, symbol) in self.lengths.iter().zip(LENGTH_SYMBOL) {
            literals_and_lengths[FIRST_LENGTH + usize::from(symbol)] += count * WEIGHT;
        }
        for (count, symbol) in self.distances.iter().zip(DISTANCE_SYMBOL) {
            distances[usize::from(symbol)] += count * WEIGHT;
        }
        Weights { literals_and_lengths, distances }
    }
}

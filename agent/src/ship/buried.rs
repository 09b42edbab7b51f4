//! Documents that this process has put among the dead letters.
//!
//! A slice that is paused for one document is read again with all the others. Those that are dead
//! letters already would be refused and written once more at each turn, for hours in the case of
//! an index that stays closed, until the store is full of copies.

use std::collections::HashSet;

use crate::core::IdPrefix;

/// Documents in each of the two generations. Of one that is forgotten there may be two letters.
const BURIED_MAX: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Buried {
    recent: HashSet<(IdPrefix, u64)>,
    older: HashSet<(IdPrefix, u64)>,
}

impl Buried {
    pub(super) fn holds(&self, prefix: IdPrefix, offset: u64) -> bool {
        let key = (prefix, offset);
        self.recent.contains(&key) || self.older.contains(&key)
    }

    pub(super) fn note(&mut self, prefix: IdPrefix, offset: u64) {
        if self.recent.len() >= BURIED_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert((prefix, offset));
    }
}

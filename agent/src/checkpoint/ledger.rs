//! Spans in flight of one source; the gap-free acknowledged prefix is its frontier.

use std::collections::VecDeque;

use crate::core::BatchId;

/// Places in a source's bytes, in the order of reading, each waiting for a batch.
#[derive(Debug)]
pub struct Ledger<Place> {
    marks: VecDeque<Mark<Place>>,
}

#[derive(Debug)]
struct Mark<Place> {
    /// `None`: nothing was sent for the bytes up to here, so that nothing is waited for.
    batch: Option<BatchId>,
    place: Place,
}

impl<Place> Default for Ledger<Place> {
    fn default() -> Self {
        Self { marks: VecDeque::new() }
    }
}

impl<Place> Ledger<Place> {
    /// All bytes up to `place` are in `batch` or an earlier one.
    pub fn sent(&mut self, batch: BatchId, place: Place) {
        self.marks.push_back(Mark { batch: Some(batch), place });
    }

    /// The bytes up to `place` make no document yet. Gives the place back as the new frontier if
    /// nothing before it is waited for.
    pub fn passed(&mut self, place: Place) -> Option<Place> {
        if self.marks.is_empty() {
            return Some(place);
        }
        if let Some(last) = self.marks.back_mut()
            && last.batch.is_none()
        {
            last.place = place;
        } else {
            self.marks.push_back(Mark { batch: None, place });
        }
        None
    }

    /// `batch` is stored. Gives the new frontier if it moved.
    pub fn acknowledged(&mut self, batch: BatchId) -> Option<Place> {
        for mark in &mut self.marks {
            if mark.batch == Some(batch) {
                mark.batch = None;
            }
        }
        let mut frontier = None;
        while self.marks.front().is_some_and(|mark| mark.batch.is_none()) {
            frontier = self.marks.pop_front().map(|mark| mark.place);
        }
        // Most logs are idle, and there may be thousands of them.
        if self.marks.is_empty() {
            self.marks = VecDeque::new();
        }
        frontier
    }

    /// Forgets what is in flight; it will be read again.
    pub fn clear(&mut self) {
        self.marks = VecDeque::new();
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the plain definition: the frontier is the end of the longest prefix of marks
        /// that are all acknowledged.
        #[test]
        fn the_frontier_never_passes_a_gap(
            waits in prop::collection::vec(any::<bool>(), 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 40),
        ) {
            let mut ledger = Ledger::default();
            let mut frontier = 0;
            let mut acked: Vec<bool> = Vec::new();
            for (place, wait) in waits.iter().enumerate() {
                if *wait {
                    ledger.sent(BatchId(place as u64), place + 1);
                } else if let Some(moved) = ledger.passed(place + 1) {
                    frontier = moved;
                }
                acked.push(!wait);
            }
            let naive = |acked: &[bool]| acked.iter().take_while(|acked| **acked).count();
            prop_assert_eq!(frontier, naive(&acked));
            for index in order {
                let place = index.index(acked.len());
                acked[place] = true;
                if let Some(moved) = ledger.acknowledged(BatchId(place as u64)) {
                    prop_assert!(moved > frontier);
                    frontier = moved;
                }
                prop_assert_eq!(frontier, naive(&acked));
            }
        }
    }
}

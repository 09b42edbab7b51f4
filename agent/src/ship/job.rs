//! One batch that waits for its receipt, and what is known of each of its documents.

use std::sync::Arc;

use super::{Outcome, Receipt};
use crate::core::IdPrefix;
use crate::encode::Batch;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) batch: Arc<Batch>,
    pub(super) arrived_mono_ns: u64,
    /// By document: an attempt may have written it, so that a conflict is our own doing.
    pub(super) sent: Vec<bool>,
    /// By slice: below this offset the process may have sent the file's documents before this
    /// batch; empty until the first of it is sent.
    pub(super) believed_below: Vec<u64>,
    settled: Vec<bool>,
    outcomes: Vec<Outcome>,
    open: usize,
}

impl Job {
    pub(super) fn new(batch: Batch, arrived_mono_ns: u64) -> Self {
        let count = batch.documents.len();
        Self {
            sent: vec![false; count],
            believed_below: Vec::new(),
            settled: vec![false; count],
            outcomes: vec![Outcome::Acked; batch.slices.len()],
            open: count,
            batch: Arc::new(batch),
            arrived_mono_ns,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.open == 0
    }

    /// Settles a document for good. A slice is as bad as the worst of its documents.
    pub(super) fn settle(&mut self, document: u32, outcome: Outcome) {
        let at = document as usize;
        assert!(!self.settled[at], "document {at} of {:?} is settled twice", self.batch.id);
        self.settled[at] = true;
        self.open -= 1;
        self.spoil(usize::from(self.batch.documents[at].slice), outcome);
    }

    /// The slice will not be acknowledged, whatever becomes of its documents.
    pub(super) fn spoil(&mut self, slice: usize, outcome: Outcome) {
        let now = &mut self.outcomes[slice];
        if rank(&outcome) > rank(now) {
            *now = outcome;
        }
    }

    /// What makes its id: the file's prefix and the offset.
    pub(super) fn place(&self, document: u32) -> (IdPrefix, u64) {
        let document = self.batch.documents[document as usize];
        (self.batch.slices[usize::from(document.slice)].prefix, document.offset)
    }

    /// What its slice is doomed to, if it is.
    pub(super) fn doom(&self, document: u32) -> Option<&Outcome> {
        let slice = self.batch.documents[document as usize].slice;
        Some(&self.outcomes[usize::from(slice)]).filter(|it| **it != Outcome::Acked)
    }

    pub(super) fn has_doom(&self) -> bool {
        self.outcomes.iter().any(|it| *it != Outcome::Acked)
    }

    pub(super) fn into_receipt(self) -> (usize, Receipt) {
        assert!(self.is_done(), "a receipt for {:?} with open documents", self.batch.id);
        (self.batch.worker, Receipt { batch: self.batch.id, outcomes: self.outcomes })
    }
}

fn rank(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Acked => 0,
        Outcome::Paused { .. } => 1,
        Outcome::Collided => 2,
    }
}

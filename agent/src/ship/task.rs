//! A piece of work: documents of one batch that travel together.

use std::sync::Arc;

use super::job::Job;
use super::{apart, limit};
use crate::core::BatchId;

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) job: BatchId,
    /// Numbers in the batch, rising. Each is in no other task.
    pub(super) documents: Vec<u32>,
    pub(super) work: Work,
    pub(super) patience: Patience,
}

#[derive(Clone, Debug)]
pub(super) enum Work {
    Bulk,
    /// All documents met a conflict that is not believed; the first of each file is compared.
    Compare(Vec<Doubt>),
}

/// A document that is read back from the server.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    pub(super) document: u32,
    /// The concrete index that the server named; behind a data stream not the one we did.
    pub(super) index: Arc<str>,
}

/// How often this piece met what, so that the next step is taken in time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// Times that its items, not the request, were refused for now.
    pub(super) tries: u32,
    /// Monotonic time of the first of them.
    pub(super) since: Option<u64>,
    /// Connections that ended in the middle of the body.
    pub(super) cuts: u32,
    /// How many requests had gone well at the first of them.
    pub(super) successes_at_cut: u64,
    /// Whole requests refused for load.
    pub(super) busy: u32,
    /// Whole requests that the server could not read.
    pub(super) malformed: u32,
    /// Answers that could not be believed.
    pub(super) untrusted: u32,
}

impl Task {
    pub(super) fn all_of(job: BatchId, count: usize) -> Self {
        let documents = (0..count as u32).collect();
        Self { job, documents, work: Work::Bulk, patience: Patience::default() }
    }

    pub(super) fn inflated_bytes(&self, job: &Job) -> usize {
        if self.documents.len() == job.batch.documents.len() {
            return job.batch.body.inflated_bytes;
        }
        self.sizes(job).sum()
    }

    /// Two pieces of about the same bytes; one if it is a single document.
    pub(super) fn halves(self, job: &Job) -> Vec<Self> {
        if self.documents.len() < 2 {
            return vec![self];
        }
        let half = self.inflated_bytes(job) / 2;
        let mut sum = 0;
        let before = |size: usize| {
            sum += size;
            sum <= half
        };
        let at = self.sizes(job).map(before).take_while(|it| *it).count();
        let at = at.clamp(1, self.documents.len() - 1);
        let (left, right) = self.documents.split_at(at);
        [left, right].map(|it| Self { documents: it.to_vec(), ..self.clone() }).to_vec()
    }

    /// Pieces of at most `max` bytes each.
    pub(super) fn pieces(self, job: &Job, max: usize) -> Vec<Self> {
        let sizes: Vec<usize> = self.sizes(job).collect();
        let piece = |run: std::ops::Range<usize>| Self {
            documents: self.documents[run].to_vec(),
            ..self.clone()
        };
        limit::runs(&sizes, max).into_iter().map(piece).collect()
    }

    fn sizes(&self, job: &Job) -> impl Iterator<Item = usize> {
        self.documents.iter().map(|it| apart::range(&job.batch, *it).len())
    }
}

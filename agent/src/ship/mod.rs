//! takes: batches
//! gives: receipts
//! owns:  outputs, retries, pauses, dead letters
//! never: drops; advances a position itself

use std::sync::Arc;

use crate::core::BatchId;

/// What the output says of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub batch: BatchId,
    /// One for each of the batch's slices.
    pub outcomes: Vec<Outcome>,
}

/// What became of one slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every document is stored, or is a dead letter on disk.
    Acked,
    /// Some document's target refuses for now. The source rewinds to its frontier and may try
    /// again at the given monotonic time.
    Paused { index: Arc<str>, until_mono_ns: u64 },
    /// The server holds another document under one of the ids: the file needs a new generation.
    Collided,
}

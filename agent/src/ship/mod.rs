//! takes: batches
//! gives: receipts
//! owns:  outputs, retries, pauses, dead letters
//! never: drops; advances a position itself
//!
//! What holds inside:
//!
//! * Every document of a batch is settled exactly once: stored, on disk as a dead letter, paused
//!   or collided. A receipt goes out when the last one is, and never before.
//! * Nothing is acknowledged from an answer that cannot be trusted: one that is no JSON, or that
//!   does not have one item for each document sent.
//! * A document belongs to exactly one piece of work at a time, so what is held is bounded by the
//!   batches that the workers may have in flight.
//! * [`Shipper`] decides and does nothing else: no I/O, no clock, no randomness but a seed. The
//!   simulator and [`elasticsearch`] drive the same one.

mod answer;
mod apart;
mod backoff;
mod buried;
mod comparison;
pub mod console;
mod counters;
pub mod dead_letters;
pub mod elasticsearch;
mod failure;
mod handle;
mod hosts;
mod job;
mod limit;
mod marks;
mod message;
mod settings;
mod settle;
mod shipper;
mod strangers;
mod targets;
mod task;
#[cfg(test)]
mod tests;
mod verdict;
mod version;
mod warnings;
mod window;

use std::sync::Arc;

use crate::core::BatchId;

pub use apart::CutError;
pub use counters::{ByKind, ByOutcome, ByReason, Counters};
pub use handle::{Health, Receipts, ShipHandle};
pub use message::{
    Cut, HttpAnswer, Input, Letter, LetterFailure, LetterId, Output, Question, Request, RequestId,
    RequestKind, Sent, TransportError, TransportFault, Typing, Warning, WarningKind,
};
pub use settings::{ShipSettings, WhenRefused};
pub use shipper::Shipper;
pub use verdict::{Cause, PoisonReason};
pub use version::{Product, ServerVersion};

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

//! Events into one batch after the other.

use std::sync::Arc;

use super::{Batch, Codec, Day, Shape, Slice, Tail, Target};
use crate::core::BatchId;
use crate::decode::Event;

#[derive(Clone, Copy, Debug)]
pub struct EncoderSettings {
    pub shape: Shape,
    pub codec: Codec,
    /// A batch is full when its inflated body has this length.
    pub batch_bytes: usize,
}

/// A worker's encoder.
pub struct Encoder {
    settings: EncoderSettings,
}

impl Encoder {
    pub fn new(settings: EncoderSettings) -> Self {
        Self { settings }
    }

    /// The events that follow belong to this slice, until the next `begin`; batches may be sealed
    /// in between.
    pub fn begin(&mut self, _slice: Slice, _tail: Arc<Tail>, _target: Arc<Target>) {}

    /// The index that an event goes to, valid until the batch is sealed. `day` is the journal's,
    /// for events without a time.
    pub fn index_of(&mut self, _event: &Event<'_>, _day: Day) -> u16 {
        0
    }

    /// The name of an index of the open batch.
    pub fn index_name(&self, _index: u16) -> &Arc<str> {
        unimplemented!()
    }

    /// Encodes an event. `index` is what [`Self::index_of`] said of it.
    pub fn push(&mut self, _event: &Event<'_>, _index: u16, _day: Day, _mono_ns: u64) {}

    pub fn documents(&self) -> usize {
        0
    }

    pub fn inflated_bytes(&self) -> usize {
        0
    }

    pub fn is_full(&self) -> bool {
        self.inflated_bytes() >= self.settings.batch_bytes
    }

    pub fn is_empty(&self) -> bool {
        self.documents() == 0
    }

    /// Of the first event of the open batch.
    pub fn opened_mono_ns(&self) -> Option<u64> {
        None
    }

    /// Closes the open batch and hands it out.
    pub fn seal(&mut self, _id: BatchId, _worker: usize) -> Batch {
        unimplemented!()
    }
}

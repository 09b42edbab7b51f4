//! A sealed batch and the table of its documents.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::core::{BatchId, Epoch, IdPrefix, SourceToken};

/// Encoded documents, compressed and sealed, on their way to the output.
#[derive(Clone, Debug)]
pub struct Batch {
    pub id: BatchId,
    /// The worker that made it and waits for the receipt.
    pub worker: usize,
    pub body: Body,
    /// In the order in which they stand in the body.
    pub documents: Vec<Document>,
    /// The sources that have documents here.
    pub slices: Vec<Slice>,
    /// Index names, by [`Document::index`].
    pub indices: Vec<Arc<str>>,
    /// Monotonic time of the first event, in nanoseconds.
    pub opened_mono_ns: u64,
}

/// What goes over the wire.
#[derive(Clone, Debug)]
pub struct Body {
    pub bytes: Bytes,
    pub encoding: Encoding,
    /// Length of the body before compression; servers limit this one.
    pub inflated_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
}

/// One document's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where its action line begins in the inflated body. It ends where the next one begins.
    pub start: u32,
    /// Into [`Batch::slices`].
    pub slice: u16,
    /// Into [`Batch::indices`].
    pub index: u16,
    /// Offset of the event's first byte in its file.
    pub offset: u64,
    /// Bytes of the record on disk; 0 if the event does not stand in one place.
    pub raw_len: u32,
}

/// The part of a batch that one file of one source has.
#[derive(Clone)]
pub struct Slice {
    pub source: SourceToken,
    pub epoch: Epoch,
    /// For messages: the source's key and the file's name.
    pub name: Arc<str>,
    pub prefix: IdPrefix,
    /// Ids of events below this offset may have been sent by an earlier run of this state, so an
    /// answer "exists already" is an acknowledgement there, even at the first attempt.
    pub believed_below: u64,
    /// Reads a record's raw bytes again, for a dead letter.
    pub raw: Option<Arc<dyn Raw>>,
}

impl fmt::Debug for Slice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, epoch, name, prefix, believed_below, raw: _ } = self;
        out.debug_struct("Slice")
            .field("source", source)
            .field("epoch", epoch)
            .field("name", name)
            .field("prefix", prefix)
            .field("believed_below", believed_below)
            .finish_non_exhaustive()
    }
}

/// An open file from which a span can be read again. May block.
pub trait Raw: Send + Sync {
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;
}

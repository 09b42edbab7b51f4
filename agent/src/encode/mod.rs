//! takes: events and the origin of their source
//! gives: sealed batches; a batch taken apart again
//! owns:  the shape of documents, ids, target names by day, compression
//! never: builds a JSON tree on the plain path

mod batch;

pub use batch::{Batch, Body, Document, Encoding, Raw, Slice};

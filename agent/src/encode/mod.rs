//! takes: events and the origin of their source
//! gives: sealed batches; a batch taken apart again
//! owns:  the shape of documents, ids, target names by day, compression
//! never: builds a JSON tree on the plain path
//!
//! Invariants:
//! * A document is a function of its event, its file's rules, when it was read first (by
//!   the file's journal), and its origin.
//! * Whatever the event's bytes, a document is valid JSON without a name twice in one object.
//! * A batch's table of documents covers its inflated body without a gap.

mod apart;
mod batch;
mod codec;
mod day;
mod encoder;
mod ids;
mod named;
mod seen;
mod shape;
mod taps;
mod target;
#[cfg(test)]
mod tests;

pub use apart::{ApartError, document, inflate, select, split};
pub use batch::{Batch, Body, Document, Encoding, Raw, Slice};
pub use codec::Codec;
pub use day::Day;
pub use encoder::{Encoder, EncoderSettings};
pub use ids::{first_line_fingerprint, prefix};
pub use seen::Seen;
pub use shape::{Shape, Tail};
pub use taps::Tapped;
pub use target::{Renamed, Rules, Target, Zone, ZoneError, sanitise};

//! takes: chunks of a file's bytes, with their offset
//! gives: events (one or more records joined) to a sink
//! owns:  the record format, the joining of pieces and of lines, the fields of a text by its format
//! never: allocates per line on the plain path, looks at a clock, fails on any input
//!
//! Invariants:
//! * The events are a function of the bytes, of where the carry stands, and of the rules and cuts
//!   that the caller gives; nothing else.
//! * Only whole lines are consumed, but before a cut; the caller offers the rest again with more
//!   behind it.
//! * The text of an event is always the valid inside of a JSON string.

mod carry;
mod decoder;
mod escape;
mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod join;
mod joined;
mod record;
mod slow;
#[cfg(test)]
mod tests;
mod text;
mod time;

use serde::{Deserialize, Serialize};

pub use carry::{Carry, Open};
pub use decoder::{Decoder, Pushed};
pub use escape::escape_into;
pub use fields::{Clock, Extractor, FieldError, Fields, Member, flat_name};
pub use join::{JoinError, Joiner};
pub use text::unfinished_len;

use crate::core::{DamageReason, IdPrefix, Stream};

/// How a source's bytes are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Records of Docker's driver `json-file`.
    #[default]
    Docker,
    /// Lines as an application wrote them.
    Text,
}

/// One document in the making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The file in which the event begins.
    pub file: FileContext,
    /// Offset of the event's first byte in that file.
    pub offset: u64,
    /// Bytes of the first record as it stands on disk, its newline included; 0 if that record is
    /// not the whole event, so that its raw bytes are not in one place.
    pub raw_len: u32,
    /// `None` for a line of a file, which neither output wrote.
    pub stream: Option<Stream>,
    /// RFC 3339, UTC, always nine digits of fraction; `None` if the record has no legal time.
    pub time: Option<&'a [u8; 30]>,
    /// Pieces of the still escaped text, without the final newline; together the inside of a
    /// valid JSON string.
    pub text: &'a [&'a [u8]],
    /// The record's `attrs`, a valid JSON object, braces included.
    pub attrs: Option<&'a [u8]>,
    /// The line, or what is joined, goes on in another event, or came from one: it was cut.
    pub partial: bool,
    pub damage: Option<DamageReason>,
}

/// What an event has to know of the file that it begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContext {
    pub prefix: IdPrefix,
    /// Bytes of the files before this one in the same source: base + offset rises over rotations.
    pub base: u64,
}

/// Takes events.
pub trait Sink {
    /// The event is taken in any case but [`Flow::Refuse`].
    fn event(&mut self, event: &Event<'_>) -> Flow;
    /// The event that comes next began with bytes that were read at this time, in seconds since the
    /// Unix epoch; `None`: with bytes of this push.
    fn begun(&mut self, _read_s: Option<i64>) {}
    /// Something was skipped or mended that is worth a counter.
    fn damage(&mut self, reason: DamageReason, bytes: u64);
}

/// What a sink says after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Taken; go on.
    Go,
    /// Taken; stop behind it.
    Stop,
    /// Not taken: stop before it. The decoder is of no more use until its carry is restored.
    Refuse,
}

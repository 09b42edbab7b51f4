//! One source's decoder: lines out of chunks, records out of lines, events out of records.

use super::{Carry, FileContext, Flow, Sink};
use crate::core::Stream;

/// Decodes the runtime log of one container.
#[derive(Debug)]
pub struct Decoder {
    event_bytes_max: usize,
    carry: Carry,
}

/// How far a push came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Bytes of the chunk that are done with.
    pub consumed: usize,
    /// The sink's last word.
    pub flow: Flow,
}

impl Decoder {
    /// `event_bytes_max` bounds the escaped text of a joined event.
    pub fn new(event_bytes_max: usize) -> Self {
        Self { event_bytes_max, carry: Carry::default() }
    }

    pub fn set_event_bytes_max(&mut self, event_bytes_max: usize) {
        self.event_bytes_max = event_bytes_max;
    }

    /// Decodes the whole lines of `chunk`, which begins at `offset` of the file.
    ///
    /// A caller must be able to offer [`LINE_BYTES_MAX`](crate::core::limits::LINE_BYTES_MAX)
    /// bytes in one chunk, else a line of that length never comes to an end.
    pub fn push(
        &mut self,
        _file: FileContext,
        _offset: u64,
        _chunk: &[u8],
        _sink: &mut impl Sink,
    ) -> Pushed {
        Pushed { consumed: 0, flow: Flow::Go }
    }

    /// Ends the stream's carried pieces here: they go out as an event that is partial.
    pub fn cut(&mut self, _stream: Stream, _sink: &mut impl Sink) -> Flow {
        Flow::Go
    }

    /// Delivers what follows the last newline of a finished file, as raw text.
    pub fn finish(
        &mut self,
        _file: FileContext,
        _offset: u64,
        _rest: &[u8],
        _sink: &mut impl Sink,
    ) -> Pushed {
        Pushed { consumed: 0, flow: Flow::Go }
    }

    /// What is carried, if anything.
    pub fn carry(&self) -> Option<Carry> {
        (!self.carry.is_empty()).then(|| self.carry.clone())
    }

    pub fn restore(&mut self, carry: Option<Carry>) {
        self.carry = carry.unwrap_or_default();
    }

    pub fn carry_bytes(&self) -> usize {
        self.carry.bytes()
    }

    pub fn has_carry(&self, stream: Stream) -> bool {
        self.carry.line(stream).first.is_some()
    }
}

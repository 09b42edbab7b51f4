//! Between decoder and encoder: the last checks that an event passes.

use std::sync::Arc;

use super::blocked::Blocked;
use super::counters::{FormatLabel, ReasonLabel, WorkerCounters};
use crate::core::{DamageReason, IdPrefix, SourceToken};
use crate::decode::{Event, Flow, Sink};
use crate::encode::{Encoder, Seen, Slice, Tail, Target};

/// One turn's way into the open batch.
pub(super) struct TurnSink<'a> {
    pub encoder: &'a mut Encoder,
    pub blocked: &'a Blocked,
    pub counters: &'a WorkerCounters,
    pub source: SourceToken,
    /// Of the file that is being read.
    pub slice: OpenSlice,
    pub mono_ns: u64,
    /// For records without a legal time.
    pub seen: Seen,
    /// The same of an event that began earlier.
    pub begun: Option<Seen>,
    pub undated: bool,
    pub events: u64,
    /// The index that refused.
    pub refused: Option<Arc<str>>,
}

impl Sink for TurnSink<'_> {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        let elsewhere = event.file.prefix != self.slice.slice.prefix;
        if elsewhere {
            self.slice.begun_in(event.file.prefix).begin(self.encoder);
        }
        let flow = self.encode(event);
        if elsewhere {
            self.slice.begin(self.encoder);
        }
        flow
    }

    fn begun(&mut self, read_s: Option<i64>) {
        self.begun = read_s.map(Seen::of_seconds);
    }

    fn damage(&mut self, reason: DamageReason, bytes: u64) {
        self.counters.damaged_bytes.get_or_create(&label(reason)).inc_by(bytes);
    }
}

impl TurnSink<'_> {
    fn encode(&mut self, event: &Event<'_>) -> Flow {
        let seen = self.begun.unwrap_or(self.seen);
        let index = self.encoder.index_of(event, seen);
        if !self.blocked.is_empty() {
            let name = self.encoder.index_name(index);
            if self.blocked.refuses(name, self.source) {
                self.refused = Some(name.clone());
                return Flow::Refuse;
            }
        }
        self.encoder.push(event, index, seen, self.mono_ns);
        if let Some(format) = self.encoder.take_unparsed() {
            self.counters.unparsed.get_or_create(&FormatLabel { format }).inc();
        }
        self.undated |= event.time.is_none();
        self.events += 1;
        if let Some(reason) = event.damage {
            self.counters.damaged.get_or_create(&label(reason)).inc();
        }
        if self.encoder.is_full() { Flow::Stop } else { Flow::Go }
    }
}

/// What the documents of one file of one source have in common.
#[derive(Clone)]
pub(super) struct OpenSlice {
    pub slice: Slice,
    pub tail: Arc<Tail>,
    pub target: Arc<Target>,
    /// The place of reading when the turn began.
    pub offset: u64,
}

impl OpenSlice {
    pub(super) fn begin(&self, encoder: &mut Encoder) {
        encoder.begin(self.slice.clone(), self.tail.clone(), self.target.clone());
    }

    /// For an event that began in an earlier file. An earlier run may have sent it if it may have
    /// sent anything from here on.
    fn begun_in(&self, prefix: IdPrefix) -> Self {
        let sent_before = self.offset < self.slice.believed_below;
        let slice = Slice {
            prefix,
            believed_below: if sent_before { u64::MAX } else { 0 },
            raw: None,
            ..self.slice.clone()
        };
        Self { slice, ..self.clone() }
    }
}

fn label(reason: DamageReason) -> ReasonLabel {
    ReasonLabel { reason: reason.as_str() }
}

//! Between decoder and encoder: the last checks that an event passes.

use std::sync::Arc;

use super::blocked::Blocked;
use super::counters::{ReasonLabel, WorkerCounters};
use crate::core::{DamageReason, SourceToken};
use crate::decode::{Event, Flow, Sink};
use crate::encode::{Day, Encoder};

/// One turn's way into the open batch.
pub(super) struct TurnSink<'a> {
    pub encoder: &'a mut Encoder,
    pub blocked: &'a Blocked,
    pub counters: &'a WorkerCounters,
    pub source: SourceToken,
    pub mono_ns: u64,
    /// For records without a legal time.
    pub day: Day,
    pub undated: bool,
    pub events: u64,
    /// The index that refused.
    pub refused: Option<Arc<str>>,
}

impl Sink for TurnSink<'_> {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        let index = self.encoder.index_of(event, self.day);
        if !self.blocked.is_empty() {
            let name = self.encoder.index_name(index);
            if self.blocked.refuses(name, self.source) {
                self.refused = Some(name.clone());
                return Flow::Refuse;
            }
        }
        self.encoder.push(event, index, self.day, self.mono_ns);
        self.undated |= event.time.is_none();
        self.events += 1;
        if let Some(reason) = event.damage {
            self.counters.damaged.get_or_create(&label(reason)).inc();
        }
        if self.encoder.is_full() { Flow::Stop } else { Flow::Go }
    }

    fn damage(&mut self, reason: DamageReason, bytes: u64) {
        self.counters.damaged_bytes.get_or_create(&label(reason)).inc_by(bytes);
    }
}

fn label(reason: DamageReason) -> ReasonLabel {
    ReasonLabel { reason: reason.as_str() }
}

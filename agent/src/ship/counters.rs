//! What the room counts. The observe room registers them under their names.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Cheap to clone: all clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Documents stored by the output, conflicts that were believed included.
    pub documents_acked: Counter,
    /// Answers 409, by why they were believed or not: `resent`, `earlier_run`, `verified`,
    /// `compared_same`, `compared_different`, `vanished`.
    pub conflicts: Family<ByKind, Counter>,
    /// Answers 409 to a document that this state had never sent, before any comparison.
    pub conflicts_on_first_attempt: Counter,
    /// Documents sent again because the item, not the request, was refused for now.
    pub items_retried: Counter,
    /// Documents sent again because a whole request failed.
    pub documents_resent: Counter,
    /// Pauses of a target, by cause: `busy`, `refused`, `dead_letters`, `unreadable`.
    pub pauses: Family<ByReason, Counter>,
    /// Targets that are paused now.
    pub targets_paused: Gauge,
    /// Slices whose ids hold other documents on the server.
    pub collisions: Counter,
    /// Documents on disk as dead letters, by [`super::PoisonReason`].
    pub dead_letters: Family<ByReason, Counter>,
    /// Orders to the dead-letter store that failed: the store is full or its disk fails.
    pub dead_letter_failures: Counter,
    /// Requests, by outcome: `ok`, `partial`, `busy`, `unauthorized`, `refused`, `too_large`,
    /// `malformed`, `untrusted`, `connect`, `tls`, `deadline`, `closed`, `error`.
    pub requests: Family<ByOutcome, Counter>,
    /// Requests split because they were too large.
    pub splits: Counter,
    /// Bytes of request bodies on the wire.
    pub bytes_wire: Counter,
    /// The same bodies before compression.
    pub bytes_inflated: Counter,
    /// Requests open now.
    pub requests_in_flight: Gauge,
    /// Requests that may be open now (AIMD).
    pub window: Gauge,
    /// Batches that wait for their receipt.
    pub batches_in_flight: Gauge,
    /// Seconds since the epoch of the last stored document; 0 before the first.
    pub last_success_seconds: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByKind {
    pub kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOutcome {
    pub outcome: &'static str,
}

impl Counters {
    pub(super) fn conflict(&self, kind: &'static str) {
        self.conflicts.get_or_create(&ByKind { kind }).inc();
    }

    pub(super) fn pause(&self, reason: &'static str) {
        self.pauses.get_or_create(&ByReason { reason }).inc();
    }

    pub(super) fn request(&self, outcome: &'static str) {
        self.requests.get_or_create(&ByOutcome { outcome }).inc();
    }

    pub(super) fn dead_letter(&self, reason: &'static str) {
        self.dead_letters.get_or_create(&ByReason { reason }).inc();
    }
}

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// A reason out of a closed list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    pub reason: &'static str,
}

/// A declared format.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FormatLabel {
    pub format: &'static str,
}

/// A declared loss's reason and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LossLabel {
    pub reason: &'static str,
    pub container: String,
}

/// Counted by all workers together.
#[derive(Clone, Debug, Default)]
pub struct WorkerCounters {
    pub bytes_read: Counter,
    pub events: Counter,
    pub batches: Counter,
    pub batch_bytes: Counter,
    pub batch_wire_bytes: Counter,
    pub rewinds: Counter,
    pub truncations: Counter,
    pub cuts: Counter,
    pub read_errors: Counter,
    pub new_generations: Counter,
    pub damaged: Family<ReasonLabel, Counter>,
    pub damaged_bytes: Family<ReasonLabel, Counter>,
    pub unparsed: Family<FormatLabel, Counter>,
    pub losses: Family<LossLabel, Counter>,
    pub sources: Gauge,
    pub open_files: Gauge,
    pub batches_in_flight: Gauge,
    pub carry_bytes: Gauge,
}

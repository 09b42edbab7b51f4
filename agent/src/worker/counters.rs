use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::core::LossReason;
use crate::core::limits::LOSS_CONTAINERS_MAX;

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
    pub losses: Losses,
    pub sources: Gauge,
    pub open_files: Gauge,
    pub batches_in_flight: Gauge,
    pub carry_bytes: Gauge,
}

/// Declared losses.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    pub family: Family<LossLabel, Counter>,
    /// Containers that have a figure of their own.
    named: Arc<Mutex<HashSet<String>>>,
}

impl Losses {
    /// Counts one: under its container's name, or under none when too many have a figure.
    pub fn count(&self, reason: LossReason, container: &str) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < LOSS_CONTAINERS_MAX {
            named.insert(container.to_owned());
        }
        let container = named.get(container).cloned().unwrap_or_default();
        drop(named);
        let label = LossLabel { reason: reason.as_str(), container };
        self.family.get_or_create(&label).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_many_containers_are_few_figures() {
        let losses = Losses::default();
        for number in 0..LOSS_CONTAINERS_MAX + 10 {
            losses.count(LossReason::Truncated, &format!("c{number}"));
        }
        losses.count(LossReason::Truncated, "c0");
        let of = |container: String| {
            let label = LossLabel { reason: "truncated", container };
            losses.family.get_or_create(&label).get()
        };
        assert_eq!((of("c0".to_owned()), of("c1".to_owned()), of(String::new())), (2, 1, 10));
    }
}

//! Indices that refuse for now. One source at a time tries again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::SourceToken;

#[derive(Debug, Default)]
pub(super) struct Blocked {
    /// In an order that is the same in each run, as who tries first decides what comes next.
    indices: BTreeMap<Arc<str>, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    until_mono_ns: u64,
    /// Who tries whether the index takes documents again.
    probe: Option<SourceToken>,
}

impl Blocked {
    pub(super) fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    pub(super) fn block(&mut self, index: &Arc<str>, until_mono_ns: u64) {
        self.indices.insert(index.clone(), Refusal { until_mono_ns, probe: None });
    }

    /// Whether an event of `source` for `index` has to wait.
    pub(super) fn refuses(&self, index: &str, source: SourceToken) -> bool {
        self.indices.get(index).is_some_and(|refusal| refusal.probe != Some(source))
    }

    /// Indices whose time has come and which nobody tries yet.
    pub(super) fn due(&self, mono_ns: u64) -> Vec<Arc<str>> {
        self.indices
            .iter()
            .filter(|(_, refusal)| refusal.probe.is_none() && refusal.until_mono_ns <= mono_ns)
            .map(|(index, _)| index.clone())
            .collect()
    }

    pub(super) fn probe(&mut self, index: &str, source: SourceToken) {
        if let Some(refusal) = self.indices.get_mut(index) {
            refusal.probe = Some(source);
        }
    }

    pub(super) fn forget(&mut self, index: &str) {
        self.indices.remove(index);
    }

    /// The source tries no more, without an answer; whoever waits may try now.
    pub(super) fn abandoned_by(&mut self, source: SourceToken) {
        for refusal in self.indices.values_mut() {
            if refusal.probe == Some(source) {
                refusal.probe = None;
            }
        }
    }

    /// The probe went through: its indices take documents again.
    pub(super) fn opened_by(&mut self, source: SourceToken) -> Vec<Arc<str>> {
        let opened: Vec<_> = self
            .indices
            .iter()
            .filter(|(_, refusal)| refusal.probe == Some(source))
            .map(|(index, _)| index.clone())
            .collect();
        for index in &opened {
            self.indices.remove(index);
        }
        opened
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.indices
            .values()
            .filter(|refusal| refusal.probe.is_none())
            .map(|refusal| refusal.until_mono_ns)
            .min()
    }
}

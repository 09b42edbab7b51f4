//! What the output says, brought home to the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Output;
use super::step::Worker;
use crate::checkpoint::Entry;
use crate::core::{BatchId, SourceToken};
use crate::read::Files;
use crate::ship::{Outcome, Receipt};

impl<F: Files> Worker<F> {
    pub(super) fn receipt(&mut self, receipt: &Receipt, outputs: &mut Vec<Output>) {
        let slices = self.in_flight.remove(&receipt.batch);
        let slices = slices.expect("a receipt is given once, for a batch that was sent");
        self.counters.batches_in_flight.dec();
        assert_eq!(slices.len(), receipt.outcomes.len(), "a receipt speaks of every slice");
        // A source with several slices fares as its worst one.
        let mut sources: BTreeMap<SourceToken, &Outcome> = BTreeMap::new();
        for ((source, epoch), outcome) in slices.iter().zip(&receipt.outcomes) {
            let current = self.sources.get(source).map(|source| source.epoch);
            if current != Some(*epoch) {
                continue;
            }
            let worst = sources.entry(*source).or_insert(outcome);
            if matches!(worst, Outcome::Acked) {
                *worst = outcome;
            }
        }
        for (source, outcome) in sources {
            match outcome {
                Outcome::Acked => self.acknowledged(source, receipt.batch, outputs),
                Outcome::Paused { index, until_mono_ns } => {
                    self.paused(source, index, *until_mono_ns);
                }
                Outcome::Collided => self.collided(source),
            }
        }
    }

    fn acknowledged(&mut self, token: SourceToken, batch: BatchId, outputs: &mut Vec<Output>) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        if let Some(place) = source.ledger.acknowledged(batch) {
            source.move_frontier(place);
            self.dirty.insert(token);
        }
        if source.probing {
            source.probing = false;
            for index in self.blocked.opened_by(token) {
                self.release(&index);
            }
            self.make_ready(token);
        } else if !source.late.is_empty() {
            self.make_ready(token);
        }
        self.settle_if_drained(token);
        let _ = outputs;
    }

    fn paused(&mut self, token: SourceToken, index: &Arc<str>, until_mono_ns: u64) {
        self.counters.rewinds.inc();
        self.blocked.abandoned_by(token);
        self.blocked.block(index, until_mono_ns);
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.rewind();
        source.probing = false;
        source.stalled = Some(index.clone());
        self.after_rewind(token);
    }

    /// Another document has one of our ids: from the frontier on the file has new ones.
    fn collided(&mut self, token: SourceToken) {
        self.counters.new_generations.inc();
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.rewind();
        source.probing = false;
        self.blocked.abandoned_by(token);
        let key = source.key.clone();
        let offset = source.offset;
        let old = source.reading_prefix();
        if let Some(index) = source.reading_index()
            && let Some(born) = source.files[index].born.as_mut()
        {
            let generation = born.record.journal.generation(offset) + 1;
            born.record.journal.add(offset, Entry::Generation(generation));
            born.believed_below = 0;
            tracing::error!(
                source = %key, generation, offset,
                "the server holds other documents under this file's ids; it goes on with new ones"
            );
        }
        source.heed_journal();
        source.renew_carry(old);
        self.needs_commit(token);
        self.after_rewind(token);
    }

    fn after_rewind(&mut self, token: SourceToken) {
        // What it still has in the open batch is of the old epoch: sent once more, and absorbed.
        self.batch_sources.remove(&token);
        self.carry_bytes = self.sources.values().map(|source| source.carry_bytes).sum();
        if self.sources.get(&token).is_some_and(|source| source.stalled.is_none()) {
            self.make_ready(token);
        }
    }

    /// Lets the sources go on that wait for an index, in the order of their tokens, as it decides in
    /// which order their lines are sent.
    fn release(&mut self, index: &str) {
        let waiting: BTreeSet<SourceToken> = self
            .sources
            .values()
            .filter(|source| source.stalled.as_deref() == Some(index))
            .map(|source| source.token)
            .collect();
        for token in waiting {
            if let Some(source) = self.sources.get_mut(&token) {
                source.stalled = None;
            }
            self.make_ready(token);
        }
    }

    /// Sends one source of each index whose time has come to try again.
    pub(super) fn probe_blocked(&mut self) {
        for index in self.blocked.due(self.now.mono_ns) {
            let waiting = self
                .sources
                .values()
                .filter(|source| source.stalled.as_deref() == Some(&*index))
                .map(|source| source.token)
                .min();
            match waiting {
                Some(token) => {
                    self.blocked.probe(&index, token);
                    self.probes.insert(token);
                    if let Some(source) = self.sources.get_mut(&token) {
                        source.stalled = None;
                    }
                    self.make_ready(token);
                }
                None => self.blocked.forget(&index),
            }
        }
    }
}

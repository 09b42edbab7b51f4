//! What goes to the store, and what waits for it.

use super::Output;
use super::step::Worker;
use crate::checkpoint::{Commit, SourceRecord};
use crate::core::SourceToken;
use crate::read::Files;

/// Serialising plain data into memory does not fail.
pub(super) fn encoded(record: &SourceRecord) -> Vec<u8> {
    match record.to_bytes() {
        Ok(bytes) => bytes,
        Err(error) => panic!("cannot encode the record of {}: {error}", record.container_name),
    }
}

impl<F: Files> Worker<F> {
    /// Something of the source must be on disk before what is encoded from now on is sent.
    pub(super) fn needs_commit(&mut self, token: SourceToken) {
        self.dirty.insert(token);
        self.wanted += 1;
    }

    /// Starts a commit if one is due and none is under way.
    pub(super) fn commit_if_due(&mut self, outputs: &mut Vec<Output>) {
        if self.committing.is_some() || self.dirty.is_empty() && self.departed.is_empty() {
            return;
        }
        let awaited = self.wanted > self.durable;
        let period = self.settings.commit_interval;
        let due = self.now.since(self.committed_mono_ns) >= period || self.draining;
        if !awaited && !due {
            return;
        }
        let mut puts = Vec::with_capacity(self.dirty.len() + self.departed.len());
        puts.append(&mut self.departed);
        for token in std::mem::take(&mut self.dirty) {
            let Some(source) = self.sources.get_mut(&token) else { continue };
            source.dirty = false;
            puts.push((source.key.clone(), Some(encoded(&source.record()))));
        }
        self.sequence += 1;
        self.committing = Some((self.sequence, self.wanted));
        let commit = Commit { worker: self.settings.index, sequence: self.sequence, puts };
        outputs.push(Output::Commit(commit));
    }

    /// A commit is on disk.
    pub(super) fn committed(&mut self, sequence: u64, outputs: &mut Vec<Output>) {
        let Some((expected, covers)) = self.committing.take() else { return };
        assert_eq!(expected, sequence, "one commit is under way");
        self.durable = covers;
        self.committed_mono_ns = self.now.mono_ns;
        self.send_released(outputs);
    }

    /// Sends the batches whose journal entries are on disk.
    pub(super) fn send_released(&mut self, outputs: &mut Vec<Output>) {
        while self.held.front().is_some_and(|(needs, _)| *needs <= self.durable) {
            if let Some((_, batch)) = self.held.pop_front() {
                outputs.push(Output::Send(batch));
            }
        }
    }
}

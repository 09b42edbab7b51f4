//! One open file of a source.

use std::sync::Arc;

use crate::checkpoint::{Entry, FileRecord, Journal};
use crate::core::limits::SEEN_ENTRIES_MAX;
use crate::core::{IdPrefix, SourceKey};
use crate::decode::FileContext;
use crate::encode::{Rules, Seen, Tail, Target, prefix};
use crate::read::{FileId, FirstLine};

/// A file in the queue of a source, oldest first.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own that was observed")]
pub(super) struct FileState<Handle> {
    /// Rises within the source; never the same for two files, nor for two generations of one.
    pub sequence: u64,
    pub id: FileId,
    pub name: String,
    pub handle: Handle,
    pub is_archive: bool,
    /// The runtime will not write to it any more.
    pub closed: bool,
    /// The archive that it became before its turn came.
    pub archive: Option<FileId>,
    /// Its bytes were overwritten; what was not read of them is gone.
    pub truncated: bool,
    /// It was left once and is read on now.
    pub went_back: bool,
    /// Where reading begins on first sight.
    pub start: u64,
    pub first_line: FirstLine,
    /// `None` until its turn has come and its first line is whole.
    pub born: Option<Born>,
}

impl<Handle> FileState<Handle> {
    /// What it was compressed to.
    pub(super) fn archive(&self) -> Option<FileId> {
        self.born.as_ref().map_or(self.archive, |born| born.record.archive)
    }

    pub(super) fn first_line(&self) -> FirstLine {
        let born = self.born.as_ref();
        born.map_or(self.first_line, |born| FirstLine::Fingerprint(born.record.first_line))
    }
}

/// What a file has once its documents can be named.
#[derive(Debug)]
pub(super) struct Born {
    pub record: FileRecord,
    /// Ids below were possibly sent by an earlier run.
    pub believed_below: u64,
    /// Nothing at or beyond was sent by this run, nor by an earlier one as far as is known.
    pub reached: u64,
    pub tail: Arc<Tail>,
    /// Of the generation that holds at the reading position.
    pub prefix: IdPrefix,
    /// Of the rules that hold at the reading position.
    pub target: Arc<Target>,
}

impl Born {
    pub(super) fn context(&self) -> FileContext {
        FileContext { prefix: self.prefix, base: self.record.base }
    }

    /// When what is read at `offset` now was read first. Where nothing was sent yet that is now.
    pub(super) fn seen(&self, offset: u64, now: Seen) -> Seen {
        let journal = &self.record.journal;
        match journal.seen(offset) {
            Some(seen)
                if offset < self.reached || journal.all_seen().count() >= SEEN_ENTRIES_MAX =>
            {
                seen
            }
            _ => now,
        }
    }

    /// Writes into the journal when `offset` was read first; `false` if that is known.
    pub(super) fn note_seen(&mut self, offset: u64, seen: Seen) -> bool {
        let is_new = self.record.journal.seen(offset) != Some(seen);
        if is_new {
            self.record.journal.add(offset, Entry::Seen(seen));
        }
        is_new
    }
}

pub(super) fn prefix_at(key: &SourceKey, record: &FileRecord, offset: u64) -> IdPrefix {
    let generation = record.journal.generation(offset);
    prefix(key.as_str(), generation, record.lineage, record.first_line)
}

/// A record for a file that is seen for the first time.
pub(super) fn new_record(
    id: FileId,
    first_line: u128,
    lineage: u32,
    base: u64,
    start: u64,
    rules: &Rules,
) -> FileRecord {
    let mut journal = Journal::default();
    journal.add(0, Entry::Rules(rules.clone()));
    FileRecord {
        id,
        archive: None,
        first_line,
        lineage,
        base,
        frontier: start,
        reserved: start,
        finished: None,
        journal,
    }
}

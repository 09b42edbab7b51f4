//! Going back to a file of text that was read, left, and written to since: its writer kept it open
//! after it was renamed.
//!
//! A source is read in one line, so it goes back between two lines of the file that it reads, and
//! when everything up to there is acknowledged. Ids are by offset, so nothing is doubled; what came
//! late stands behind later lines.

use std::time::Duration;

use super::file::FileState;
use super::follow::revive;
use super::source::{Place, Source};
use super::step::Worker;
use crate::core::limits::CHUNK_BYTES;
use crate::core::{SourceToken, Stream};
use crate::decode::Format;
use crate::read::{FileId, Files, Opened};

/// A directory is looked at because of news that the current file does not account for: not sooner
/// than this after the look before. On a busy log such news are common, as what they tell of was
/// read before they came.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// A file that is longer than when it was left, held open from the moment that a look found it.
#[derive(Debug)]
pub(super) struct Late<Handle> {
    pub id: FileId,
    name: String,
    opened: Opened<Handle>,
}

/// Takes note of a known file that a look has opened, if it was left and has grown.
pub(super) fn take_note<Handle: Clone>(
    source: &mut Source<Handle>,
    id: FileId,
    name: &str,
    opened: &Opened<Handle>,
) {
    let of_files = source.files.iter().filter_map(|file| Some(&file.born.as_ref()?.record));
    let mut records = source.settled.iter().chain(of_files).filter(|record| record.id == id);
    let is_longer =
        records.any(|record| record.finished.is_some_and(|length| opened.stat.size > length));
    if source.format == Format::Text && opened.stat.id == id && is_longer {
        source.late.retain(|late| late.id != id);
        source.late.push(Late { id, name: name.to_owned(), opened: opened.clone() });
    }
}

impl<F: Files> Worker<F> {
    /// To be called before a turn: goes back if it is time to. True if the source has to wait for
    /// receipts until it may.
    pub(super) fn waits_to_go_back(&mut self, token: SourceToken) -> bool {
        let Some(source) = self.sources.get_mut(&token) else { return false };
        if source.late.is_empty() || !source.decoder.is_between_lines() && !source.finished {
            return false;
        }
        if Stream::ALL.iter().any(|stream| source.decoder.has_carry(*stream)) {
            if source.is_behind() {
                // More of this event may have been sent as one already.
                return false;
            }
            // What comes late is not of this event, as it is not where a file ends.
            self.cut(token);
        }
        let Some(source) = self.sources.get_mut(&token) else { return false };
        if Stream::ALL.iter().any(|stream| source.decoder.has_carry(*stream)) {
            return false;
        }
        if source.in_batch || !source.ledger.is_empty() {
            return true;
        }
        let late = source.late.remove(0);
        if let Some(at) = source.settled.iter().rposition(|record| record.id == late.id) {
            go_back(source, at, late);
            self.dirty.insert(token);
        }
        false
    }

    /// The current file has nothing new. If somebody said that there was something, it may be in a
    /// file that was left.
    pub(super) fn look_for_late(&mut self, token: SourceToken) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let is_unexplained = source.heard_at_size.take() == Some(source.size_seen);
        if !is_unexplained || source.settled.is_empty() || source.scan_wanted {
            return;
        }
        source.scan_wanted = true;
        let at = source.looked_mono_ns + LOOK_INTERVAL.as_nanos() as u64;
        self.retries.insert((at, token));
    }
}

/// Puts a settled file before the one that is being read.
fn go_back<Handle>(source: &mut Source<Handle>, settled: usize, late: Late<Handle>) {
    let mut record = source.settled.remove(settled);
    // Until it is read again: whoever finds it in the store reads it from there.
    record.finished = None;
    let Late { id, name, opened } = late;
    let size = opened.stat.size;
    let offset = record.frontier;
    let sequence = source.next_sequence;
    source.next_sequence += 1;
    tracing::info!(
        source = %source.key, file = %name, offset, size = opened.stat.size,
        "a renamed log was written to after it was read; going back to it"
    );
    let file = FileState {
        sequence,
        id,
        name,
        handle: opened.handle,
        is_archive: false,
        closed: true,
        archive: record.archive,
        truncated: false,
        went_back: true,
        start: offset,
        first_line: opened.first_line,
        born: Some(revive(source, record, size)),
    };
    let reading = source.reading_index();
    if let Some(reading) = reading {
        source.files[reading].start = source.offset;
    }
    source.files.insert(reading.unwrap_or(0), file);
    source.reading = sequence;
    source.offset = offset;
    source.size_seen = offset;
    source.want = CHUNK_BYTES;
    source.decoder.next_file();
    source.frontier = Place { file: sequence, offset, carry: None };
    source.finished = false;
    source.complete = false;
    source.heed_journal();
}

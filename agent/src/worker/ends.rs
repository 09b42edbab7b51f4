//! Where files and sources come to their end, and how long is waited for it.

use std::time::Duration;

use super::Output;
use super::file::FileState;
use super::sink::TurnSink;
use super::source::Source;
use super::step::Worker;
use super::turn::open_slice;
use crate::checkpoint::Entry;
use crate::core::{LossReason, SourceToken, Stream};
use crate::decode::{Flow, Format, unfinished_len};
use crate::encode::Seen;
use crate::read::{Files, FirstLine};

/// How long a rotated file of text has to stand still before the next one is read. Programs that
/// are told to open their log again do so within milliseconds; those that are told by a timer have
/// timers of seconds.
const ROTATED_QUIET: Duration = Duration::from_secs(5);

/// The same for one whose last line has no end: whoever began it will most likely end it there. Only
/// a writer that died in the middle of a line, at a rotation, lets the next file wait that long.
const OPEN_LINE_QUIET: Duration = Duration::from_mins(1);

impl<F: Files> Worker<F> {
    /// Nothing more is there for now. `rest` is what follows the last whole line.
    pub(super) fn at_end_of_file(
        &mut self,
        token: SourceToken,
        rest: &[u8],
        outputs: &mut Vec<Output>,
    ) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let Some(index) = source.reading_index() else { return };
        let is_last = index + 1 == source.files.len();
        let is_text = source.format == Format::Text;
        if source.read_was_final && is_text && self.lingers(token, index, rest) {
            return;
        }
        let Some(source) = self.sources.get_mut(&token) else { return };
        let file = &source.files[index];
        if source.read_was_final {
            if !rest.is_empty() && file.born.is_some() {
                self.finish_torn(token, rest);
            }
            if is_text && self.sources.get(&token).is_some_and(|source| source.stalled.is_none()) {
                // Nothing is added to it in the next file.
                self.cut(token);
            }
            if self.sources.get(&token).is_some_and(|source| source.stalled.is_none()) {
                self.next_file(token);
            }
        } else if is_final(source, index) {
            // It became so while the read was under way; what came in between is still unread.
            self.make_ready(token);
        } else if is_last && !source.read_was_ended && has_ended(source) {
            // The same of the container's end.
            self.make_ready(token);
        } else if is_text && file.born.is_some() && !rest.is_empty() {
            self.unfinished(token, index, rest);
        } else if source.read_was_ended && is_last {
            self.at_end_of_source(token, outputs);
        }
        if is_text && is_last {
            self.look_for_late(token);
        }
    }

    /// Whether a rotated file of text has to be looked at again before the next one is read: its
    /// writer keeps it open until somebody tells it to open the new one.
    fn lingers(&mut self, token: SourceToken, index: usize, rest: &[u8]) -> bool {
        let Some(source) = self.sources.get_mut(&token) else { return false };
        let file = &source.files[index];
        if file.is_archive || file.truncated || source.removed || source.ended {
            return false;
        }
        let is_whole = rest.is_empty() && !source.decoder.is_inside_line();
        if file.went_back && is_whole {
            // The next look finds what comes still.
            return false;
        }
        let quiet = if is_whole || file.went_back { ROTATED_QUIET } else { OPEN_LINE_QUIET };
        let size = source.offset + rest.len() as u64;
        let since = source.quiet.since(file, size, self.now.mono_ns);
        let until = since + quiet.as_nanos() as u64;
        if until <= self.now.mono_ns {
            return false;
        }
        if !rest.is_empty() && file.born.is_some() {
            // It is not kept from its readers meanwhile.
            self.unfinished(token, index, rest);
        }
        self.retries.insert((until, token));
        true
    }

    /// A line of text that has no end (yet): it is cut when nothing came for a while, or at once
    /// if its container has ended.
    fn unfinished(&mut self, token: SourceToken, index: usize, rest: &[u8]) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let offset = source.offset;
        let size = offset + rest.len() as u64;
        let since = source.quiet.since(&source.files[index], size, self.now.mono_ns);
        let until = since + self.settings.partial_timeout.as_nanos() as u64;
        if until > self.now.mono_ns && !source.read_was_ended {
            self.retries.insert((until, token));
            return;
        }
        let Some(born) = source.files[index].born.as_mut() else { return };
        let cut = offset + unfinished_len(rest) as u64;
        if born.record.journal.cuts(cut).next().is_none() {
            born.record.journal.add(cut, Entry::Cut(Stream::Stdout));
            self.counters.cuts.inc();
            self.needs_commit(token);
        }
        self.make_ready(token);
    }

    /// The last line of a closed file has no newline and never will.
    fn finish_torn(&mut self, token: SourceToken, rest: &[u8]) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let Some(index) = source.reading_index() else { return };
        let Some(slice) = open_slice(source, index, &self.files) else { return };
        slice.begin(&mut self.encoder);
        let Some(born) = &mut source.files[index].born else { return };
        let before = source.decoder.carry();
        let now = Seen::of_wall(self.now.wall_ns).not_before(source.last_seen);
        let seen = born.seen(source.offset, now);
        let mut sink = TurnSink {
            encoder: &mut self.encoder,
            blocked: &self.blocked,
            counters: &self.counters,
            source: token,
            slice,
            mono_ns: self.now.mono_ns,
            seen,
            begun: None,
            undated: false,
            events: 0,
            refused: None,
        };
        source.decoder.set_read(seen.seconds());
        let pushed = source.decoder.finish(born.context(), source.offset, rest, &mut sink);
        let (events, undated, refused) = (sink.events, sink.undated, sink.refused);
        self.counters.events.inc_by(events);
        source.in_batch |= events > 0;
        if undated && born.note_seen(source.offset, seen) {
            source.last_seen = seen;
        }
        if pushed.flow == Flow::Refuse {
            source.decoder.restore(before);
            source.stalled = refused;
            if events > 0 {
                born.reached = born.reached.max(source.offset + 1);
            }
        } else {
            source.offset += pushed.consumed as u64;
        }
        if events > 0 {
            self.batch_sources.insert(token);
        }
        self.needs_commit(token);
        self.after_taking(token, true);
    }

    /// The file is read to its end, which is final.
    pub(super) fn next_file(&mut self, token: SourceToken) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let Some(index) = source.reading_index() else { return };
        let offset = source.offset;
        let file = &mut source.files[index];
        if let Some(born) = &mut file.born
            && !file.truncated
        {
            born.record.finished = Some(offset);
            source.next_base = source.next_base.max(born.record.base + offset);
        }
        if let Some(next) = source.files.get(index + 1) {
            source.reading = next.sequence;
            source.offset = next.start;
            source.decoder.next_file();
            source.size_seen = next.start;
            source.heed_journal();
            self.after_taking(token, true);
            self.make_ready(token);
        } else if source.removed {
            source.finished = true;
            self.dirty.insert(token);
            if source.decoder.carry().is_some() {
                self.cut(token);
            }
            self.settle_if_drained(token);
        }
    }

    /// Every file is read and the container has ended.
    pub(super) fn at_end_of_source(&mut self, token: SourceToken, outputs: &mut Vec<Output>) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        if !has_ended(source) {
            return;
        }
        // A file that was signalled and not found is declared already.
        let is_told = source.complete || source.files_found > 0;
        if source.has_met_none() && source.removed && !is_told {
            let file = source.current.clone();
            let loss = source.loss(&file, LossReason::DeletedBeforeOpen, 0, None);
            outputs.push(Output::Lost(loss));
        }
        if source.decoder.carry().is_some() {
            self.cut(token);
        }
        if let Some(source) = self.sources.get_mut(&token)
            && source.stalled.is_none()
        {
            source.finished = true;
        }
        self.settle_if_drained(token);
    }

    /// The file was cut to less than what was read of it: what it holds now is a new generation.
    pub(super) fn truncated(&mut self, token: SourceToken, size: u64, outputs: &mut Vec<Output>) {
        self.counters.truncations.inc();
        let Some(source) = self.sources.get_mut(&token) else { return };
        let Some(index) = source.reading_index() else { return };
        let sequence = source.next_sequence;
        source.next_sequence += 1;
        let offset = source.offset;
        let file = &mut source.files[index];
        let name = file.name.clone();
        file.truncated = true;
        let fresh = FileState {
            sequence,
            id: file.id,
            name: name.clone(),
            handle: file.handle.clone(),
            is_archive: false,
            closed: file.closed,
            archive: None,
            truncated: false,
            went_back: false,
            start: 0,
            first_line: FirstLine::Unfinished,
            born: None,
        };
        file.closed = true;
        if let Some(born) = &mut file.born {
            source.next_base = source.next_base.max(born.record.base + offset);
        }
        source.files.insert(index + 1, fresh);
        // How much was written and cut away unread nobody can know.
        tracing::warn!(source = %source.key, file = %name, offset, size, "a log was truncated");
        let loss = source.loss(&name, LossReason::Truncated, offset, None);
        outputs.push(Output::Lost(loss));
        if source.decoder.carry().is_some() {
            self.cut(token);
        }
        self.next_file(token);
    }
}

/// Whether nothing will come to a file any more than what it holds now.
pub(super) fn is_final<Handle>(source: &Source<Handle>, index: usize) -> bool {
    // Who writes text may go on with a file that was renamed until the next one is there.
    let is_closed = source.files[index].closed
        && (source.format == Format::Docker || index + 1 < source.files.len());
    is_closed || source.removed && has_looked(source)
}

/// Whether the container has ended, and its directory has been looked at since.
pub(super) fn has_ended<Handle>(source: &Source<Handle>) -> bool {
    (source.ended || source.removed) && has_looked(source)
}

fn has_looked<Handle>(source: &Source<Handle>) -> bool {
    source.scanned_after_end && !source.scan_running
}

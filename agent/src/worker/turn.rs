//! One source's turn: a chunk read, decoded and encoded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::ends;
use super::file::{Born, new_record, prefix_at};
use super::sink::{OpenSlice, TurnSink};
use super::source::{Source, fingerprint};
use super::step::Worker;
use super::{Output, source::Place};
use crate::core::limits::{
    CHUNK_BYTES, LINE_BYTES_MAX, RESERVE_AHEAD_BYTES, RESERVE_AHEAD_TURNS, RESERVE_BYTES_MAX,
};
use crate::core::{LossReason, SourceToken};
use crate::decode::{Carry, Flow, Format};
use crate::encode::{Seen, Slice, Tail};
use crate::read::{Files, FirstLine, PageBuffer, ReadDone, ReadStart};

/// After a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Failed reads in a row after which the rest of a file whose container is gone is given up.
const READ_FAILURES_MAX: u32 = 10;

impl<F: Files> Worker<F> {
    /// Reads a chunk of the source and takes it through; puts the source back into the queue if
    /// there may be more.
    pub(super) fn turn(&mut self, token: SourceToken, outputs: &mut Vec<Output>) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.is_ready = false;
        if source.read_pending || source.stalled.is_some() || source.probing || !source.scanned {
            return;
        }
        if source.retry_mono_ns.is_some_and(|retry| retry > self.now.mono_ns) {
            return;
        }
        source.retry_mono_ns = None;
        if self.waits_to_go_back(token) {
            return;
        }
        let Some(source) = self.sources.get_mut(&token) else { return };
        let Some(index) = source.reading_index() else {
            self.at_end_of_source(token, outputs);
            return;
        };
        if source.files[index].truncated {
            // Rewound into bytes that were cut away since.
            let name = source.files[index].name.clone();
            let loss = source.loss(&name, LossReason::Truncated, source.offset, None);
            outputs.push(Output::Lost(loss));
            self.next_file(token);
            return;
        }
        source.read_was_final = ends::is_final(source, index);
        source.read_was_ended = ends::has_ended(source);
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() != source.want {
            buffer = PageBuffer::with_len(source.want);
        }
        let handle = source.files[index].handle.clone();
        match self.files.read(token, &handle, source.offset, &mut buffer) {
            ReadStart::Ready(result) => {
                self.after_read(token, result, &buffer, outputs);
                self.buffer = buffer;
            }
            ReadStart::Pending => {
                self.buffer = buffer;
                if let Some(source) = self.sources.get_mut(&token) {
                    source.read_pending = true;
                }
            }
        }
    }

    /// A read that took its time has ended.
    pub(super) fn read_ended(
        &mut self,
        token: SourceToken,
        offset: u64,
        result: io::Result<(PageBuffer, ReadDone)>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.read_pending = false;
        if source.offset != offset || source.stalled.is_some() || source.probing {
            // The source was rewound meanwhile.
            self.make_ready(token);
            return;
        }
        match result {
            Ok((buffer, done)) => self.after_read(token, Ok(done), &buffer, outputs),
            Err(error) => self.after_read(token, Err(error), &PageBuffer::with_len(0), outputs),
        }
    }

    fn after_read(
        &mut self,
        token: SourceToken,
        result: io::Result<ReadDone>,
        buffer: &PageBuffer,
        outputs: &mut Vec<Output>,
    ) {
        let done = match result {
            Ok(done) => done,
            Err(error) => return self.read_failed(token, &error, outputs),
        };
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.read_failures = 0;
        let Some(index) = source.reading_index() else { return };
        let file = &source.files[index];
        if let (Some(stat), false) = (done.stat, file.is_archive) {
            source.size_seen = stat.size;
            // Bytes in hand are delivered though the file was cut since.
            if stat.size < source.offset && done.bytes < buffer.len() {
                self.truncated(token, stat.size, outputs);
                return;
            }
        }
        let chunk = &buffer.as_slice()[..done.bytes];
        if !self.be_born(token, index, chunk, done) {
            return self.at_end_of_file(token, chunk, outputs);
        }
        let source = &self.sources[&token];
        let is_archive = source.files[index].is_archive;
        // Bytes may have come between the read and the look at the size.
        let at_end = done
            .stat
            .is_some_and(|stat| is_archive || stat.size <= source.offset + done.bytes as u64);
        let taken = self.take_chunk(token, index, chunk, outputs);
        match taken {
            Taken::Refused => {}
            Taken::Some { consumed, more } => {
                let Some(source) = self.sources.get_mut(&token) else { return };
                if more || (!at_end && consumed > 0) {
                    source.want = CHUNK_BYTES;
                    self.make_ready(token);
                } else if !at_end && done.bytes < buffer.len() {
                    self.make_ready(token);
                } else if !at_end {
                    // One line fills the chunk.
                    source.want = (source.want * 2).clamp(CHUNK_BYTES, LINE_BYTES_MAX + 1);
                    self.make_ready(token);
                } else {
                    source.want = CHUNK_BYTES;
                    self.at_end_of_file(token, &chunk[consumed..], outputs);
                }
            }
        }
    }

    /// Gives a file its name among documents, now that those before it are read. `false`: its
    /// first line is not whole yet.
    fn be_born(&mut self, token: SourceToken, index: usize, chunk: &[u8], done: ReadDone) -> bool {
        let Some(source) = self.sources.get_mut(&token) else { return false };
        let file = &source.files[index];
        if file.born.is_some() {
            return true;
        }
        let mut first_line = file.first_line;
        if first_line == FirstLine::Unfinished {
            first_line = FirstLine::of(chunk);
            let is_last_word = file.closed && done.bytes < CHUNK_BYTES && !chunk.is_empty();
            if first_line == FirstLine::Unfinished && is_last_word {
                // A closed file that is but one torn line.
                let torn = crate::encode::first_line_fingerprint(chunk);
                first_line = FirstLine::Fingerprint(torn);
            }
        }
        let Some(line) = fingerprint(first_line) else { return false };
        let lineage = source.next_lineage(line);
        let (id, start) = (source.files[index].id, source.files[index].start);
        let rules = source.target.rules();
        let mut record = new_record(id, line, lineage, source.next_base, start, rules);
        record.archive = source.files[index].archive;
        let tail = Tail::new(source.shape, &source.origin, &source.path, &rules.target);
        let born = Born {
            believed_below: start,
            reached: start,
            tail: Arc::new(tail),
            prefix: prefix_at(&source.key, &record, start),
            target: source.target.clone(),
            record,
        };
        let file = &mut source.files[index];
        file.first_line = first_line;
        file.born = Some(born);
        source.heed_journal();
        self.needs_commit(token);
        true
    }

    /// Decodes and encodes what the chunk has, up to the next entry of the journal.
    fn take_chunk(
        &mut self,
        token: SourceToken,
        index: usize,
        chunk: &[u8],
        outputs: &mut Vec<Output>,
    ) -> Taken {
        self.reserve(token, index, chunk.len());
        self.apply_cuts(token, index);
        let Some(source) = self.sources.get_mut(&token) else { return Taken::Refused };
        if source.stalled.is_some() {
            // What is cut here has to go out first.
            return Taken::Refused;
        }
        let Some(born) = &mut source.files[index].born else { return Taken::Refused };
        let before =
            Place { file: source.reading, offset: source.offset, carry: source.decoder.carry() };
        let change = born.record.journal.next_change(source.offset);
        // A cut of text stands in the line, and not behind it.
        let text_cut = change.filter(|change| {
            source.format == Format::Text
                && change - source.offset <= chunk.len() as u64
                && born.record.journal.cuts(*change).next().is_some()
        });
        let piece = match text_cut {
            Some(cut) => &chunk[..(cut - source.offset) as usize],
            None => up_to_change(chunk, source.offset, change),
        };
        let Some(slice) = open_slice(source, index, &self.files) else { return Taken::Refused };
        slice.begin(&mut self.encoder);
        let Some(born) = &mut source.files[index].born else { return Taken::Refused };
        let now = Seen::of_wall(self.now.wall_ns).not_before(source.last_seen);
        // An entry holds from the next line on, so all parts of one that was too long have the
        // time of its first.
        let is_inside_line = before.carry.as_ref().is_some_and(Carry::is_overlong);
        let first = born.record.journal.seen(source.offset).filter(|_| is_inside_line);
        let seen = first.unwrap_or_else(|| born.seen(source.offset, now));
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
        let (context, offset) = (born.context(), source.offset);
        source.decoder.set_read(seen.seconds());
        let pushed = match text_cut {
            Some(_) => source.decoder.push_and_cut(context, offset, piece, &mut sink),
            None => source.decoder.push(context, offset, piece, &mut sink),
        };
        let TurnSink { undated, events, refused, .. } = sink;
        self.counters.events.inc_by(events);
        source.in_batch |= events > 0;
        // Lines of text that are held have a time already.
        let undated = undated || source.format == Format::Text && source.decoder.is_joining();
        let new_seen = undated && born.note_seen(before.offset, seen);
        if new_seen {
            source.last_seen = seen;
        }
        let consumed = pushed.consumed;
        if pushed.flow == Flow::Refuse {
            source.decoder.restore(before.carry);
            source.stalled = refused;
            if events > 0 {
                // Those before the one that was refused are on their way.
                born.reached = born.reached.max(source.offset + 1);
            }
        } else {
            source.offset += consumed as u64;
            source.bytes_read += consumed as u64;
            self.counters.bytes_read.inc_by(consumed as u64);
            born.reached = born.reached.max(source.offset);
            source.heed_journal();
        }
        if new_seen {
            self.needs_commit(token);
        }
        self.apply_cuts(token, index);
        self.after_taking(token, consumed > 0);
        if events > 0 {
            self.batch_sources.insert(token);
        }
        self.seal_if_full(outputs);
        let is_stalled = self.sources.get(&token).is_none_or(|source| source.stalled.is_some());
        match pushed.flow {
            _ if is_stalled => Taken::Refused,
            flow => Taken::Some {
                consumed,
                more: flow == Flow::Stop || consumed < chunk.len() && piece.len() < chunk.len(),
            },
        }
    }

    /// The place moved, or pieces were taken without a document.
    pub(super) fn after_taking(&mut self, token: SourceToken, moved: bool) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        if moved && !source.in_batch {
            let place = source.place();
            if let Some(frontier) = source.ledger.passed(place) {
                source.move_frontier(frontier);
                self.dirty.insert(token);
            }
        }
        let carry = source.decoder.carry_bytes();
        self.carry_bytes = self.carry_bytes + carry - source.carry_bytes;
        source.carry_bytes = carry;
        if source.look_at_open(self.now.mono_ns) {
            self.carrying.insert(token);
            self.arm_open_timer(token, 0);
        } else {
            self.carrying.remove(&token);
        }
    }

    /// Tells the store ahead which ids may be sent.
    fn reserve(&mut self, token: SourceToken, index: usize, bytes: usize) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let end = source.offset + bytes as u64;
        let size = source.size_seen;
        let Some(born) = &mut source.files[index].born else { return };
        // Rules that are read at a restart hold from there, and a cut at the end would be of both.
        if end >= born.record.reserved {
            let known = size.max(end).min(end + RESERVE_BYTES_MAX);
            // A full chunk tells nothing of how fast the log is written.
            let turns = if bytes < CHUNK_BYTES { RESERVE_AHEAD_TURNS } else { 1 };
            born.record.reserved = known + RESERVE_AHEAD_BYTES.max(bytes as u64 * turns);
            self.needs_commit(token);
        }
    }

    fn read_failed(&mut self, token: SourceToken, error: &io::Error, outputs: &mut Vec<Output>) {
        self.counters.read_errors.inc();
        let retry = self.now.after(RETRY_AFTER);
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.read_failures += 1;
        let Some(index) = source.reading_index() else { return };
        let file = &source.files[index];
        tracing::warn!(
            source = %source.key, file = %file.name, offset = source.offset, %error,
            "cannot read; trying again"
        );
        if source.read_failures >= READ_FAILURES_MAX && (file.is_archive || source.removed) {
            let loss = source.loss(&file.name, LossReason::ReadError, source.offset, None);
            outputs.push(Output::Lost(loss));
            source.read_failures = 0;
            self.next_file(token);
            return;
        }
        source.retry_mono_ns = Some(retry);
        self.retries.insert((retry, token));
    }
}

enum Taken {
    /// The target waits; nothing moved.
    Refused,
    /// `more`: the chunk has more that can be taken at once.
    Some { consumed: usize, more: bool },
}

/// The chunk up to where the journal changes something: to the end of the line that reaches or
/// crosses that offset, since an entry holds for records that begin at or beyond it.
fn up_to_change(chunk: &[u8], offset: u64, change: Option<u64>) -> &[u8] {
    let Some(change) = change else { return chunk };
    let ahead = change - offset;
    if ahead >= chunk.len() as u64 {
        return chunk;
    }
    let last = ahead as usize - 1;
    match memchr::memchr(b'\n', &chunk[last..]) {
        Some(end) => &chunk[..=last + end],
        None => chunk,
    }
}

pub(super) fn open_slice<F: Files>(
    source: &Source<F::Handle>,
    index: usize,
    files: &F,
) -> Option<OpenSlice> {
    let file = &source.files[index];
    let born = file.born.as_ref()?;
    let slice = Slice {
        source: source.token,
        epoch: source.epoch,
        name: source.key.0.clone(),
        prefix: born.prefix,
        believed_below: born.believed_below,
        raw: files.raw(&file.handle),
    };
    let (tail, target) = (born.tail.clone(), born.target.clone());
    Some(OpenSlice { slice, tail, target, offset: source.offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_holds_from_the_next_record() {
        let chunk = b"aaa\nbbb\nccc\n";
        let check = |change, expect: &[u8]| assert_eq!(up_to_change(chunk, 100, change), expect);
        check(None, chunk);
        check(Some(104), b"aaa\n");
        check(Some(105), b"aaa\nbbb\n");
        check(Some(101), b"aaa\n");
        check(Some(108), b"aaa\nbbb\n");
        check(Some(112), chunk);
        check(Some(500), chunk);
    }
}

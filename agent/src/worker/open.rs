//! What is open, unfinished lines and events that more lines may belong to, and how it is ended
//! where nothing in the bytes does so: by the journal.

use std::time::Duration;

use super::sink::TurnSink;
use super::source::Source;
use super::step::Worker;
use super::turn::open_slice;
use crate::checkpoint::Entry;
use crate::core::limits::CARRY_BYTES_MAX;
use crate::core::{SourceToken, Stream};
use crate::decode::{Flow, Open};
use crate::encode::Seen;
use crate::read::Files;

/// When a timer looks again at what is open of a source that is being read.
const BUSY_WAIT: Duration = Duration::from_millis(100);

/// What is open of a stream, and since when nothing was added to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    open: Open,
    since_mono_ns: u64,
}

impl<Handle> Source<Handle> {
    /// Looks at what is open. Returns whether anything is.
    pub(super) fn look_at_open(&mut self, mono_ns: u64) -> bool {
        for stream in Stream::ALL {
            let open = self.decoder.open(stream);
            let waiting = &mut self.open[stream.index()];
            if waiting.map(|waiting| waiting.open) != open {
                *waiting = open.map(|open| Waiting { open, since_mono_ns: mono_ns });
            }
        }
        self.open.iter().any(Option::is_some)
    }

    /// When what is open of a stream has waited long enough. A line gets `partial_timeout`.
    pub(super) fn open_until(&self, stream: Stream, partial_timeout: Duration) -> Option<u64> {
        let waiting = self.open[stream.index()]?;
        let timeout = self.decoder.join_timeout().filter(|_| !waiting.open.is_line);
        Some(waiting.since_mono_ns + timeout.unwrap_or(partial_timeout).as_nanos() as u64)
    }
}

impl<F: Files> Worker<F> {
    /// Ends what nothing was added to for so long.
    pub(super) fn end_late(&mut self) {
        while let Some((at, token)) = self.open_timers.first().copied() {
            if at > self.now.mono_ns || self.draining {
                break;
            }
            self.open_timers.pop_first();
            self.end_late_of(token);
        }
    }

    fn end_late_of(&mut self, token: SourceToken) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.open_timer = None;
        let timeout = self.settings.partial_timeout;
        if !source.is_waiting() || source.is_behind() {
            // It may have more to read than it has been told of.
            let wait = if source.stalled.is_some() { timeout } else { BUSY_WAIT };
            let later = self.now.after(wait);
            return self.arm_open_timer(token, later);
        }
        let is_late = |stream: &Stream| {
            source.open_until(*stream, timeout).is_some_and(|until| until <= self.now.mono_ns)
        };
        let late: Vec<Stream> = Stream::ALL.into_iter().filter(is_late).collect();
        self.cut_streams(token, &late);
        // What could not be ended, since its index refuses or the file has no name yet, waits.
        let source = self.sources.get(&token);
        let is_stuck = source
            .is_some_and(|source| late.iter().any(|stream| source.decoder.has_carry(*stream)));
        let not_before = if is_stuck { self.now.after(timeout) } else { 0 };
        self.arm_open_timer(token, not_before);
    }

    /// Lets a timer look at what is open when it has waited long enough, and not before
    /// `not_before`.
    pub(super) fn arm_open_timer(&mut self, token: SourceToken, not_before: u64) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let timeout = self.settings.partial_timeout;
        let until = Stream::ALL.iter().filter_map(|stream| source.open_until(*stream, timeout));
        let Some(until) = until.min().map(|until| until.max(not_before)) else { return };
        // A timer that is early looks again; so it need not be moved for each line.
        if source.open_timer.is_none_or(|timer| until < timer) {
            if let Some(timer) = source.open_timer.replace(until) {
                self.open_timers.remove(&(timer, token));
            }
            self.open_timers.insert((until, token));
        }
    }

    /// Over the budget the largest of what is open goes out as it is.
    pub(super) fn limit_carry(&mut self) {
        while self.carry_bytes > CARRY_BYTES_MAX {
            let largest = self
                .carrying
                .iter()
                .filter(|token| {
                    let source = &self.sources[*token];
                    source.stalled.is_none() && !source.is_behind()
                })
                .max_by_key(|token| self.sources[*token].carry_bytes)
                .copied();
            let Some(token) = largest else { break };
            let before = self.carry_bytes;
            self.cut(token);
            if self.carry_bytes == before {
                break;
            }
        }
    }

    /// Ends here, by the journal, all that is open of a source.
    pub(super) fn cut(&mut self, token: SourceToken) {
        self.cut_streams(token, &Stream::ALL);
    }

    /// Ends here, by the journal, what is open of these streams.
    pub(super) fn cut_streams(&mut self, token: SourceToken, streams: &[Stream]) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let Some(index) = source.reading_index() else { return };
        let offset = source.offset;
        let Some(born) = source.files[index].born.as_mut() else { return };
        let streams: Vec<Stream> =
            streams.iter().copied().filter(|stream| source.decoder.has_carry(*stream)).collect();
        for stream in &streams {
            if !born.record.journal.cuts(offset).any(|other| other == *stream) {
                born.record.journal.add(offset, Entry::Cut(*stream));
                // Joined lines that nothing was added to are a whole event.
                let is_line = source.decoder.open(*stream).is_some_and(|open| open.is_line);
                self.counters.cuts.inc_by(is_line.into());
            }
        }
        if !streams.is_empty() {
            self.needs_commit(token);
            self.flush_carry(token, &streams);
        }
    }

    /// Ends what the journal ends exactly here.
    pub(super) fn apply_cuts(&mut self, token: SourceToken, index: usize) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let Some(born) = &source.files[index].born else { return };
        let cuts: Vec<Stream> = born.record.journal.cuts(source.offset).collect();
        if cuts.iter().any(|stream| source.decoder.has_carry(*stream)) {
            self.flush_carry(token, &cuts);
        }
    }

    /// Sends the carried pieces of these streams as events. The cut must be in the journal.
    fn flush_carry(&mut self, token: SourceToken, streams: &[Stream]) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let Some(index) = source.reading_index() else { return };
        let Some(slice) = open_slice(source, index, &self.files) else { return };
        slice.begin(&mut self.encoder);
        let Some(born) = &source.files[index].born else { return };
        let now = Seen::of_wall(self.now.wall_ns).not_before(source.last_seen);
        // What ends here has its time from the bytes before, since the next record, which may be of
        // another time, begins here as well.
        let ends_at = source.offset.saturating_sub(1);
        let seen = born.record.journal.seen(ends_at).unwrap_or(now);
        let before = source.decoder.carry();
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
        let mut refused = false;
        for stream in streams {
            refused |= source.decoder.cut(*stream, &mut sink) == Flow::Refuse;
        }
        let TurnSink { undated, events, refused: index_refused, .. } = sink;
        if refused {
            source.decoder.restore(before);
            source.stalled = index_refused;
        }
        source.in_batch |= events > 0;
        self.counters.events.inc_by(events);
        if events > 0 {
            self.batch_sources.insert(token);
        }
        let born = source.files[index].born.as_mut().filter(|_| undated);
        if born.is_some_and(|born| born.note_seen(ends_at, seen)) {
            source.last_seen = seen;
            self.needs_commit(token);
        }
        self.after_taking(token, false);
    }
}

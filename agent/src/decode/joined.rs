//! The way of lines into events: a line is held until it is known what belongs to it.

use std::sync::Arc;

use memchr::memchr;
use serde::{Deserialize, Serialize};

use super::carry::First;
use super::escape::unescape_into;
use super::join::Joiner;
use super::{Event, Flow, Sink};
use crate::core::{DamageReason, JoinSide, Stream};

/// What stands between two lines of an event: a newline as JSON has it.
const NEWLINE: &[u8] = br"\n";

/// A piece of an event's text is shared between copies of the carry from this length on.
const PIECE_BYTES: usize = 16 << 10;

/// The event that each stream has open; a file's lines, which have no stream, are the first's.
pub(super) type Held = [Option<Box<Joined>>; 2];

/// Whole lines of one event that more may belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Joined {
    /// The first line; its `pieces` are the lines that are held.
    first: First,
    stream: Option<Stream>,
    /// An earlier part of this event went out.
    partial: bool,
    /// When the first line was read, for one without a time.
    read_s: i64,
    text: Lines,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lines {
    pieces: Vec<Arc<[u8]>>,
    /// What comes last, not shared yet.
    tail: Vec<u8>,
}

impl Lines {
    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum::<usize>() + self.tail.len()
    }

    fn add(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            self.tail.extend_from_slice(piece);
        }
        if self.tail.len() >= PIECE_BYTES {
            self.pieces.push(std::mem::take(&mut self.tail).into());
        }
    }

    fn clear(&mut self) {
        self.pieces.clear();
        self.tail.clear();
    }
}

impl Joined {
    fn new(event: &Event<'_>, read_s: i64) -> Self {
        let mut joined = Self {
            first: First {
                file: event.file,
                offset: event.offset,
                raw_len: event.raw_len,
                time: event.time.copied(),
                attrs: event.attrs.map(Arc::from),
                mended: event.damage.is_some(),
                pieces: 1,
            },
            stream: event.stream,
            partial: false,
            read_s,
            text: Lines::default(),
        };
        joined.text.add(event.text);
        joined
    }

    /// Lets another event begin in the place of one that went out.
    fn begin(&mut self, event: &Event<'_>, partial: bool, read_s: i64) {
        let first = &mut self.first;
        first.file = event.file;
        first.offset = event.offset;
        first.raw_len = event.raw_len;
        first.time = event.time.copied();
        if first.attrs.as_deref() != event.attrs {
            first.attrs = event.attrs.map(Arc::from);
        }
        first.mended = event.damage.is_some();
        first.pieces = 1;
        self.stream = event.stream;
        self.partial = partial;
        self.read_s = read_s;
        self.text.clear();
        self.text.add(event.text);
    }

    fn add(&mut self, event: &Event<'_>) {
        self.first.pieces = self.first.pieces.saturating_add(1);
        self.first.mended |= event.damage.is_some();
        self.text.add(&[NEWLINE]);
        self.text.add(event.text);
    }

    fn give(&self, partial: bool, sink: &mut impl Sink) -> Flow {
        let mut text: Vec<&[u8]> = self.text.pieces.iter().map(|piece| &piece[..]).collect();
        text.push(&self.text.tail);
        let stream = self.stream.unwrap_or(Stream::Stdout);
        let event = self.first.event(stream, &text, partial || self.partial, self.first.mended);
        sink.begun(Some(self.read_s));
        let flow = sink.event(&Event { stream: self.stream, ..event });
        sink.begun(None);
        flow
    }

    pub(super) fn first(&self) -> &First {
        &self.first
    }

    pub(super) fn first_mut(&mut self) -> &mut First {
        &mut self.first
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }
}

/// Sends what is held of a stream: nothing more will come to it.
pub(super) fn flush(held: &mut Option<Box<Joined>>, sink: &mut impl Sink) -> Flow {
    let Some(joined) = held else { return Flow::Go };
    let flow = joined.give(false, sink);
    if flow != Flow::Refuse {
        *held = None;
    }
    flow
}

/// Takes lines, as events of one line each, and gives the events that they make to `sink`.
pub(super) struct Joining<'a, S> {
    /// `None` where lines are joined no more: what is held goes out before the next one.
    joiner: Option<&'a Joiner>,
    event_bytes_max: usize,
    read_s: i64,
    held: &'a mut Held,
    sink: &'a mut S,
    line: Vec<u8>,
}

impl<'a, S: Sink> Joining<'a, S> {
    pub(super) fn new(
        joiner: Option<&'a Joiner>,
        event_bytes_max: usize,
        read_s: i64,
        held: &'a mut Held,
        sink: &'a mut S,
    ) -> Self {
        Self { joiner, event_bytes_max, read_s, held, sink, line: Vec::new() }
    }

    /// A line to what is held of its stream.
    fn join(&mut self, joiner: &Joiner, event: &Event<'_>) -> Flow {
        let text = unescaped(event.text, &mut self.line);
        let meant = joiner.means(text);
        let held = &mut self.held[slot(event)];
        let Some(joined) = held else {
            if joiner.side() == JoinSide::Behind && !meant {
                return self.sink.event(event);
            }
            *held = Some(Box::new(Joined::new(event, self.read_s)));
            return Flow::Go;
        };
        // As in Filebeat: such a line belongs to the event that it ends, whatever the pattern says
        // of it, and an event does not end with its first line.
        let flushes = joiner.flushes(text);
        if !flushes && joiner.side() == JoinSide::Before && !meant {
            let flow = joined.give(false, self.sink);
            if flow != Flow::Refuse {
                joined.begin(event, false, self.read_s);
            }
            return flow;
        }
        let added: usize = event.text.iter().map(|piece| piece.len()).sum();
        let bytes = joined.bytes() + NEWLINE.len() + added;
        let mut flow = Flow::Go;
        if joined.first.pieces >= joiner.lines_max() || bytes > self.event_bytes_max {
            flow = joined.give(true, self.sink);
            if flow == Flow::Refuse {
                return flow;
            }
            joined.begin(event, true, self.read_s);
        } else {
            joined.add(event);
        }
        if flushes || joiner.side() == JoinSide::Behind && !meant {
            flow = after(flow, flush(held, self.sink));
        }
        flow
    }
}

impl<S: Sink> Sink for Joining<'_, S> {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        let is_text = event.stream.is_none();
        // What is no record stands between the lines of an output and is none of them.
        let is_raw =
            !is_text && matches!(event.damage, Some(reason) if reason != DamageReason::NotUtf8);
        if is_raw {
            return self.sink.event(event);
        }
        // A part of a line says nothing of what the line belongs to; and a file's last event does
        // not go on in the next file, which another program may have written.
        let held = &mut self.held[slot(event)];
        let is_elsewhere = |joined: &Joined| is_text && joined.first.file != event.file;
        let mut flow = Flow::Go;
        if self.joiner.is_none() || event.partial || held.as_deref().is_some_and(is_elsewhere) {
            flow = flush(held, self.sink);
            if flow == Flow::Refuse {
                return flow;
            }
        }
        let next = match self.joiner {
            Some(joiner) if !event.partial => self.join(joiner, event),
            _ => self.sink.event(event),
        };
        after(flow, next)
    }

    fn damage(&mut self, reason: DamageReason, bytes: u64) {
        self.sink.damage(reason, bytes);
    }
}

/// What two answers in a row come to.
pub(super) fn after(first: Flow, second: Flow) -> Flow {
    if second == Flow::Go { first } else { second }
}

fn slot(event: &Event<'_>) -> usize {
    event.stream.unwrap_or(Stream::Stdout).index()
}

/// The line as its writer wrote it. A carriage return at its end is a terminal's, and not in the way
/// of a pattern's `$`.
fn unescaped<'a>(text: &[&'a [u8]], line: &'a mut Vec<u8>) -> &'a [u8] {
    if let [text] = text
        && memchr(b'\\', text).is_none()
    {
        return text;
    }
    line.clear();
    unescape_into(line, text);
    line.strip_suffix(b"\r").unwrap_or(line)
}

//! One source's decoder: lines out of chunks, records out of lines, events out of records.

use std::sync::Arc;
use std::time::Duration;

use memchr::{memchr, memmem, memrchr};

use super::carry::{First, Line, Open};
use super::join::Joiner;
use super::joined::{Joining, after, flush};
use super::record::{self, Memory, Record};
use super::slow::Scratch;
use super::{Carry, Event, FileContext, Flow, Format, JoinError, Sink, text};
use crate::core::limits::LINE_BYTES_MAX;
use crate::core::{DamageReason, JoinRules, Stream};

/// UTF-8 is checked for this much at a time: long enough to be fast, and short enough to be still
/// in the cache when the lines are taken apart, and to be little lost when the sink stops.
const WINDOW_BYTES: usize = 32 << 10;

/// Attributes longer than this are not remembered between two chunks.
const ATTRS_BYTES_KEPT: usize = 32 << 10;

/// How a Docker record begins: where a torn line may have the next record glued to it.
const RECORD_HEAD: &[u8] = br#"{"log":"#;

/// Decodes one source.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    event_bytes_max: usize,
    rules: Option<Box<JoinRules>>,
    /// The rules, if they can be used.
    joiner: Option<Arc<Joiner>>,
    pub(super) carry: Carry,
    memory: Memory,
    /// When what is pushed now was read, in seconds since the Unix epoch.
    read_s: i64,
}

/// How far a push came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Bytes of the chunk that are done with.
    pub consumed: usize,
    /// The sink's last word.
    pub flow: Flow,
}

/// What is to be decoded.
#[derive(Clone, Copy)]
struct Push<'a> {
    file: FileContext,
    offset: u64,
    chunk: &'a [u8],
    end: End,
}

/// What is to be made of the bytes behind the chunk's last newline.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// They are left for the next chunk.
    Open,
    /// Text that is cut here.
    Cut,
    /// The last line of a finished file.
    Final,
}

/// What became of one line, or of a part of it.
pub(super) struct Step {
    /// Bytes that are done with.
    pub(super) taken: usize,
    pub(super) flow: Flow,
}

/// A chunk on its way through the decoder.
pub(super) struct Chunk<'a> {
    pub(super) file: FileContext,
    /// Of the chunk's first byte in the file.
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
    /// Up to here UTF-8 has been judged, …
    judged: usize,
    /// … and was found good since the last window's start.
    good: bool,
}

/// A line, or what stands for one.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) at: usize,
    /// Without the newline.
    pub(super) len: usize,
    /// On disk, with the newline.
    pub(super) raw_len: usize,
}

impl Decoder {
    /// `event_bytes_max` bounds the escaped text of a joined event.
    pub fn new(format: Format, event_bytes_max: usize) -> Self {
        Self {
            format,
            event_bytes_max,
            rules: None,
            joiner: None,
            carry: Carry::default(),
            memory: Memory::default(),
            read_s: 0,
        }
    }

    pub fn set_event_bytes_max(&mut self, event_bytes_max: usize) {
        self.event_bytes_max = event_bytes_max;
    }

    /// What is pushed from here on was read at this time, in seconds since the Unix epoch: an event
    /// has that of its first line.
    pub fn set_read(&mut self, read_s: i64) {
        self.read_s = read_s;
    }

    /// From here on lines are joined by these rules. With rules that cannot be used each line is an
    /// event; that is said once, and not when they are set again.
    pub fn set_join(&mut self, rules: Option<&JoinRules>) -> Result<(), JoinError> {
        if self.rules.as_deref() == rules {
            return Ok(());
        }
        self.rules = rules.cloned().map(Box::new);
        self.joiner = None;
        self.joiner = rules.map(Joiner::shared).transpose()?;
        Ok(())
    }

    /// Decodes the whole lines of `chunk`, which begins at `offset` of the file.
    ///
    /// A caller must be able to offer [`LINE_BYTES_MAX`] bytes in one chunk, else a line of that
    /// length never comes to an end.
    pub fn push(
        &mut self,
        file: FileContext,
        offset: u64,
        chunk: &[u8],
        sink: &mut impl Sink,
    ) -> Pushed {
        self.joining(sink, Push { file, offset, chunk, end: End::Open })
    }

    /// Lets events be made of the lines, where there is anything to join.
    fn joining(&mut self, sink: &mut impl Sink, push: Push<'_>) -> Pushed {
        if self.joiner.is_none() && self.carry.held.iter().all(Option::is_none) {
            return self.push_lines(push, sink);
        }
        let joiner = self.joiner.clone();
        let mut held = std::mem::take(&mut self.carry.held);
        let mut sink =
            Joining::new(joiner.as_deref(), self.event_bytes_max, self.read_s, &mut held, sink);
        let pushed = self.push_lines(push, &mut sink);
        self.carry.held = held;
        pushed
    }

    fn push_lines(&mut self, push: Push<'_>, sink: &mut impl Sink) -> Pushed {
        let Push { file, offset, chunk, end } = push;
        let mut pushed = self.push_whole(push, sink);
        let mut rest = Chunk { file, offset, bytes: chunk, judged: 0, good: false };
        // A torn line can hold two events, so once may not be enough.
        while end != End::Open && pushed.flow == Flow::Go && pushed.consumed < chunk.len() {
            let len = chunk.len() - pushed.consumed;
            let span = Span { at: pushed.consumed, len, raw_len: len };
            let step = match end {
                End::Cut => text::cut(&mut self.carry, &mut rest, span, sink),
                _ => self.line(&mut rest, span, sink),
            };
            pushed = Pushed { consumed: pushed.consumed + step.taken, flow: step.flow };
        }
        pushed
    }

    fn push_whole(&mut self, push: Push<'_>, sink: &mut impl Sink) -> Pushed {
        let Push { file, offset, chunk, .. } = push;
        let mut chunk = Chunk { file, offset, bytes: chunk, judged: 0, good: false };
        let line_bytes_max = self.line_bytes_max();
        let mut at = 0;
        let mut flow = Flow::Go;
        while flow == Flow::Go {
            at += skip_nuls(&chunk.bytes[at..], sink);
            let rest = &chunk.bytes[at..];
            let step = match memchr(b'\n', &rest[..rest.len().min(line_bytes_max)]) {
                Some(len) => self.line(&mut chunk, Span { at, len, raw_len: len + 1 }, sink),
                None if rest.len() >= line_bytes_max => self.overlong_piece(&mut chunk, at, sink),
                None => break,
            };
            at += step.taken;
            flow = step.flow;
        }
        if self.memory.attrs.as_ref().is_some_and(|attrs| attrs.len() > ATTRS_BYTES_KEPT) {
            self.memory.attrs = None;
        }
        Pushed { consumed: at, flow }
    }

    /// Ends here what is open of the stream. Joined lines are a whole event. The pieces of a line
    /// go out as a partial one, and what still comes of their line will be partial too.
    pub fn cut(&mut self, stream: Stream, sink: &mut impl Sink) -> Flow {
        let flow = flush(&mut self.carry.held[stream.index()], sink);
        if flow == Flow::Refuse {
            return flow;
        }
        after(flow, emit_carried(self.carry.line_mut(stream), stream, sink))
    }

    /// Like [`Self::push`] for text that the journal cuts at the chunk's end: what follows the last
    /// newline goes out as a partial event, and what still comes of its line will be partial too.
    /// Joined lines before the chunk's end are for [`Self::cut`].
    pub fn push_and_cut(
        &mut self,
        file: FileContext,
        offset: u64,
        chunk: &[u8],
        sink: &mut impl Sink,
    ) -> Pushed {
        debug_assert_eq!(self.format, Format::Text);
        self.joining(sink, Push { file, offset, chunk, end: End::Cut })
    }

    /// The next bytes are another file's. A line of text does not go on there, while a record's
    /// pieces do.
    pub fn next_file(&mut self) {
        if self.format == Format::Text {
            self.carry.end_text();
        }
    }

    /// Like [`Self::push`] for the end of a finished file: what follows the last newline is
    /// delivered too, as a record if it is a whole one, else as raw text.
    pub fn finish(
        &mut self,
        file: FileContext,
        offset: u64,
        rest: &[u8],
        sink: &mut impl Sink,
    ) -> Pushed {
        self.joining(sink, Push { file, offset, chunk: rest, end: End::Final })
    }

    /// What is carried, if anything.
    pub fn carry(&self) -> Option<Carry> {
        (!self.carry.is_empty()).then(|| self.carry.clone())
    }

    pub fn restore(&mut self, carry: Option<Carry>) {
        self.carry = carry.unwrap_or_default();
    }

    pub fn carry_bytes(&self) -> usize {
        self.carry.bytes()
    }

    /// Whether a cut would make an event.
    pub fn has_carry(&self, stream: Stream) -> bool {
        self.carry.line(stream).first.is_some() || self.carry.held[stream.index()].is_some()
    }

    /// What a cut would make an event of.
    pub fn open(&self, stream: Stream) -> Option<Open> {
        self.carry.open(stream)
    }

    /// Lines may be held.
    pub fn is_joining(&self) -> bool {
        self.joiner.is_some()
    }

    /// After this time an event that nothing was added to is whole.
    pub fn join_timeout(&self) -> Option<Duration> {
        self.joiner.as_ref().map(|joiner| joiner.timeout())
    }

    /// Whether what comes next is the rest of a line of text that has gone out in part.
    pub fn is_inside_line(&self) -> bool {
        self.format == Format::Text && (self.carry.overlong || self.carry.stdout.cut)
    }

    /// Nothing of a line was taken that has not ended; an event may be open.
    pub fn is_between_lines(&self) -> bool {
        self.carry.is_between_lines()
    }

    /// The longest line that stays in one piece, with its newline.
    fn line_bytes_max(&self) -> usize {
        match self.format {
            Format::Docker => LINE_BYTES_MAX,
            Format::Text => LINE_BYTES_MAX.min(self.event_bytes_max),
        }
    }

    #[inline]
    fn line(&mut self, chunk: &mut Chunk<'_>, span: Span, sink: &mut impl Sink) -> Step {
        if self.format == Format::Text {
            return text::line(&mut self.carry, chunk, span, sink);
        }
        if !self.carry.overlong && chunk.is_utf8(span) {
            let buffer = &chunk.bytes[span.at..];
            if let Some(record) = record::canonical(buffer, span.len, &mut self.memory) {
                return self.join(chunk, span, &record, sink);
            }
        }
        self.unusual_line(chunk, span, sink)
    }

    /// Joins a record to what is carried of its stream.
    #[inline]
    fn join(
        &mut self,
        chunk: &Chunk<'_>,
        span: Span,
        record: &Record<'_>,
        sink: &mut impl Sink,
    ) -> Step {
        let attrs = if record.has_attrs { self.memory.attrs.as_ref() } else { None };
        let line = self.carry.line_mut(record.stream);
        if line.first.is_some() && line.text.len() + record.text.len() > self.event_bytes_max {
            let flow = emit_carried(line, record.stream, sink);
            if flow != Flow::Go {
                return Step { taken: 0, flow };
            }
        }
        let flow = if line.first.is_none() && record.ends_line {
            let event = Event {
                file: chunk.file,
                offset: chunk.offset + span.at as u64,
                raw_len: span.raw_len as u32,
                stream: Some(record.stream),
                time: record.time.as_ref(),
                text: &[record.text],
                attrs: attrs.map(|attrs| &attrs[..]),
                partial: line.cut,
                damage: record.mended.then_some(DamageReason::NotUtf8),
            };
            let flow = sink.event(&event);
            if flow != Flow::Refuse {
                line.cut = false;
            }
            flow
        } else if record.ends_line {
            end_line(line, record, sink)
        } else {
            let first = line.first.get_or_insert_with(|| First {
                file: chunk.file,
                offset: chunk.offset + span.at as u64,
                raw_len: span.raw_len as u32,
                time: record.time,
                attrs: attrs.cloned(),
                mended: false,
                pieces: 0,
            });
            first.pieces = first.pieces.saturating_add(1);
            first.mended |= record.mended;
            line.text.push(record.text);
            Flow::Go
        };
        Step { taken: if flow == Flow::Refuse { 0 } else { span.raw_len }, flow }
    }

    /// A line that is not in the canonical form.
    #[cold]
    fn unusual_line(&mut self, chunk: &Chunk<'_>, span: Span, sink: &mut impl Sink) -> Step {
        let line = &chunk.bytes[span.at..][..span.len];
        Scratch::with(|scratch| {
            if self.carry.overlong {
                return self.overlong_end(chunk, span, scratch, sink);
            }
            if let Some(record) = scratch.record(line, &mut self.memory) {
                return self.join(chunk, span, &record, sink);
            }
            if line.iter().all(|byte| b" \t\r".contains(byte)) {
                sink.damage(DamageReason::NotJson, span.raw_len as u64);
                return Step { taken: span.raw_len, flow: Flow::Go };
            }
            // Only the last record can be whole; one search bounds the work for a line that
            // consists of heads.
            let glued = memmem::rfind(line, RECORD_HEAD).filter(|&at| at > 0);
            let Some(len) = glued else {
                let torn = span.raw_len == span.len;
                let reason = if torn { DamageReason::Torn } else { DamageReason::NotJson };
                return emit_raw(chunk, span, reason, false, scratch, sink);
            };
            // What follows is a line for the next turn.
            let head = Span { len, raw_len: len, ..span };
            match scratch.record(&line[..len], &mut self.memory) {
                Some(record) => self.join(chunk, head, &record, sink),
                None => emit_raw(chunk, head, DamageReason::Torn, false, scratch, sink),
            }
        })
    }

    /// A piece of a line whose end is not within reach.
    #[cold]
    fn overlong_piece(&mut self, chunk: &mut Chunk<'_>, at: usize, sink: &mut impl Sink) -> Step {
        let len = character_boundary(&chunk.bytes[at..][..self.line_bytes_max()]);
        let span = Span { at, len, raw_len: len };
        let step = match self.format {
            Format::Docker => Scratch::with(|scratch| {
                emit_raw(chunk, span, DamageReason::Oversized, true, scratch, sink)
            }),
            Format::Text => text::piece(chunk, span, sink),
        };
        if step.flow != Flow::Refuse {
            self.carry.overlong = true;
        }
        step
    }

    /// The last piece of such a line.
    fn overlong_end(
        &mut self,
        chunk: &Chunk<'_>,
        span: Span,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
    ) -> Step {
        let step = if span.len == 0 {
            Step { taken: span.raw_len, flow: Flow::Go }
        } else {
            emit_raw(chunk, span, DamageReason::Oversized, true, scratch, sink)
        };
        if step.flow != Flow::Refuse {
            self.carry.overlong = false;
        }
        step
    }
}

impl Chunk<'_> {
    #[inline]
    pub(super) fn is_utf8(&mut self, span: Span) -> bool {
        let end = span.at + span.len;
        if end > self.judged {
            self.judge(span.at, end);
        }
        self.good || simdutf8::basic::from_utf8(&self.bytes[span.at..end]).is_ok()
    }

    /// Judges a window of whole lines that begins at `from` and reaches `to` at least.
    fn judge(&mut self, from: usize, to: usize) {
        let window = &self.bytes[to..self.bytes.len().min(from + WINDOW_BYTES).max(to)];
        self.judged = to + memrchr(b'\n', window).unwrap_or(0);
        self.good = simdutf8::basic::from_utf8(&self.bytes[from..self.judged]).is_ok();
    }
}

/// Ends a line whose first pieces are carried.
fn end_line(line: &mut Line, record: &Record<'_>, sink: &mut impl Sink) -> Flow {
    let flow = match &line.first {
        None => Flow::Go,
        Some(first) => {
            let mut text: Vec<&[u8]> = line.text.pieces().collect();
            text.push(record.text);
            sink.event(&Event {
                raw_len: 0,
                ..first.event(record.stream, &text, line.cut, first.mended || record.mended)
            })
        }
    };
    if flow != Flow::Refuse {
        *line = Line::default();
    }
    flow
}

/// Sends what is carried of a line, as a part of it.
fn emit_carried(line: &mut Line, stream: Stream, sink: &mut impl Sink) -> Flow {
    let Some(first) = &line.first else {
        return Flow::Go;
    };
    let text: Vec<&[u8]> = line.text.pieces().collect();
    let flow = sink.event(&first.event(stream, &text, true, first.mended));
    if flow != Flow::Refuse {
        *line = Line { cut: true, ..Line::default() };
    }
    flow
}

/// Delivers bytes that are no record as text. NULs at their end are a hole in the file and no
/// text.
fn emit_raw(
    chunk: &Chunk<'_>,
    span: Span,
    reason: DamageReason,
    partial: bool,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Step {
    let bytes = &chunk.bytes[span.at..][..span.len];
    let text = &bytes[..bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)];
    let flow = sink.event(&Event {
        file: chunk.file,
        offset: chunk.offset + span.at as u64,
        raw_len: span.raw_len as u32,
        stream: Some(Stream::Stdout),
        time: None,
        text: &[scratch.raw(text)],
        attrs: None,
        partial,
        damage: Some(reason),
    });
    if flow == Flow::Refuse {
        return Step { taken: 0, flow };
    }
    if text.len() < bytes.len() {
        sink.damage(DamageReason::Nul, (bytes.len() - text.len()) as u64);
    }
    Step { taken: span.raw_len, flow }
}

/// Skips NULs at the head of a line, newline in sight or not: the hole that `copytruncate` leaves
/// can be as long as the file ever was.
#[inline]
fn skip_nuls(bytes: &[u8], sink: &mut impl Sink) -> usize {
    if bytes.first() != Some(&0) {
        return 0;
    }
    let (blocks, _) = bytes.as_chunks::<64>();
    let whole = 64 * blocks.iter().take_while(|block| **block == [0; 64]).count();
    let more = bytes[whole..].iter().take_while(|&&byte| byte == 0).count();
    sink.damage(DamageReason::Nul, (whole + more) as u64);
    whole + more
}

/// Where to cut so that no character is torn, if the bytes at the end are one.
pub(super) fn character_boundary(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    let torn = bytes[tail..].utf8_chunks().last().map_or(0, |last| {
        let needed = match last.invalid().first() {
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            _ => 0,
        };
        if last.invalid().len() < needed { last.invalid().len() } else { 0 }
    });
    bytes.len() - torn
}

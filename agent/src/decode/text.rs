//! Lines as an application wrote them: one line is one event, without a time and a stream.

use super::decoder::{Chunk, Span, Step, character_boundary};
use super::slow::Scratch;
use super::{Carry, Event, Flow, Sink};
use crate::core::DamageReason;
use crate::sys::simd;

/// Where to cut a line that has no end, so that no character is torn if that can be had.
pub fn unfinished_len(rest: &[u8]) -> usize {
    match character_boundary(rest) {
        0 => rest.len(),
        boundary => boundary,
    }
}

/// A line up to its newline, or up to the end of a finished file; or the end of one that was cut.
#[inline]
pub(super) fn line(
    carry: &mut Carry,
    chunk: &mut Chunk<'_>,
    span: Span,
    sink: &mut impl Sink,
) -> Step {
    let is_end = carry.overlong || carry.stdout.cut;
    let bytes = &chunk.bytes[span.at..][..span.len];
    let is_whole = span.raw_len > span.len;
    let text = if is_whole { bytes.strip_suffix(b"\r").unwrap_or(bytes) } else { bytes };
    let flow = if is_end && text.is_empty() {
        Flow::Go
    } else {
        let oversized = carry.overlong.then_some(DamageReason::Oversized);
        emit(chunk, span, text, is_end, oversized, sink)
    };
    if is_end && flow != Flow::Refuse {
        carry.end_text();
    }
    step(span, flow)
}

/// A piece of a line whose end is not within reach.
#[cold]
pub(super) fn piece(chunk: &mut Chunk<'_>, span: Span, sink: &mut impl Sink) -> Step {
    let text = &chunk.bytes[span.at..][..span.len];
    step(span, emit(chunk, span, text, true, Some(DamageReason::Oversized), sink))
}

/// The unfinished line before a cut of the journal's.
#[cold]
pub(super) fn cut(
    carry: &mut Carry,
    chunk: &mut Chunk<'_>,
    span: Span,
    sink: &mut impl Sink,
) -> Step {
    let text = &chunk.bytes[span.at..][..span.len];
    let oversized = carry.overlong.then_some(DamageReason::Oversized);
    let flow = emit(chunk, span, text, true, oversized, sink);
    if flow != Flow::Refuse {
        carry.stdout.cut = true;
    }
    step(span, flow)
}

#[inline]
fn emit(
    chunk: &mut Chunk<'_>,
    span: Span,
    text: &[u8],
    partial: bool,
    damage: Option<DamageReason>,
    sink: &mut impl Sink,
) -> Flow {
    let is_utf8 = chunk.is_utf8(span);
    let event = Event {
        file: chunk.file,
        offset: chunk.offset + span.at as u64,
        raw_len: span.raw_len as u32,
        stream: None,
        time: None,
        text: &[text],
        attrs: None,
        partial,
        damage: damage.or((!is_utf8).then_some(DamageReason::NotUtf8)),
    };
    if is_utf8 && simd::plain_len(text) == text.len() {
        return sink.event(&event);
    }
    Scratch::with(|scratch| sink.event(&Event { text: &[scratch.raw(text)], ..event }))
}

fn step(span: Span, flow: Flow) -> Step {
    Step { taken: if flow == Flow::Refuse { 0 } else { span.raw_len }, flow }
}

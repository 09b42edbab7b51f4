//! A record as Docker writes it, taken apart from its end without being parsed.
//!
//! The form is exact: every byte of the line is either compared with a constant or judged as the
//! inside of a string. So what is taken apart here has one reading as JSON, and this is it; all
//! else is for [`super::slow`].

use std::sync::Arc;

use super::time::{TimeText, Times};
use crate::core::Stream;
use crate::sys::simd;

/// A decoded record; its attributes, if it has any, are those that are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The text, still escaped, without the final newline.
    pub text: &'a [u8],
    /// The text ended in a newline.
    pub ends_line: bool,
    pub stream: Stream,
    pub time: Option<TimeText>,
    pub has_attrs: bool,
    /// Bytes that are no UTF-8 were replaced.
    pub mended: bool,
}

/// What the lines of one source have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub times: Times,
    /// The last record's attributes: a JSON object of strings. They come from the container's
    /// labels and environment, which do not change while it lives.
    pub attrs: Option<Arc<[u8]>>,
}

const HEAD: &[u8] = br#"{"log":""#;
const TIME: &[u8] = br#","time":""#;
const ATTRS: &[u8] = br#","attrs":"#;
const STDOUT: &[u8; 19] = br#"","stream":"stdout""#;
const STDERR: &[u8; 19] = br#"","stream":"stderr""#;

/// Takes `buffer[..len]` apart, a line without its newline that is known to be UTF-8. The bytes
/// behind it are not judged.
///
/// `None` says that the line is not in the canonical form, not that it is bad.
#[inline]
pub(super) fn canonical<'a>(
    buffer: &'a [u8],
    len: usize,
    memory: &mut Memory,
) -> Option<Record<'a>> {
    let line = &buffer[..len];
    let before_time = line.strip_suffix(br#""}"#)?;
    let time_at = time_at(before_time)?;
    let time = memory.times.canonical(&before_time[time_at..])?;
    let mut front = &before_time[..time_at - TIME.len()];
    let has_attrs = front.ends_with(b"}");
    if has_attrs {
        front = strip_attrs(front, memory)?;
    }
    let stream = if front.ends_with(STDOUT) {
        Stream::Stdout
    } else if front.ends_with(STDERR) {
        Stream::Stderr
    } else {
        return None;
    };
    let text_len = (front.len() - STDOUT.len()).checked_sub(HEAD.len())?;
    if !front.starts_with(HEAD) || !simd::is_string_inside(&buffer[HEAD.len()..], text_len) {
        return None;
    }
    let text = &buffer[HEAD.len()..][..text_len];
    let ends_line = ends_line(text)?;
    let text = if ends_line { &text[..text_len - 2] } else { text };
    Some(Record { text, ends_line, stream, time: Some(time), has_attrs, mended: false })
}

/// Where the time begins in a line that ends with it. Nine digits of fraction are the rule; each
/// zero at their end is left out with a tenth of the probability.
#[inline]
fn time_at(line: &[u8]) -> Option<usize> {
    [30, 29, 28, 27, 26, 25, 24, 23, 22, 20].into_iter().find_map(|len| {
        let at = line.len().checked_sub(len)?;
        line[..at].ends_with(TIME).then_some(at)
    })
}

/// Whether a legal text ends in an escaped newline; `None` if only a parser should say.
#[inline]
fn ends_line(text: &[u8]) -> Option<bool> {
    match text {
        [.., b'a' | b'A'] if text.len() >= 6 && text[text.len() - 6..].starts_with(br"\u000") => {
            None
        }
        [front @ .., b'\\', b'n'] => {
            // The backslash is one of an even number if it is itself escaped.
            let before = front.iter().rev().take_while(|&&b| b == b'\\').count();
            Some(before % 2 == 0)
        }
        _ => Some(false),
    }
}

/// Takes the attributes from the end of a line's front.
fn strip_attrs<'a>(front: &'a [u8], memory: &mut Memory) -> Option<&'a [u8]> {
    if let Some(attrs) = &memory.attrs
        && let Some(front) = front.strip_suffix(&attrs[..])
        && let Some(front) = front.strip_suffix(ATTRS)
    {
        return Some(front);
    }
    // The first line of a source, or other attributes than before: look for them from the front.
    let text = front.get(HEAD.len()..)?;
    let rest = text.get(string_len(text)? + STDOUT.len()..)?;
    let attrs = rest.strip_prefix(ATTRS)?;
    if !is_object_of_strings(attrs) {
        return None;
    }
    memory.attrs = Some(attrs.into());
    Some(&front[..front.len() - attrs.len() - ATTRS.len()])
}

/// The length of a string's inside, up to its closing quote.
fn string_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += simd::plain_len(&bytes[at..]);
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => return None,
        }
        if at > bytes.len() {
            return None;
        }
    }
}

/// `{"name":"value",…}` without spaces and with at least one member.
fn is_object_of_strings(object: &[u8]) -> bool {
    let Some(mut rest) = object.strip_prefix(b"{") else {
        return false;
    };
    loop {
        for end in [b':', 0] {
            let Some(inside) = rest.strip_prefix(b"\"") else {
                return false;
            };
            let Some(len) = string_len(inside) else {
                return false;
            };
            if !simd::is_string_inside(inside, len) {
                return false;
            }
            rest = &inside[len + 1..];
            if end != 0 {
                match rest.strip_prefix(&[end]) {
                    Some(more) => rest = more,
                    None => return false,
                }
            }
        }
        match rest {
            b"}" => return true,
            [b',', more @ ..] => rest = more,
            _ => return false,
        }
    }
}

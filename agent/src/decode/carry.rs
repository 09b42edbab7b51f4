//! What stands unfinished between two records: per stream, the lines of an event that more may
//! belong to, and the pieces of a line that has not ended yet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::joined::{Held, Joined};
use super::{Event, FileContext};
use crate::core::{DamageReason, IdPrefix, Stream};

/// Pieces smaller than this are merged, so that a line written byte by byte does not cost an
/// allocation and a reference count for each byte. Docker's own pieces are this long.
const PIECE_BYTES_MERGED: usize = 16 << 10;

/// The state of a decoder between two records. A clone costs a reference count per 16 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Carry {
    pub(super) stdout: Line,
    pub(super) stderr: Line,
    /// The position is inside of a line that was too long: up to its newline all is raw text.
    pub(super) overlong: bool,
    /// Whole lines before the unfinished ones.
    pub(super) held: Held,
}

/// A carry in the store. Without joined lines it is what it was before there were any.
#[derive(Serialize, Deserialize)]
struct Stored {
    stdout: Line,
    stderr: Line,
    rest: Rest,
}

/// The first two are stored like a `bool`.
#[derive(Serialize, Deserialize)]
enum Rest {
    Plain,
    Overlong,
    Joined { overlong: bool, held: [Option<Box<Joined>>; 2] },
}

impl From<Carry> for Stored {
    fn from(Carry { stdout, stderr, overlong, held }: Carry) -> Self {
        let rest = match (held, overlong) {
            ([None, None], false) => Rest::Plain,
            ([None, None], true) => Rest::Overlong,
            (held, overlong) => Rest::Joined { overlong, held },
        };
        Self { stdout, stderr, rest }
    }
}

impl From<Stored> for Carry {
    fn from(Stored { stdout, stderr, rest }: Stored) -> Self {
        let (overlong, held) = match rest {
            Rest::Plain => (false, Held::default()),
            Rest::Overlong => (true, Held::default()),
            Rest::Joined { overlong, held } => (overlong, held),
        };
        Self { stdout, stderr, overlong, held }
    }
}

/// What is open of a stream: another value whenever anything was added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Where its first record begins, counted over all files of the source.
    place: u64,
    records: u32,
    bytes: usize,
    /// A line is unfinished, and not only an event.
    pub is_line: bool,
}

impl Carry {
    /// Nothing is held that a later event depends on.
    pub fn is_empty(&self) -> bool {
        self.is_between_lines() && self.held.iter().all(Option::is_none)
    }

    /// Nothing of a line was taken that has not ended; joined lines may be held.
    pub(super) fn is_between_lines(&self) -> bool {
        !self.overlong && self.stdout.is_empty() && self.stderr.is_empty()
    }

    /// The position is inside of a line that was too long.
    pub fn is_overlong(&self) -> bool {
        self.overlong
    }

    /// Bytes of text that are held.
    pub fn bytes(&self) -> usize {
        let held: usize = self.held.iter().flatten().map(|joined| joined.bytes()).sum();
        self.stdout.text.len() + self.stderr.text.len() + held
    }

    /// Where the first piece stands that is held of the stream.
    pub fn first(&self, stream: Stream) -> Option<(FileContext, u64)> {
        let joined = self.held[stream.index()].as_ref().map(|joined| joined.first());
        let first = joined.or(self.line(stream).first.as_ref());
        first.map(|first| (first.file, first.offset))
    }

    /// What is open of the stream, if anything.
    pub(super) fn open(&self, stream: Stream) -> Option<Open> {
        let (file, offset) = self.first(stream)?;
        let joined = self.held[stream.index()].as_deref();
        let line = self.line(stream);
        let records = |first: Option<&First>| first.map_or(0, |first| first.pieces);
        Some(Open {
            place: file.base + offset,
            records: records(joined.map(Joined::first)) + records(line.first.as_ref()),
            bytes: joined.map_or(0, Joined::bytes) + line.text.len(),
            is_line: line.first.is_some(),
        })
    }

    /// Gives what begins in one generation of a file the ids of another one.
    pub fn renew(&mut self, old: IdPrefix, new: IdPrefix) {
        let lines = [&mut self.stdout, &mut self.stderr].into_iter();
        let lines = lines.filter_map(|line| line.first.as_mut());
        let events = self.held.iter_mut().flatten().map(|joined| joined.first_mut());
        for first in lines.chain(events) {
            if first.file.prefix == old {
                first.file.prefix = new;
            }
        }
    }

    /// The line of text is at its end.
    pub(super) fn end_text(&mut self) {
        self.overlong = false;
        self.stdout = Line::default();
    }

    pub(super) fn line(&self, stream: Stream) -> &Line {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    pub(super) fn line_mut(&mut self, stream: Stream) -> &mut Line {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// One stream's unfinished line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// `None` if no piece is held.
    pub first: Option<First>,
    pub text: Text,
    /// An earlier part of this line went out as an event of its own.
    pub cut: bool,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && !self.cut
    }
}

/// What the first piece of an event settles for the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct First {
    pub file: FileContext,
    pub offset: u64,
    /// Bytes of the first record.
    pub raw_len: u32,
    pub time: Option<[u8; 30]>,
    pub attrs: Option<Arc<[u8]>>,
    /// Some piece had bytes that are no UTF-8.
    pub mended: bool,
    /// Records that are held.
    pub pieces: u32,
}

impl First {
    /// The event that is made of the pieces in `text`.
    pub(super) fn event<'a>(
        &'a self,
        stream: Stream,
        text: &'a [&'a [u8]],
        partial: bool,
        mended: bool,
    ) -> Event<'a> {
        Event {
            file: self.file,
            offset: self.offset,
            raw_len: if self.pieces == 1 { self.raw_len } else { 0 },
            stream: Some(stream),
            time: self.time.as_ref(),
            text,
            attrs: self.attrs.as_deref(),
            partial,
            damage: mended.then_some(DamageReason::NotUtf8),
        }
    }
}

/// Bytes in shared pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Text(Vec<Arc<[u8]>>);

impl Text {
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|piece| &piece[..])
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(last) = self.0.last_mut()
            && last.len() + bytes.len() <= PIECE_BYTES_MERGED
        {
            *last = [&last[..], bytes].concat().into();
        } else {
            self.0.push(bytes.into());
        }
    }
}

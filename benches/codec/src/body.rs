//! A body in chunks that end with a document, and what its writer knows for free.

use std::path::Path;

use anyhow::{Context, Result};
use memchr::{memchr_iter, memmem};
use sluice_gzip::Repeat;

/// What each document begins with, as far as the time stamp.
const HEAD: &[u8] = b"{\"create\":{}}\n{\"@timestamp\":\"";
/// Between time stamp and text. The stamp's end is part of it.
const MIDDLE: &[u8] = b"Z\",\"message\":\"";
/// Behind the text.
const TAIL: &[u8] = b"\",\"stream\":\"";
const STAMP_BYTES: usize = 30;

pub(crate) struct Body {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Lines, where it is no bulk request.
    pub(crate) documents: usize,
    framed: bool,
}

pub(crate) struct Chunk<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) repeats: Vec<Repeat>,
}

impl Body {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let framed = bytes.starts_with(HEAD);
        let lines = memchr_iter(b'\n', &bytes).count();
        let documents = if framed { lines / 2 } else { lines };
        Ok(Self { name, bytes, documents: documents.max(1), framed })
    }

    /// Of about so many bytes each.
    pub(crate) fn chunks(&self, bytes: usize) -> Vec<Chunk<'_>> {
        let end_of_line: &[u8] = if self.framed { b"}\n{\"create\":{}}\n" } else { b"\n" };
        let mut chunks = Vec::new();
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            let wanted = bytes.min(rest.len());
            let len = match memmem::rfind(&rest[..wanted], end_of_line) {
                Some(at) if wanted < rest.len() => at + end_of_line.find_newline(),
                _ => wanted,
            };
            let (chunk, behind) = rest.split_at(len);
            let repeats = if self.framed { repeats(chunk) } else { Vec::new() };
            chunks.push(Chunk { bytes: chunk, repeats });
            rest = behind;
        }
        chunks
    }
}

trait FindNewline {
    /// Up to and with the first newline.
    fn find_newline(&self) -> usize;
}

impl FindNewline for [u8] {
    fn find_newline(&self) -> usize {
        self.iter().position(|&byte| byte == b'\n').map_or(self.len(), |at| at + 1)
    }
}

/// The end of a document with the head of the next, and what is between time stamp and text, are
/// the same as the last time that a document of that stream was written.
fn repeats(chunk: &[u8]) -> Vec<Repeat> {
    let mut found: Vec<Repeat> = Vec::new();
    let mut again = |at: usize, len: usize, before: &mut Option<usize>| {
        if let Some(from) = *before {
            found.push(Repeat { at: at as u32, len: len as u32, from: from as u32 });
        }
        *before = Some(at);
    };
    let (mut middles, mut tails) = (None, [None; 2]);
    let mut at = 0;
    while chunk[at..].starts_with(HEAD) {
        let middle = at + HEAD.len() + STAMP_BYTES - 1;
        if !chunk[middle.min(chunk.len())..].starts_with(MIDDLE) {
            break;
        }
        again(middle, MIDDLE.len(), &mut middles);
        let text = middle + MIDDLE.len();
        let end = text + chunk[text..].find_newline();
        let Some(tail) = memmem::rfind(&chunk[text..end], TAIL).map(|tail| text + tail) else {
            break;
        };
        let stream = usize::from(chunk[tail..].starts_with(b"\",\"stream\":\"stderr"));
        let len = end - tail + if end < chunk.len() { HEAD.len() } else { 0 };
        again(tail, len, &mut tails[stream]);
        at = end;
    }
    found
}

//! Whole lines of a file, by page-aligned reads of 256 KiB.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

const READ_BYTES: usize = 256 * 1024;
/// Room before the read for what is left of the last one, and so the longest line: a record of
/// 16 KiB is at most six times as long when every byte is escaped.
const CARRY_BYTES_MAX: usize = 256 * 1024;
const PAGE_BYTES: usize = 4096;

pub(super) struct Reader {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    /// Where reads go: a page boundary with the carry before it.
    read_at: usize,
    /// What the last read left: the beginning of a line.
    tail: Range<usize>,
    offset: u64,
}

pub(super) struct Chunk<'a> {
    /// In the file, of the first byte.
    pub(super) offset: u64,
    /// Ends with a newline.
    pub(super) lines: &'a [u8],
}

impl Reader {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let buffer = vec![0; CARRY_BYTES_MAX + PAGE_BYTES + READ_BYTES];
        let boundary = buffer[CARRY_BYTES_MAX..].as_ptr().align_offset(PAGE_BYTES);
        let read_at = CARRY_BYTES_MAX + boundary;
        Ok(Self { path: path.to_owned(), file, buffer, read_at, tail: 0..0, offset: 0 })
    }

    /// `None` at the end of the file; a last line without a newline is left out.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Chunk<'_>>> {
        loop {
            let carry = self.tail.len();
            ensure!(carry <= CARRY_BYTES_MAX, "a line of more than {carry} bytes");
            let begin = self.read_at - carry;
            self.buffer.copy_within(self.tail.clone(), begin);
            let place = &mut self.buffer[self.read_at..self.read_at + READ_BYTES];
            let read = self
                .file
                .read_at(place, self.offset)
                .with_context(|| format!("reading {}", self.path.display()))?;
            if read == 0 {
                return Ok(None);
            }
            let offset = self.offset - carry as u64;
            self.offset += read as u64;
            let end = self.read_at + read;
            let newline = memchr::memrchr(b'\n', &self.buffer[self.read_at..end]);
            let whole = newline.map_or(begin, |at| self.read_at + at + 1);
            self.tail = whole..end;
            if whole > begin {
                return Ok(Some(Chunk { offset, lines: &self.buffer[begin..whole] }));
            }
        }
    }
}

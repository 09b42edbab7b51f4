//! takes: news, and the directory of a source
//! gives: chunks of bytes with their place; what files a source has
//! owns:  descriptors, file identity, buffers, archives (`.gz`)
//! never: parses; sleeps in the kernel on a worker's thread
//!
//! Invariants:
//! * A file is its inode with its birth time, and a fingerprint of its first line once it is
//!   compressed; never its name.
//! * What may block (a cold page, an open, a mount that is not local, an archive) runs elsewhere
//!   and comes back as a [`Completion`].
//! * Every way of reading gives the same bytes.

mod archive;
mod buffer;
mod directory;
mod file;
mod first_line;
mod lineup;
mod local;
mod names;
mod pool;
mod probe;
mod scan;
mod start;

pub use archive::Archive;
pub use buffer::PageBuffer;
pub use directory::Directory;
pub use file::{FileId, OpenFile, Stat, id_of};
pub use first_line::{FIRST_LINE_BYTES_MAX, FirstLine};
pub use lineup::{
    Content, Found, FoundKind, KnownFile, Look, Opened, Patience, Seen, Vanished, conclude,
};
pub use local::{Cold, LocalFiles, ReadSettings, Wake};
pub use names::{file_rank, logs_among};
pub use pool::Pool;
pub use probe::probe;
pub use scan::{Begin, ScanFailure, ScanJob, ScanResult, StartAt, scan};

use std::io;

use crate::core::SourceToken;

/// Files as a worker sees them. The one thing of this room that a simulator replaces.
pub trait Files {
    type Handle: Clone;

    /// Reads at `offset` into `buffer`, at most its length. Never blocks.
    fn read(
        &mut self,
        source: SourceToken,
        handle: &Self::Handle,
        offset: u64,
        buffer: &mut PageBuffer,
    ) -> ReadStart;

    /// Looks at the directory of a source; the answer comes as a [`Completion`].
    fn scan(&mut self, job: ScanJob<Self::Handle>);

    /// Takes what has come back since the last call.
    fn completions(&mut self, into: &mut Vec<Completion<Self::Handle>>);

    /// Reads a record's raw bytes again; for the table of a batch.
    fn raw(&self, handle: &Self::Handle) -> Option<std::sync::Arc<dyn crate::encode::Raw>>;
}

/// How a read went.
#[derive(Debug)]
pub enum ReadStart {
    Ready(io::Result<ReadDone>),
    /// It would block; a [`Completion::Read`] follows.
    Pending,
}

/// Bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadDone {
    pub bytes: usize,
    /// Taken after the read: always where it gave less than was asked for, and of a plain file
    /// also where it gave all of it. How much more is there decides how far ahead is reserved.
    pub stat: Option<Stat>,
}

/// Something that took its time.
#[derive(Debug)]
pub enum Completion<Handle> {
    Read { source: SourceToken, offset: u64, result: io::Result<(PageBuffer, ReadDone)> },
    Scanned(ScanResult<Handle>),
}

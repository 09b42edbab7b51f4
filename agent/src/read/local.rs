//! Files of this machine: hot bytes by `preadv2(RWF_NOWAIT)`, what would block by io_uring or on
//! the pool.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::io::ReadWriteFlags;

use super::file::Shared;
use super::scan::{ScanFailure, ScanJob, ScanResult, scan};
use super::{Completion, Files, PageBuffer, Pool, ReadDone, ReadStart};
use crate::core::SourceToken;
use crate::encode::Raw;
use crate::sys::Ring;

/// How what would block is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cold {
    /// io_uring where the kernel lets us, else the pool.
    Auto,
    Pool,
}

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadSettings {
    pub cold: Cold,
    /// Whether cached bytes are read at once; without it everything takes the cold way, which is
    /// how the ways are tested against each other.
    pub hot: bool,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self { cold: Cold::Auto, hot: true }
    }
}

/// One worker's view of the files.
#[derive(Debug)]
pub struct LocalFiles {
    settings: ReadSettings,
    pool: Pool,
    ring: Option<Ring<RingJob>>,
    done: Sender<Completion<Shared>>,
    /// Unbounded in type, bounded in fact: a source has at most one read and one scan outstanding.
    waiting: Receiver<Completion<Shared>>,
    wake: Arc<dyn Wake>,
    /// Why there is no io_uring, for those who ask.
    pub ring_refused: Option<String>,
}

/// Wakes the worker.
pub trait Wake: Send + Sync + std::fmt::Debug {
    fn wake(&self);
}

#[derive(Debug)]
pub(super) struct RingJob {
    source: SourceToken,
    handle: Shared,
    offset: u64,
    buffer: PageBuffer,
}

impl AsMut<[u8]> for RingJob {
    fn as_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut_slice()
    }
}

impl AsFd for RingJob {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.file().as_fd()
    }
}

/// Reads in the ring at the same time; more go to the pool.
const RING_ENTRIES: u32 = 64;

impl LocalFiles {
    pub fn new(settings: ReadSettings, pool: Pool, wake: Arc<dyn Wake>) -> Self {
        let (ring, ring_refused) = match settings.cold {
            Cold::Pool => (None, Some("not asked for".to_owned())),
            Cold::Auto => match Ring::new(RING_ENTRIES) {
                Ok(ring) => (Some(ring), None),
                Err(error) => (None, Some(error.to_string())),
            },
        };
        let (done, waiting) = unbounded();
        Self { settings, pool, ring, done, waiting, wake, ring_refused }
    }

    /// Becomes readable when a read in the ring has ended.
    pub fn ring_event(&self) -> Option<BorrowedFd<'_>> {
        self.ring.as_ref().map(Ring::event)
    }

    fn read_cold(&mut self, source: SourceToken, handle: &Shared, offset: u64, len: usize) {
        let in_ring = handle.archive.is_none() && !handle.is_remote;
        if let (Some(ring), true) = (&mut self.ring, in_ring) {
            let buffer = PageBuffer::with_len(len);
            let job = RingJob { source, handle: handle.clone(), offset, buffer };
            if ring.read(job, offset).is_ok() {
                return;
            }
        }
        self.read_in_pool(source, handle.clone(), offset, len);
    }

    fn read_in_pool(&self, source: SourceToken, handle: Shared, offset: u64, len: usize) {
        let (done, wake) = (self.done.clone(), self.wake.clone());
        let lane = PathBuf::from(format!("device {}/file", handle.device));
        let job = move || {
            let mut buffer = PageBuffer::with_len(len);
            let read = match &handle.archive {
                Some(archive) => archive.read_at(handle.file(), buffer.as_mut_slice(), offset),
                None => handle.read_at(buffer.as_mut_slice(), offset),
            };
            let result = read.and_then(|bytes| Ok((buffer, with_stat(&handle, bytes, len)?)));
            let _ = done.send(Completion::Read { source, offset, result });
            wake.wake();
        };
        if let Err(error) = self.pool.run(&lane, job) {
            let _ = self.done.send(Completion::Read { source, offset, result: Err(error) });
            self.wake.wake();
        }
    }

    fn reap(&mut self, into: &mut Vec<Completion<Shared>>) {
        let Some(ring) = &mut self.ring else { return };
        for (job, result) in ring.reap() {
            let RingJob { source, handle, offset, buffer } = job;
            let asked = buffer.len();
            let result = result
                .and_then(|bytes| with_stat(&handle, bytes, asked))
                .map(|done| (buffer, done));
            into.push(Completion::Read { source, offset, result });
        }
    }
}

fn with_stat(handle: &Shared, bytes: usize, asked: usize) -> io::Result<ReadDone> {
    let stat = if bytes < asked || handle.archive.is_none() { Some(handle.stat()?) } else { None };
    Ok(ReadDone { bytes, stat })
}

impl Files for LocalFiles {
    type Handle = Shared;

    fn read(
        &mut self,
        source: SourceToken,
        handle: &Shared,
        offset: u64,
        buffer: &mut PageBuffer,
    ) -> ReadStart {
        if self.settings.hot && handle.archive.is_none() && !handle.is_remote {
            match read_hot(handle, offset, buffer.as_mut_slice()) {
                Ok(bytes) => return ReadStart::Ready(with_stat(handle, bytes, buffer.len())),
                Err(error) if is_cold(&error) => {}
                Err(error) => return ReadStart::Ready(Err(error)),
            }
        }
        self.read_cold(source, handle, offset, buffer.len());
        ReadStart::Pending
    }

    fn scan(&mut self, job: ScanJob<Shared>) {
        let (done, wake) = (self.done.clone(), self.wake.clone());
        let (source, directory) = (job.source, job.directory.clone());
        // Kept until it runs: descriptors in it may be all that is left of a file.
        let job = Arc::new(Mutex::new(Some(job)));
        let take = |job: &Mutex<Option<ScanJob<Shared>>>| {
            job.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        let given = job.clone();
        let run = self.pool.run(directory.path(), move || {
            if let Some(job) = take(&given) {
                let _ = done.send(Completion::Scanned(scan(job)));
                wake.wake();
            }
        });
        if let Err(error) = run
            && let Some(ScanJob { opened, held, .. }) = take(&job)
        {
            let look = Err(ScanFailure { error, opened, held });
            let _ =
                self.done.send(Completion::Scanned(ScanResult { source, look, is_gone: false }));
            self.wake.wake();
        }
    }

    fn completions(&mut self, into: &mut Vec<Completion<Shared>>) {
        self.reap(into);
        into.extend(self.waiting.try_iter());
    }

    fn raw(&self, handle: &Shared) -> Option<Arc<dyn Raw>> {
        if handle.archive.is_some() { None } else { Some(handle.clone()) }
    }
}

/// Only what is in the page cache.
fn read_hot(handle: &Shared, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        let rest = &mut [IoSliceMut::new(&mut buffer[filled..])];
        let at = offset + filled as u64;
        match rustix::io::preadv2(handle.file(), rest, at, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Ok(filled),
            Ok(bytes) => filled += bytes,
            Err(rustix::io::Errno::INTR) => continue,
            // Cached in part counts as not cached: a short read has to mean that the rest is not
            // there, and the next try would find the same part again.
            Err(error) => return Err(error.into()),
        }
        // A short read is the end of the file or of what is cached; the next round tells.
        if filled == buffer.len() {
            return Ok(filled);
        }
    }
}

/// EAGAIN: not cached. EOPNOTSUPP: the file system cannot tell.
fn is_cold(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::Unsupported
}

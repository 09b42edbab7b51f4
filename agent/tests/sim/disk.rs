//! A file system in memory, and the files of a worker on it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use sluice::core::SourceToken;
use sluice::encode::Raw;
use sluice::read::{
    Completion, Content, FileId, Files, FirstLine, KnownFile, Opened, PageBuffer, ReadDone,
    ReadStart, ScanFailure, ScanJob, ScanResult, Seen, Stat, Vanished, conclude, file_rank,
};

use crate::rng::Rng;

#[derive(Default)]
pub(crate) struct Disk {
    pub inodes: Vec<Inode>,
    pub directories: BTreeMap<PathBuf, BTreeMap<String, usize>>,
}

pub(crate) struct Inode {
    pub bytes: Vec<u8>,
    pub links: u32,
    pub birth_ns: i64,
}

impl Disk {
    pub(crate) fn create(&mut self, directory: &Path, name: &str, birth_ns: i64) -> usize {
        self.inodes.push(Inode { bytes: Vec::new(), links: 1, birth_ns });
        let inode = self.inodes.len() - 1;
        self.directories.entry(directory.to_owned()).or_default().insert(name.to_owned(), inode);
        inode
    }

    /// The runtime removes a container: its names go, and who holds a file keeps it.
    pub(crate) fn remove_directory(&mut self, directory: &Path) {
        for inode in self.directories.remove(directory).unwrap_or_default().into_values() {
            self.inodes[inode].links = 0;
        }
    }

    /// `name` → `name.1` → `name.2` …
    pub(crate) fn rotate(&mut self, directory: &Path, current: &str) {
        let names = self.directories.get_mut(directory).expect("the directory is there");
        let mut ranked: Vec<(u64, String)> = names
            .keys()
            .filter_map(|name| file_rank(name, current).map(|rank| (rank, name.clone())))
            .collect();
        ranked.sort_by(|a, b| b.cmp(a));
        for (rank, name) in ranked {
            let inode = names.remove(&name).expect("it was just listed");
            let suffix = if name.ends_with(".gz") { ".gz" } else { "" };
            names.insert(format!("{current}.{}{suffix}", rank + 1), inode);
        }
    }

    /// Makes `name.1.gz` of `name.1`, as the runtime does after a rotation; half of it, with both
    /// files side by side, or all.
    pub(crate) fn compress(&mut self, directory: &Path, name: &str, birth_ns: i64, whole: bool) {
        let Some(inode) = self.directories[directory].get(name).copied() else { return };
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&self.inodes[inode].bytes).expect("memory takes it");
        let mut bytes = gzip.finish().expect("memory takes it");
        let archive_name = format!("{name}.gz");
        let archive = match self.directories[directory].get(&archive_name) {
            Some(archive) => *archive,
            None => self.create(directory, &archive_name, birth_ns),
        };
        if whole {
            self.inodes[inode].links = 0;
            self.directories.get_mut(directory).expect("it is there").remove(name);
        } else {
            bytes.truncate(bytes.len() / 2);
        }
        self.inodes[archive].bytes = bytes;
    }

    pub(crate) fn inflated(&self, inode: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        // One that is still being made ends where it ends.
        let _ = flate2::read::MultiGzDecoder::new(&self.inodes[inode].bytes[..])
            .read_to_end(&mut bytes);
        bytes
    }

    fn first_line(&self, handle: &Handle) -> FirstLine {
        if handle.is_archive {
            FirstLine::of(&self.inflated(handle.inode))
        } else {
            FirstLine::of(&self.inodes[handle.inode].bytes)
        }
    }

    fn stat(&self, inode: usize) -> Stat {
        let Inode { bytes, links, birth_ns } = &self.inodes[inode];
        let id = FileId { inode: inode as u64, birth_ns: *birth_ns };
        Stat { id, size: bytes.len() as u64, links: *links, is_regular: true }
    }
}

/// Reads that are ready at once or later, short or whole, as the seed wants.
pub(crate) struct SimFiles {
    pub disk: Rc<RefCell<Disk>>,
    pub rng: Rng,
    pub late: Vec<Completion<Handle>>,
    pub scans: Vec<Scan>,
}

/// A look that has begun: what it opened then, and what the disk has when it ends.
pub(crate) struct Scan {
    job: ScanJob<Handle>,
    opened: Vec<Seen<Handle>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Handle {
    inode: usize,
    is_archive: bool,
}

impl SimFiles {
    fn listed(&mut self, job: &ScanJob<Handle>) -> Vec<Seen<Handle>> {
        let disk = self.disk.borrow();
        let empty = BTreeMap::new();
        let names = disk.directories.get(job.directory.path()).unwrap_or(&empty);
        let is_bad = self.rng.one_in(8);
        let mut listed = Vec::new();
        for (name, inode) in names {
            let Some(rank) = file_rank(name, &job.current) else { continue };
            let stat = disk.stat(*inode);
            let is_archive = name.ends_with(".gz");
            let is_known = |file: &&KnownFile<Handle>| {
                let is_left = file.left_at.is_none_or(|length| stat.size <= length);
                !file.needs_proof
                    && (file.id == stat.id && is_left || file.archive == Some(stat.id))
            };
            let content = if job.known.iter().find(is_known).is_some() {
                Content::Shut
            } else if is_archive && is_bad && self.rng.one_in(4) {
                Content::Refused("the disk does not answer".to_owned())
            } else {
                let handle = Handle { inode: *inode, is_archive };
                Content::Opened(Opened {
                    first_line: disk.first_line(&handle),
                    handle,
                    stat,
                    start: 0,
                })
            };
            listed.push(Seen { name: name.clone(), rank, is_archive, id: stat.id, content });
        }
        listed
    }

    fn end(&mut self, scan: Scan) {
        let Scan { mut job, opened } = scan;
        let present = self.listed(&job);
        let disk = self.disk.borrow();
        let is_there = |id: FileId| present.iter().any(|seen| seen.id == id);
        let rank_of = |id: FileId| present.iter().find(|seen| seen.id == id).map(|seen| seen.rank);
        let common = opened.iter().filter_map(|seen| Some((seen.rank, rank_of(seen.id)?)));
        let common: Vec<_> = common.collect();
        let rank_holds = !common.is_empty() && common.iter().all(|(before, now)| before == now);
        let held = std::mem::take(&mut job.held);
        let again: Vec<FileId> = opened.iter().map(|seen| seen.id).collect();
        let held = held.into_iter().filter(|old| !again.contains(&old.id));
        let held = held.map(|seen| Vanished { seen, rank_holds: false });
        let mut gone: Vec<_> =
            opened.into_iter().map(|seen| Vanished { seen, rank_holds }).collect();
        gone.sort_by_key(|gone| std::cmp::Reverse(gone.seen.rank));
        let mut vanished: Vec<_> = held.chain(gone).collect();
        if self.rng.one_in(12) {
            let error = io::Error::other("the directory cannot be read");
            let opened = std::mem::take(&mut job.opened);
            let held = vanished.into_iter().map(|gone| gone.seen);
            let held = held.filter(|seen| matches!(seen.content, Content::Opened(_))).collect();
            let look = Err(ScanFailure { error, opened, held });
            self.late.push(Completion::Scanned(ScanResult {
                source: job.source,
                look,
                is_gone: false,
            }));
            return;
        }
        vanished.retain(|gone| {
            !is_there(gone.seen.id) && matches!(gone.seen.content, Content::Opened(_))
        });
        for gone in &mut vanished {
            let Content::Opened(opened) = &mut gone.seen.content else { continue };
            opened.first_line = disk.first_line(&opened.handle);
        }
        for file in job.known.iter_mut().filter(|file| file.first_line == FirstLine::Unfinished) {
            file.first_line =
                file.handle.as_ref().map_or(file.first_line, |handle| disk.first_line(handle));
        }
        let stands_still = !self.rng.one_in(6);
        let look = conclude(&job.known, vanished, present, stands_still, job.patience);
        self.late.push(Completion::Scanned(ScanResult {
            source: job.source,
            look: Ok(look),
            is_gone: false,
        }));
    }

    fn bytes(&self, handle: &Handle, offset: u64, buffer: &mut [u8]) -> ReadDone {
        let disk = self.disk.borrow();
        let inflated;
        let bytes = if handle.is_archive {
            inflated = disk.inflated(handle.inode);
            &inflated
        } else {
            &disk.inodes[handle.inode].bytes
        };
        let start = (offset as usize).min(bytes.len());
        let count = (bytes.len() - start).min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        let is_short = count < buffer.len();
        let stat = (is_short || !handle.is_archive).then(|| disk.stat(handle.inode));
        ReadDone { bytes: count, stat }
    }
}

impl Files for SimFiles {
    type Handle = Handle;

    fn read(
        &mut self,
        source: SourceToken,
        handle: &Handle,
        offset: u64,
        buffer: &mut PageBuffer,
    ) -> ReadStart {
        if handle.is_archive || self.rng.one_in(4) {
            let mut own = PageBuffer::with_len(buffer.len());
            let done = self.bytes(handle, offset, own.as_mut_slice());
            self.late.push(Completion::Read { source, offset, result: Ok((own, done)) });
            return ReadStart::Pending;
        }
        ReadStart::Ready(Ok(self.bytes(handle, offset, buffer.as_mut_slice())))
    }

    fn scan(&mut self, job: ScanJob<Handle>) {
        let opened = self.listed(&job);
        self.scans.push(Scan { job, opened });
    }

    fn completions(&mut self, into: &mut Vec<Completion<Handle>>) {
        // In any order, some of them later.
        for scan in std::mem::take(&mut self.scans) {
            if self.rng.one_in(3) { self.scans.push(scan) } else { self.end(scan) }
        }
        let mut kept = Vec::new();
        for completion in std::mem::take(&mut self.late) {
            if self.rng.one_in(3) { kept.push(completion) } else { into.push(completion) }
        }
        self.late = kept;
    }

    fn raw(&self, handle: &Handle) -> Option<Arc<dyn Raw>> {
        let disk = self.disk.borrow();
        let bytes = disk.inodes[handle.inode].bytes.clone();
        drop(disk);
        // Only what may be asked for while it is still small.
        (bytes.len() < 1 << 16 && !handle.is_archive)
            .then(|| Arc::new(Snapshot(bytes)) as Arc<dyn Raw>)
    }
}

struct Snapshot(Vec<u8>);

impl Raw for Snapshot {
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let start = offset as usize;
        self.0
            .get(start..start + len)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}
